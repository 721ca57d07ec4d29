"""Asks a bundle questions whose answers are known, before it is put in force.

Two kinds: probes, the same for every bundle (an empty or foreign document must be denied, by a
rule and not by an accident), and the cases that the bundle brings along (see `cases`). They are
asked of whatever engine is to decide by the bundle: engines that disagree are never both in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from smartops.policy_engine.bundle import Bundle
from smartops.policy_engine.cases import Question, difference, questions
from smartops.policy_engine.errors import BundleRefused
from smartops.policy_engine.loading import Loading
from smartops.policy_engine.verdict import ENTRYPOINTS, POLICY_ERROR, Entrypoint, Verdict

__all__ = ["Decide", "Failure", "checking", "failures", "probe"]

Decide: TypeAlias = Callable[[Entrypoint, bytes], Verdict]

_FOREIGN: tuple[bytes, ...] = (b"null", b"[]", b"0", b'""', b'{"allow":true}')


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that did not get the decision that it expects."""

    question: Question
    verdict: Verdict
    difference: str
    """In words, expected first."""


def checking(decide: Decide, bundle: Bundle) -> Loading[None]:
    """Hold an engine to the bundle that it was given, question by question.

    Raises:
        BundleRefused: an answer is not the expected one.
    """
    probe(decide)
    yield
    for question in questions(bundle):
        failure = _failure(decide, question)
        if failure is not None:
            raise BundleRefused(f"{question.name}: {failure.difference}", file=question.file)
        yield


def failures(decide: Decide, bundle: Bundle) -> Iterator[Failure]:
    """Every case of the bundle that does not get the decision it expects.

    Raises:
        BundleRefused: a file of cases is none.
    """
    asked = (_failure(decide, question) for question in questions(bundle))
    yield from (failure for failure in asked if failure is not None)


def probe(decide: Decide) -> None:
    """Ask what every bundle must deny.

    Raises:
        BundleRefused: it does not, or by accident.
    """
    for entrypoint in ENTRYPOINTS:
        empty = decide(entrypoint, b"{}")
        if empty.allow:
            raise BundleRefused(f"{entrypoint} allows an empty document")
        if POLICY_ERROR in empty.rules:
            # Denied all the same, but by accident: the guard against missing fields does not work.
            raise BundleRefused(
                f"{entrypoint} has no answer to an empty document ({empty.denials[0].message});"
                " begin with `default allow := false` and deny what is missing"
            )
        for document in _FOREIGN:
            if decide(entrypoint, document).allow:
                raise BundleRefused(f"{entrypoint} allows {document.decode()}")


def _failure(decide: Decide, question: Question) -> Failure | None:
    verdict = decide(question.entrypoint, question.document)
    words = difference(question.expect, verdict)
    return None if words is None else Failure(question, verdict, words)
