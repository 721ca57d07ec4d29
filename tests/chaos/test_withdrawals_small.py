"""The small forms of `prove withdrawals` and `prove tampering`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.lib.tamperers import ATTACKS
from benchmarks.prove import tampering, withdrawals


async def test_what_is_taken_back_while_it_is_decided_is_taken_back(tmp_path: Path) -> None:
    plan = withdrawals.Plan(rounds=1, look_ms=400)

    outcome = await withdrawals.withdrawals(tmp_path / "home", plan)

    assert outcome.violations == ()
    assert outcome.void is None
    assert outcome.figures["calls_denied"] == {"revoked": 1, "cancelled": 1, "halted": 1}
    assert outcome.figures["votes_refused"] == {"forbidden": 1}


async def test_every_kind_of_tampering_is_noticed(tmp_path: Path) -> None:
    outcome = await tampering.tampering(tmp_path, tampering.Plan(tasks=5, rounds=1))

    assert outcome.violations == ()
    assert outcome.figures["attacks"] == len(ATTACKS)
    assert outcome.figures["forbidden_changes"] == 12
