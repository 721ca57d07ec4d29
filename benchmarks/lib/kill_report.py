"""Figures of a run in which parts were killed."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from smartops.contracts.catalogue import EVENTS, SERVICES
from smartops.contracts.events import (
    ToolCallCompleted,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallSettled,
    ToolCallUncertain,
)
from smartops.contracts.wire import Idempotence
from smartops.eventstore import category_of

from benchmarks.lib.checks.evidence import Evidence
from benchmarks.lib.figures import long_spread, percentile, rounded
from benchmarks.lib.nemesis import Kill

__all__ = ["kill_figures", "share_hit", "share_in_flight"]


def kill_figures(evidence: Evidence, kills: Sequence[Kill]) -> dict[str, object]:
    """How often, what it met, and how long it took to be back."""
    times = [said.at for said in evidence.events]
    return {
        "kills": dict(Counter(kill.part for kill in kills)),
        "in_flight_at_kill": {
            "min": min((kill.in_flight for kill in kills), default=0),
            "p50": percentile([kill.in_flight for kill in kills], 0.5),
        },
        "open_writes_at_kill": _open_by_part(evidence, kills),
        "task_s": _task_seconds(evidence),
        "recovery_s": {
            part: _recovery(evidence, [kill for kill in kills if kill.part == part], times)
            for part in sorted({kill.part for kill in kills})
        },
    }


def share_in_flight(kills: Sequence[Kill], tasks: int) -> float:
    """Mean share of the wanted tasks that were in flight at a kill."""
    if not kills:
        return 0.0
    return sum(min(1.0, kill.in_flight / tasks) for kill in kills) / len(kills)


def share_hit(evidence: Evidence, kills: Sequence[Kill]) -> float:
    """Share of all tasks that at least one kill fell upon."""
    if not evidence.accepted:
        return 0.0
    hit = 0
    for task, accepted in evidence.accepted.items():
        end = evidence.fates[task].settled_at or float("inf")
        hit += any(accepted.at <= kill.at <= end for kill in kills)
    return hit / len(evidence.accepted)


def _task_seconds(evidence: Evidence) -> Mapping[str, object]:
    """From the acknowledgement of an intent until its task ended or went to a human."""
    took = [
        settled - accepted.at
        for task, accepted in evidence.accepted.items()
        if (settled := evidence.fates[task].settled_at) is not None
    ]
    return long_spread(took)


def _open_by_part(evidence: Evidence, kills: Sequence[Kill]) -> dict[str, dict[str, int]]:
    """Writes that were dispatched and had no outcome at a kill, and kills that met any."""
    found: dict[str, dict[str, int]] = {}
    for kill, (idempotent, opaque) in _open_calls(evidence, kills):
        counts = found.setdefault(kill.part, {"idempotent": 0, "opaque": 0, "kills_that_met": 0})
        counts["idempotent"] += idempotent
        counts["opaque"] += opaque
        counts["kills_that_met"] += bool(idempotent or opaque)
    return found


def _open_calls(
    evidence: Evidence, kills: Sequence[Kill]
) -> Iterator[tuple[Kill, tuple[int, int]]]:
    """Each kill with the writes open at that moment: (idempotent, opaque). One walk for all."""
    open_calls: dict[object, Idempotence] = {}
    events = iter(evidence.events)
    said = next(events, None)
    for kill in sorted(kills, key=lambda kill: kill.at):
        while said is not None and said.at <= kill.at:
            match said.data:
                case ToolCallDispatched():
                    open_calls[said.data.call] = said.data.idempotence
                case (
                    ToolCallCompleted() | ToolCallFailed() | ToolCallUncertain() | ToolCallSettled()
                ):
                    open_calls.pop(said.data.call, None)
                case _:
                    pass
            said = next(events, None)
        opaque = sum(kind is Idempotence.OPAQUE for kind in open_calls.values())
        yield kill, (len(open_calls) - opaque, opaque)


def _recovery(
    evidence: Evidence, kills: Sequence[Kill], times: Sequence[float]
) -> dict[str, object]:
    """Seconds from a kill until the part served again, and until its next event (or anybody's)."""
    back = [kill.back_at - kill.at for kill in kills if kill.back_at is not None]
    words = [_next_word(evidence, kill, times) for kill in kills]
    return {
        "serving": long_spread(back),
        "next_event": long_spread([word for word in words if word is not None]),
    }


def _next_word(evidence: Evidence, kill: Kill, times: Sequence[float]) -> float | None:
    service = kill.part.partition("-")[0]
    for said in islice(evidence.events, bisect_right(times, kill.at), None):
        spec = EVENTS.get(said.row.topic)
        category = category_of(said.row.stream)
        if service not in SERVICES or (spec and spec.decided_by.get(service) == category):
            return rounded(said.at - kill.at)
    return None
