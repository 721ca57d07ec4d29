"""The bundle's cases notice every rule that is taken out of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from smartops.policy_engine import Bundle, BundleRefused, RegorusEngine, default_bundle_path, lint
from smartops.policy_engine.bundle import CASES
from smartops.policy_engine.cases import Question, difference, questions

BUNDLE = Bundle.read(default_bundle_path())
QUESTIONS = tuple(questions(BUNDLE))
WITHOUT_CASES = {path: text for path, text in BUNDLE.files.items() if not path.endswith(CASES)}
MODULES = [path for path in BUNDLE.files if path.endswith(".rego")]


def mutants(text: str) -> Iterator[tuple[str, str]]:
    """Each rule of a module, and the module without it."""
    for block in text.split("\n\n"):
        code = [line for line in block.splitlines() if line and not line.startswith("#")]
        if code and not code[0].startswith(("package ", "import ")):
            assert text.count(block) == 1, f"two rules are written alike: {block}"
            yield "\n".join(code), text.replace(block, "")


def compiled(path: str, mutant: str) -> RegorusEngine:
    """The bundle with a module exchanged, probed; not linted, which takes longer than all else.

    Raises:
        BundleRefused: it does not compile, or has no answer to what every bundle must deny.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lint, "checking", lambda _bundle: ())
        return RegorusEngine(Bundle({**WITHOUT_CASES, path: mutant.encode()}))


def refused(path: str, mutant: str, asked: list[Question]) -> bool:
    """Whether the bundle is not put in force: what is quick to notice comes first.

    Args:
        path: of the module.
        mutant: its text now.
        asked: every case; one that notices moves to the front, as it may notice the next, too.
    """
    try:
        engine = compiled(path, mutant)
    except BundleRefused:
        return True
    for case in asked:
        if difference(case.expect, engine.decide(case.entrypoint, case.document)) is not None:
            asked.remove(case)
            asked.insert(0, case)
            return True
    try:
        RegorusEngine(Bundle({**BUNDLE.files, path: mutant.encode()}))
    except BundleRefused:
        return True
    return False


@pytest.mark.parametrize("path", MODULES)
def test_no_rule_can_be_taken_out_unnoticed(path: str) -> None:
    """One at a time: the bundle is refused at load, by a case or by what refers to the rule."""
    own = path.removesuffix(".rego") + CASES
    asked = sorted(QUESTIONS, key=lambda case: case.file != own)
    unnoticed = [
        rule for rule, mutant in mutants(BUNDLE.text(path)) if not refused(path, mutant, asked)
    ]
    assert unnoticed == []


def test_nothing_is_noticed_where_nothing_was_taken_out() -> None:
    """Or what notices a missing rule would notice anything."""
    assert not refused(MODULES[0], BUNDLE.text(MODULES[0]), list(QUESTIONS))
