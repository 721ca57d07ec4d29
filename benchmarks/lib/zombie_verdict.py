"""Calls whose gateway stood still: what happened twice, what came late, and what was said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from smartops.contracts.events import (
    CommandRefused,
    ToolCallCompleted,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallSettled,
    ToolCallUncertain,
)
from smartops.contracts.wire import Idempotence, Purpose

from benchmarks.lib.checks.evidence import Evidence
from benchmarks.lib.log_tail import Said

__all__ = ["Trial", "Zombies", "judge_zombies"]


@dataclass(slots=True)
class Trial:
    """One task of one call.

    Attributes:
        kind: idempotent, probeable or opaque.
        point: where its gateway stood still; `elsewhere` if the other gateway had it.
        held: whether its call was exactly there.
        said: what a person said of it, if one was asked.
    """

    kind: str
    target: str
    point: str
    held: bool = False
    said: str | None = None


@dataclass(slots=True)
class Zombies:
    """What was found.

    Attributes:
        table: by point and kind, how calls came to their end.
        broken: what broke a promise.
        accepted_doubles: steps that took effect twice, which a person had accepted.
        late: effects that came after the call was uncertain or settled.
    """

    table: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    accepted_doubles: int = 0
    late: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Call:
    """What the log says of one call, in order."""

    sends: list[tuple[float, ToolCallDispatched]] = field(default_factory=list)
    doubts: list[tuple[float, ToolCallUncertain]] = field(default_factory=list)
    settled: list[tuple[float, ToolCallSettled]] = field(default_factory=list)
    failed: list[ToolCallFailed] = field(default_factory=list)
    completed: list[ToolCallCompleted] = field(default_factory=list)


def judge_zombies(evidence: Evidence, trials: Mapping[UUID, Trial]) -> Zombies:
    """Hold every change of these tasks against the fleet's own record."""
    found = Zombies()
    calls = _calls(evidence.events)
    tasks: dict[UUID, list[tuple[UUID, _Call]]] = {}
    for ident, call in calls.items():
        tasks.setdefault(call.sends[0][1].facts.task, []).append((ident, call))
    for task, trial in trials.items():
        mine = tasks.get(task, [])
        cell = found.table.setdefault(trial.point, {}).setdefault(trial.kind, Counter())
        cell.update(["n", *(["held"] if trial.held else []), _way(mine)])
        broken = [
            *_doubles(evidence, mine, found),
            *_late(evidence, mine, found, cell),
            *_truth(evidence, mine),
        ]
        found.broken += [f"{trial.point}, {trial.kind}, task {task}: {what}" for what in broken]
    return found


def refusals(events: Sequence[Said]) -> Counter[str]:
    """Settlements that were refused, by reason."""
    return Counter(
        said.data.code
        for said in events
        if isinstance(said.data, CommandRefused) and said.data.name == "call.settle"
    )


def _calls(events: Sequence[Said]) -> dict[UUID, _Call]:
    calls: dict[UUID, _Call] = {}
    for said in events:
        match said.data:
            case ToolCallDispatched() if said.data.facts.purpose is Purpose.DO:
                calls.setdefault(said.data.call, _Call()).sends.append((said.at, said.data))
            case ToolCallUncertain() if said.data.call in calls:
                calls[said.data.call].doubts.append((said.at, said.data))
            case ToolCallSettled() if said.data.call in calls:
                calls[said.data.call].settled.append((said.at, said.data))
            case ToolCallFailed() if said.data.call in calls:
                calls[said.data.call].failed.append(said.data)
            case ToolCallCompleted() if said.data.call in calls:
                calls[said.data.call].completed.append(said.data)
            case _:
                pass
    return calls


def _way(mine: Sequence[tuple[UUID, _Call]]) -> str:
    """How it came to its end, said by what was most out of the ordinary."""
    calls = [call for _, call in mine]
    if any(one.accept_double for call in calls for _, one in call.settled):
        return "retried, a double accepted"
    if any(one.by != "probe" for call in calls for _, one in call.settled):
        return "settled by a person"
    if any(call.settled for call in calls):
        return "read back"
    if any(len(call.sends) > 1 for call in calls):
        return "sent again"
    if any(call.failed for call in calls):
        return "not sent"
    return "as usual" if calls else "never dispatched"


def _doubles(evidence: Evidence, mine: Sequence[tuple[UUID, _Call]], found: Zombies) -> list[str]:
    """A step takes effect once, unless a person has accepted that it may do so twice."""
    times = sum(
        request.outcome == "applied" for ident, _ in mine for request in evidence.requests_of(ident)
    )
    if times <= 1:
        return []
    if any(one.accept_double for _, call in mine for _, one in call.settled):
        found.accepted_doubles += 1
        return []
    return [f"took effect {times} times"]


def _late(
    evidence: Evidence,
    mine: Sequence[tuple[UUID, _Call]],
    found: Zombies,
    cell: Counter[str],
) -> list[str]:
    """Nothing is sent behind its deadline; what takes effect behind it was called uncertain."""
    broken = []
    for ident, call in mine:
        for request in evidence.requests_of(ident):
            # Who sent it is not told: it is held against the last that may have.
            sent = [one for at, one in call.sends if at <= request.at]
            if not sent:
                continue  # Authority is judged elsewhere.
            deadline = sent[-1].deadline.timestamp()
            if request.at > deadline:
                broken.append(f"arrived {request.at - deadline:.1f} s behind its deadline")
            done = request.done_at
            if request.outcome != "applied" or done is None or done <= deadline:
                continue
            known = min((at for at, _ in (*call.doubts, *call.settled)), default=float("inf"))
            if known > done:
                broken.append(f"took effect {done - deadline:.1f} s late, unsaid")
            settled = any(at <= done for at, _ in call.settled)
            found.late["settled" if settled else "uncertain"] += 1
            cell["late effects"] += 1
    return broken


def _truth(evidence: Evidence, mine: Sequence[tuple[UUID, _Call]]) -> list[str]:
    """What is said to be applied is; what a tool or a probe said is not applied is not."""
    broken = []
    for ident, call in mine:
        requests = evidence.requests_of(ident)
        applied = any(request.outcome == "applied" for request in requests)
        replayed = any(request.outcome == "replayed" for request in requests)
        says = bool(call.completed) or any(one.applied for _, one in call.settled)
        if says and not applied and not replayed and not _earlier(evidence, mine):
            broken.append(f"call {ident} is said to be applied, the fleet knows nothing of it")
        denied = bool(call.failed) or any(
            not one.applied and one.by == "probe" for _, one in call.settled
        )
        if denied and applied:
            broken.append(f"call {ident} is said not to be applied, the fleet has applied it")
        opaque = call.sends[0][1].idempotence is Idempotence.OPAQUE
        if opaque and (len(call.sends) > 1 or len(requests) > 1):
            broken.append(f"call {ident} of an opaque tool was sent {len(requests)} times")
    return broken


def _earlier(evidence: Evidence, mine: Sequence[tuple[UUID, _Call]]) -> bool:
    """Whether any attempt at the step was applied: read back, one cannot be told from another."""
    return any(
        request.outcome == "applied" for ident, _ in mine for request in evidence.requests_of(ident)
    )
