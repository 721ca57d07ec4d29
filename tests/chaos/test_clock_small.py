"""The small form of `prove clock-jumps`, and whether its checks notice what they are for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from uuid import UUID

import pytest
from smartops.contracts.events import (
    CommandRefused,
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRequired,
    ToolCallDispatched,
)
from smartops.contracts.wire import EventData, Purpose

from benchmarks.lib import clocks
from benchmarks.lib.checks.expiry import check_expiry
from benchmarks.lib.clock_history import KNOWN_AFTER, ClockHistory
from benchmarks.lib.clocks import find_library
from benchmarks.lib.log_tail import Said
from benchmarks.lib.ordeal import Load
from benchmarks.prove import clock_jumps as proof
from benchmarks.prove.clock_jumps import Plan, clock_jumps

SMALL = Plan(
    load=Load(tasks=8, servers=120, seed=7, delay_ms=100, lost_answers=0, patience_s=60),
    hold_s=1.0,
    pending=2,
    small=True,
    await_bus=False,
)
HOUR = timedelta(hours=1)
TASK = UUID(int=1)


@pytest.mark.skipif(find_library() is None, reason=clocks.HOW_TO_GET_IT)
async def test_nothing_is_early_late_or_twice_when_clocks_jump(tmp_path: Path) -> None:
    outcome = await clock_jumps(tmp_path / "home", SMALL)

    assert outcome is not None
    assert outcome.violations == ()
    for what in ("early_expiries", "late_grants", "late_executions", "order_violations"):
        assert outcome.figures[what] == 0
    timers = cast("Mapping[str, int]", outcome.figures["timers"])
    assert timers["set"] == 24
    assert [timers[what] for what in ("fired_twice", "never_fired", "fired_early")] == [0, 0, 0]


async def test_without_the_library_nothing_is_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "find_library", lambda: None)
    monkeypatch.delenv("ALLOW_SKIP", raising=False)

    outcome = await clock_jumps(tmp_path, SMALL)

    assert outcome is not None
    assert outcome.void is not None
    assert "apt-get install libfaketime" in outcome.void


def test_a_reading_tells_which_offset_held() -> None:
    clock = ClockHistory()
    now = datetime.now(UTC)
    clock.note(30 * 24 * HOUR)

    assert clock.true_time(now) == now
    assert clock.true_time(now + 30 * 24 * HOUR) == now
    with pytest.raises(LookupError):
        clock.true_time(now + HOUR)


def test_right_after_a_jump_both_readings_count() -> None:
    clock = ClockHistory()
    clock.note(HOUR)
    now = datetime.now(UTC)

    assert list(clock.readings(now)) == [now, now + HOUR]
    later = now + 2 * KNOWN_AFTER
    assert list(clock.readings(later)) == [later + HOUR]


def test_an_approval_that_expires_early_is_noticed() -> None:
    now = datetime.now(UTC)
    ahead = ClockHistory()
    ahead.note(2 * HOUR)
    later = now + timedelta(minutes=1)
    events = [_required(now, now + HOUR), _said(TaskApprovalExpired, later, number=1)]

    assert len(check_expiry(events, ClockHistory()).early) == 1
    assert not check_expiry(events, ahead).early


def test_a_vote_that_is_called_late_early_is_noticed() -> None:
    now = datetime.now(UTC)
    events = [_required(now, now + HOUR), _said(CommandRefused, now, code="expired")]

    assert len(check_expiry(events, ClockHistory()).early) == 1


def test_a_grant_after_the_approval_has_expired_is_noticed() -> None:
    now = datetime.now(UTC)
    granted = _said(TaskApprovalGranted, now, number=1, grant=1, expires_at=now + HOUR)

    late = check_expiry([_required(now, now - HOUR), granted], ClockHistory())

    assert len(late.late_grants) == 1
    assert not check_expiry([_required(now, now + HOUR), granted], ClockHistory()).violations


def test_a_call_after_its_grant_has_expired_is_noticed() -> None:
    now = datetime.now(UTC)
    granted = _said(TaskApprovalGranted, now, number=1, grant=1, expires_at=now - HOUR)
    facts = SimpleNamespace(purpose=Purpose.DO, task=TASK, grant=1)
    sent = _said(ToolCallDispatched, now, facts=facts)

    assert len(check_expiry([granted, sent], ClockHistory()).late_executions) == 1
    undo = SimpleNamespace(**{**vars(facts), "purpose": Purpose.UNDO})
    taken_back = _said(ToolCallDispatched, now, facts=undo)
    assert not check_expiry([granted, taken_back], ClockHistory()).violations


def _required(at: datetime, expires_at: datetime) -> Said:
    return _said(TaskApprovalRequired, at, number=1, expires_at=expires_at)


def _said(kind: type[EventData], at: datetime, **fields: object) -> Said:
    """An event of which only these fields are asked for."""
    said = object.__new__(Said)
    said.row = SimpleNamespace(position=1, task=TASK, recorded_at=at)
    said.data = kind.model_construct(**fields)
    return said
