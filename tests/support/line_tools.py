"""The tools of the modelled world, plans that use them, and what their calls look like."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid5

from smartops.contracts.canonical import digest
from smartops.contracts.envelope import EventMeta, encode, read_data
from smartops.contracts.events import (
    CallFacts,
    Decided,
    TaskApprovalGranted,
    ToolCallRequested,
)
from smartops.contracts.maintenance import MaintenanceWindow
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Category, EventData, Idempotence, Purpose
from smartops.runner.state import HOLDS
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown
from support.plans import CHECKS, TASK, phase, plan, step, tool

__all__ = [
    "PROBES",
    "PROVED",
    "TOOLS",
    "Choose",
    "draw_plan",
    "facts_of",
    "sample_of",
    "through_the_log",
]

Choose = Callable[[Sequence[Any]], Any]
"""Picks one of several."""

TOOLS = {
    made.name: made
    for made in (
        tool("patch", undo="unpatch"),
        tool("unpatch", undo="patch"),
        tool("flip", idempotence=Idempotence.OPAQUE, undo="unflip"),
        tool("unflip", idempotence=Idempotence.OPAQUE, undo="flip"),
        tool("restart", category=Category.IRREVERSIBLE, idempotence=Idempotence.OPAQUE),
        tool("look", category=Category.READ),
    )
}
PROBES = {name: tool(name, category=Category.READ) for name in ("probe_http", "query_error_rate")}
PROVED = frozenset({"patch"})
"""Changes whose taking back can be proved: `look` tells the version of their target."""

WAYS = ("patch", "patch", "flip", "restart", "look")

_SEEN = {"good": "old", "bad": "another"}

NIGHT = MaintenanceWindow(start="22:00", end="04:00", timezone="Europe/Berlin")

_NAMES = UUID("66666666-6666-5666-8666-666666666666")


def draw_plan(choose: Choose, avoid: Collection[str] = (), **header: Any) -> Plan:
    """One to three phases of one to three steps, each on a target of its own.

    Args:
        choose: whatever there is a choice of.
        avoid: targets to leave alone.
        header: of the plan, besides.
    """
    phases = []
    targets = (name for n in count(1) if (name := f"t{n}") not in avoid)
    for number in range(choose((1, 2, 3))):
        members = [
            step(next(targets), TOOLS[choose(WAYS)], phase=f"p{number}")
            for _ in range(choose((1, 2, 3)))
        ]
        phases.append(
            phase(
                *members,
                name=f"p{number}",
                sequential=choose((False, True)),
                parallelism=choose((1, 2, 3)),
                checks=choose(((), CHECKS)),
                wait_ms=choose((0, 1000)),
                rollback_if=choose(
                    ("", "error_rate > 1%", "not http_200 >= 100% or error_rate > 2%")
                ),
                batch=choose((None, None, 1, 2)),
                timeout_ms=choose((None, None, 60_000)),
                on_timeout=choose(("pause", "roll_back")),
                maintenance=choose((None, None, None, NIGHT)),
            )
        )
    return plan(*phases, on_timeout=choose(("pause", "roll_back")), **header)


def through_the_log(event: EventData) -> EventData:
    """Written as the log stores it, and read again."""
    meta = EventMeta(
        id=uuid5(_NAMES, "x"),
        tenant="acme",
        stream="acme/run-1",
        version=1,
        entity="x",
        task=TASK,
        cause=_NAMES,
        party="-",
        time=datetime(2026, 3, 1, tzinfo=UTC),
    )
    return read_data(event.type_key(), encode(meta, event))


def facts_of(
    request: ToolCallRequested, arguments: dict[str, Any], grant: TaskApprovalGranted | None = None
) -> CallFacts:
    """The record that a call leaves."""
    return CallFacts(
        task=request.task,
        run=request.run,
        requester="runner",
        requester_stream=f"acme/run-{request.run}",
        request=_NAMES,
        purpose=request.purpose,
        tool=request.tool,
        version=request.version,
        schema_digest=digest(b"tool"),
        target=request.target,
        question=request.question,
        attempt=request.attempt,
        phase=request.phase,
        step=request.step,
        undoes=request.undoes,
        arguments=arguments,
        plan_hash=None if grant is None else grant.plan_hash,
        grant=None if grant is None else grant.grant,
        approvers=() if grant is None else tuple(voice.actor for voice in grant.approvals),
        policy=Decided(allow=True, rules=("r",), bundle=digest(b"b"), engine="none"),
    )


def sample_of(
    request: ToolCallRequested, sample: str, standing: Mapping[str, bool]
) -> Answer | NotApplied | Unknown:
    """What a read brings back, given which changes stand."""
    if sample == "lost":
        return Unknown("the connection broke")
    if request.question.startswith("verify/"):
        changed = standing.get(request.question.removeprefix("verify/"), False)
        return Answer({"version": "new" if changed else "old"})
    if request.question.startswith(HOLDS):
        return Answer({} if sample == "empty" else {"version": _SEEN[sample]})
    if request.purpose is not Purpose.OBSERVE:
        return Answer({"ok": True})
    good, bad = (200, 503) if request.tool == "probe_http" else (0.0, 0.5)
    targets = (request.arguments or {}).get("targets")
    assert isinstance(targets, list)
    value = {"good": good, "bad": bad, "empty": None}[sample]
    return Answer({"results": dict.fromkeys(map(str, targets), value)})
