"""The small form of `prove guards`: two guards of the append switched off."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from benchmarks.lib.experiment import Outcome
from benchmarks.lib.guards.catalogue import MUTANTS
from benchmarks.lib.guards.mutant import Trial
from benchmarks.lib.guards.trying import Imported, Trying, judge_baseline, judge_mutant
from benchmarks.prove.guards import guards

SMALL = Trial("concurrent-writers", ("--units", "60", "--writers", "2"))
pytestmark = pytest.mark.timeout(300)
"""Three stacks one after the other: a few seconds each, unless the machine is very busy."""

NOTICED = ("no-inbox", "no-read-condition")


@pytest.fixture(scope="module")
async def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    mutants = [dataclasses.replace(MUTANTS[name], trial=SMALL) for name in NOTICED]
    return await guards(tmp_path_factory.mktemp("home"), mutants)


def of(outcome: Outcome, name: str) -> dict[str, Any]:
    mutants: dict[str, dict[str, Any]] = outcome.figures["mutants"]  # type: ignore[assignment]
    return mutants[name]


async def test_the_proof_holds_without_a_mutant(outcome: Outcome) -> None:
    assert outcome.void is None
    assert outcome.violations == ()
    assert outcome.figures["baselines"][str(SMALL)]["exit"] == 0  # type: ignore[index]


@pytest.mark.parametrize("name", NOTICED)
async def test_a_guard_that_is_switched_off_is_noticed(outcome: Outcome, name: str) -> None:
    tried = of(outcome, name)
    assert tried["noticed"]
    assert (tried["exit"], tried["processes"]) == (1, 1)
    assert tried["violations"] > 10


MUTANT = MUTANTS["step-hash"]
FILE = MUTANT.edits[0].file


def tried(exit: int | None, violations: list[str], *files: str) -> Trying:  # noqa: A002
    said = {"violations": violations} if exit is not None else {}
    return Trying(exit, said, 1.0, Imported(3, frozenset(), frozenset(files)), "")


def test_a_mutant_counts_as_noticed_by_violations_alone() -> None:
    assert judge_mutant(MUTANT, tried(1, ["broken"], FILE)) is None
    assert judge_mutant(MUTANT, tried(0, [], FILE)) == "all promises were kept"
    assert "ended with 3" in str(judge_mutant(MUTANT, tried(3, [], FILE)))
    assert "did not end" in str(judge_mutant(MUTANT, tried(None, [], FILE)))
    crashed = dataclasses.replace(tried(1, [], FILE), said={}, stderr="Traceback")
    assert "crashed with 1: Traceback" in str(judge_mutant(MUTANT, crashed))


def test_a_mutant_that_nobody_imported_shows_nothing() -> None:
    assert "never imported" in str(judge_mutant(MUTANT, tried(1, ["broken"])))


def test_a_baseline_that_is_not_kept_is_no_baseline() -> None:
    assert judge_baseline(tried(0, [])) is None
    assert "broken" in str(judge_baseline(tried(1, ["broken"])))
