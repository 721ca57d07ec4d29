"""Every case of the bundle on OPA's own evaluator, and what the two engines make of gaps.

Runs where `SMARTOPS_TEST_OPA_BINDINGS` names a folder with the package `opa_bindings` (on PyPI
`opa-golib-python-bindings`, for a newer Python than ours, but its library is loaded by any).
"""

from __future__ import annotations

import importlib
import json
import os
import random
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from smartops.policy_engine import POLICY_ERROR, Bundle, RegorusEngine, default_bundle_path, lint
from smartops.policy_engine.answer import Answer, Undecidable, read_answer
from smartops.policy_engine.cases import questions
from smartops.policy_engine.opa_engine import modules_below
from smartops.policy_engine.verdict import Entrypoint

BINDINGS = os.environ.get("SMARTOPS_TEST_OPA_BINDINGS")
pytestmark = pytest.mark.skipif(BINDINGS is None, reason="OPA's library is not given")
BUNDLE = Bundle.read(default_bundle_path())
JUNK = (None, [], {}, "x", -1, 0.5, True)


class Library:
    """OPA's evaluator, holding our bundle as an OPA server would."""

    def __init__(self, folder: str) -> None:
        sys.path.insert(0, folder)
        self.errors = importlib.import_module("opa_bindings.engine").OpaError
        self._engine = importlib.import_module("opa_bindings").OpaEngine()
        for path, text in modules_below(BUNDLE, "b1").items():
            self._engine.add_policy(path, text)
        data = {**lint.merged(BUNDLE), "smartops_bundle": {"digest": BUNDLE.digest}}
        self._engine.add_data({"b1": data})

    def decide(self, entrypoint: Entrypoint, document: Any) -> Answer | None:
        """What it says; None: nothing that can be trusted."""
        try:
            (decision,) = self._engine.eval_document(f"b1.asked.{entrypoint}", document)[
                "decisions"
            ]
            return read_answer(entrypoint, decision)
        except (self.errors, Undecidable, ValueError):
            return None


@pytest.fixture(scope="module")
def library() -> Library:
    assert BINDINGS is not None
    return Library(BINDINGS)


def test_every_case_gets_the_same_verdict(library: Library) -> None:
    engine = RegorusEngine(BUNDLE)
    for asked in questions(BUNDLE):
        answer = library.decide(asked.entrypoint, json.loads(asked.document))
        verdict = engine.decide(asked.entrypoint, asked.document)
        assert answer is not None, asked.name
        for part in ("allow", "requires_approval", "denials", "reasons", "quorum", "roles"):
            assert getattr(answer, part) == getattr(verdict, part), asked.name


def test_opa_is_never_looser_on_documents_with_gaps_and_junk(library: Library) -> None:
    engine = RegorusEngine(BUNDLE)
    chance = random.Random(7)
    for asked in questions(BUNDLE):
        for path in chance.sample(list(_places(json.loads(asked.document))), 8):
            document = json.loads(asked.document)
            place = document
            for part in path[:-1]:
                place = place[part]
            if isinstance(place, dict) and chance.random() < 0.3:
                del place[path[-1]]
            else:
                place[path[-1]] = chance.choice(JUNK)
            verdict = engine.decide(asked.entrypoint, json.dumps(document).encode())
            answer = library.decide(asked.entrypoint, document)
            if answer is None or not answer.allow:
                continue
            where = (asked.name, path, verdict.denials)
            assert verdict.allow, where
            assert answer.requires_approval or not verdict.requires_approval, where
            assert verdict.rules != (POLICY_ERROR,), where


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in inner:
        yield (*path, key)
        if isinstance(below, dict | list):
            yield from _places(below, (*path, key))
