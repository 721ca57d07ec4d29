"""A call whose answer was lost goes out again only while it might have gone out at first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from smartops.contracts.events import CallFacts, TaskApprovalGranted, TaskHalted
from smartops.contracts.folds import GateView
from smartops.contracts.wire import Purpose
from smartops.tool_gateway.checks import may_not_go_again

DUE = datetime(2026, 1, 1, tzinfo=UTC)
JUST_BEFORE, JUST_THEN = DUE - timedelta(milliseconds=1), DUE


def gate(**more: object) -> GateView:
    return GateView(grant=TaskApprovalGranted.model_construct(expires_at=DUE), **more)


def facts(purpose: Purpose) -> CallFacts:
    return CallFacts.model_construct(purpose=purpose)


def test_it_goes_again_while_the_grant_holds() -> None:
    assert may_not_go_again(facts(Purpose.DO), gate(), JUST_BEFORE) is None


def test_it_does_not_once_the_grant_has_expired() -> None:
    why = may_not_go_again(facts(Purpose.DO), gate(), JUST_THEN)
    assert why == "the grant expired at 2026-01-01T00:00:00+00:00"


def test_what_takes_back_goes_again_all_the_same() -> None:
    assert may_not_go_again(facts(Purpose.UNDO), gate(), JUST_THEN) is None


@pytest.mark.parametrize("purpose", [Purpose.DO, Purpose.UNDO])
def test_nothing_goes_again_in_a_halted_task(purpose: Purpose) -> None:
    halted = TaskHalted.model_construct(reason="enough")
    assert may_not_go_again(facts(purpose), gate(halted=halted), JUST_BEFORE) == "halted"
