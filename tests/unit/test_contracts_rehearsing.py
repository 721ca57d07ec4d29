"""A rehearsal is evidence of one call, and of no other that looks much like it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from smartops.contracts.canonical import digest
from smartops.contracts.events import EvidenceRef
from smartops.contracts.plan import Step
from smartops.contracts.rehearsing import is_rehearsal, rehearsal_of, rehearsed
from support.plans import step, tool

FAILOVER = tool("execute_failover")


def failover(target: str = "orders-db", used: Any = FAILOVER, **arguments: Any) -> Step:
    wanted = {"asset": target, "primary": "orders-db-2", "reason_code": "drill", **arguments}
    return step(target, used, arguments=wanted)


def evidence(kind: str) -> EvidenceRef:
    return EvidenceRef(
        digest=digest(b"{}"),
        kind=kind,
        summary="seen",
        call=UUID(int=1),
        captured_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def test_a_step_was_rehearsed_if_the_evidence_is_of_this_very_call() -> None:
    shown = evidence(rehearsal_of(failover()))
    assert is_rehearsal(shown.kind)
    assert shown.kind.startswith("rehearsal:execute_failover/")
    assert rehearsed(failover(), [evidence("inventory"), shown])
    assert not rehearsed(failover(), [evidence("inventory")])
    assert not rehearsed(failover(), [])


@pytest.mark.parametrize(
    "other",
    [
        step("users-db", FAILOVER, arguments=failover().arguments),
        failover(primary="orders-db-3"),
        failover(force=True),
        failover(used=tool("force_failover")),
        failover(used=tool("execute_failover", version="2")),
    ],
    ids=["target", "argument", "further argument", "tool", "version"],
)
def test_a_rehearsal_of_something_else_is_none(other: Step) -> None:
    assert not rehearsed(other, [evidence(rehearsal_of(failover()))])


def test_the_reason_for_a_call_is_not_rehearsed() -> None:
    assert rehearsed(failover(reason_code="maintenance"), [evidence(rehearsal_of(failover()))])
