"""Levels and track records as dashboards read them, on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from smartops.contracts.catalogue import POLICY
from smartops.contracts.events import (
    AutonomyChanged,
    AutonomyChangedV1,
    TrackNoted,
    TrackTotals,
)
from smartops.contracts.folds import track_stream
from smartops.contracts.streams import stream
from smartops.contracts.wire import Environment
from support.audit import AuditDatabase
from support.audit_histories import OPERATOR, Said, Story

pytest_plugins = ["support.audit_fixtures"]

START = datetime(2026, 11, 21, tzinfo=UTC)
TASK = uuid4()


def changed(
    level: int, before: int, rule: str, tool: str = "patch", **more: str
) -> AutonomyChanged:
    return AutonomyChanged(
        agent="drift",
        agent_version="1.0.0",
        tool=tool,
        environment="staging",
        level=level,
        before=before,
        rule=rule,
        reason=more.get("reason", "so it was"),
        task=TASK,
        principal=OPERATOR if rule == "raised" else None,
    )


def noted(number: int, *tools: str) -> TrackNoted:
    return TrackNoted(
        agent="drift",
        agent_version="1.0.0",
        environment=Environment.STAGING,
        number=number,
        outcome="completed",
        task=uuid4(),
        run=uuid4(),
        requester=OPERATOR,
        totals=tuple(
            TrackTotals(
                tool=tool,
                runs=number,
                succeeded=number,
                rolled_back=0,
                failed=0,
                escalated=0,
                rejected=0,
                approved=0,
                senior_approvals=0,
                last_run_at=START + timedelta(minutes=number),
            )
            for tool in tools
        ),
        complete=number == 1,
    )


def of_policy(
    tenant: str, name: str, *events: AutonomyChanged | AutonomyChangedV1 | TrackNoted
) -> Story:
    story = Story(tenant, "who")
    story.said.append(Said(POLICY, name, events))
    return story


async def test_the_newest_change_of_each_scope_is_current(audit_database: AuditDatabase) -> None:
    name = stream("acme", "autonomy", "drift")
    old = AutonomyChangedV1(agent="drift", level=1, reason="before there were scopes")
    await audit_database.tell(
        [
            of_policy(
                "acme",
                name,
                old,
                changed(1, 2, "rollback", reason="a NUL \x00 in a text"),
                changed(1, 2, "rejection", "restart"),
                changed(2, 1, "raised"),
            )
        ]
    )
    async with audit_database.reader("acme") as conn:
        rows = await conn.fetch("select * from smartops.v_autonomy order by position")
        told = [
            (r["agent_version"], r["tool"], r["level"], r["before"], r["rule"], r["current"])
            for r in rows
        ]
        assert told == [
            ("*", "*", 1, None, "unknown", True),
            ("1.0.0", "patch", 1, 2, "rollback", False),
            ("1.0.0", "restart", 1, 2, "rejection", True),
            ("1.0.0", "patch", 2, 1, "raised", True),
        ]
        assert rows[1]["reason"] == "a NUL \ufffd in a text"
        assert (rows[1]["task"], rows[3]["principal"]) == (TASK, OPERATOR)
    async with audit_database.reader("globex") as conn:
        assert await conn.fetch("select * from smartops.v_autonomy") == []


async def test_the_totals_of_the_newest_note_are_the_record(audit_database: AuditDatabase) -> None:
    name = track_stream("acme", "drift", "1.0.0", Environment.STAGING)
    notes = [noted(1, "*", "patch"), noted(2, "*", "restart"), noted(3, "*", "patch")]
    await audit_database.tell([of_policy("acme", name, *notes)])
    await audit_database.project(batch=1)
    async with audit_database.reader("acme") as conn:
        rows = await conn.fetch("select * from smartops.v_track order by tool")
        assert [(r["tool"], r["runs"], r["environment"]) for r in rows] == [
            ("*", 3, "staging"),
            ("patch", 3, "staging"),
            ("restart", 2, "staging"),
        ]
        assert rows[1]["last_run_at"] == START + timedelta(minutes=3)
    async with audit_database.reader("globex") as conn:
        assert await conn.fetch("select * from smartops.v_track") == []
