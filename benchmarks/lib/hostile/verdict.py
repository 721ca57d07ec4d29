"""What became of every hostile call and plan, and what went out that nobody approved."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg
from smartops.contracts.events import TaskApprovalGranted, ToolCallCompleted, ToolCallDispatched

from benchmarks.lib.checks.evidence import Evidence
from benchmarks.lib.hostile.drafts import Case

__all__ = ["by_kind", "judge_cases", "settled", "unapproved"]

_ROWS = """
select cause, outcome from smartops_log.inbox where role = $1 and handler = $2 and cause = any ($3)
"""
_LOOK_S = 0.2
_SHOWN = 20


async def settled(
    dsn: str, handler: str, events: Sequence[UUID], patience_s: float
) -> dict[UUID, str]:
    """How a reaction has settled each event; waits for those that it has not."""
    role = f"smartops_{handler.partition('.')[0]}"
    connection = await asyncpg.connect(dsn)
    loop = asyncio.get_running_loop()
    end = loop.time() + patience_s
    try:
        while True:
            rows = await connection.fetch(_ROWS, role, handler, events)
            if len(rows) >= len(events) or loop.time() > end:
                return {row[0]: row[1] for row in rows}
            await asyncio.sleep(_LOOK_S)  # Nothing tells of a row in the inbox.
    finally:
        await connection.close()


def judge_cases(
    cases: Sequence[Case], rows: Mapping[UUID, str], heard: Mapping[UUID, str]
) -> tuple[list[str], int]:
    """What is wrong with the answers, and how many requests nobody has looked at.

    Args:
        cases: all hostile calls.
        rows: how the gateway settled each, by event.
        heard: reason of each denial, and `completed` or `failed`, by event.
    """
    found: list[str] = []
    unseen = 0
    for case in cases:
        if case.event is None:
            continue
        case.answer = heard.get(case.event)
        row = rows.get(case.event)
        if case.answer is None and row is None:
            unseen += 1
        elif case.answer is None and row == "parked" and case.also_parked:
            case.answer = "parked"
        elif (case.answer is None) == (not case.codes) and case.answer in {None, *case.codes}:
            pass
        else:
            wanted = " or ".join(sorted(case.codes)) or "nothing"
            found.append(
                f"{' + '.join(case.kinds)}: {case.answer or row}, expected {wanted} "
                f"({case.request.purpose} {case.request.question}, attempt {case.request.attempt})"
            )
    return found, unseen


def unapproved(evidence: Evidence, honest: set[UUID], approved: set[UUID]) -> list[str]:
    """Whatever went out, or was granted, though it was not asked for in earnest."""
    found = []
    for said in evidence.events:
        match said.data:
            case ToolCallDispatched() | ToolCallCompleted():
                facts = said.data.facts
                if facts.requester_stream.split("/")[1].startswith("task-"):
                    continue  # The planner's own looks, made before it was replaced.
                if facts.request not in honest:
                    found.append(
                        f"{said.row.topic} of {facts.tool} on {facts.target} at "
                        f"{said.row.position}: asked for by nobody honest"
                    )
            case TaskApprovalGranted():
                if said.row.task not in approved or said.data.automatic:
                    found.append(f"task {said.row.task} was granted, which nobody approved")
            case _:
                pass
    return found


def by_kind(cases: Sequence[Case]) -> dict[str, dict[str, object]]:
    """How many cases had each thing wrong with them, and what was answered."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        for kind in dict.fromkeys(case.kinds):
            answers[kind][case.answer or "nothing"] += 1
    return {
        kind: {"n": found.total(), "answers": dict(found.most_common(_SHOWN))}
        for kind, found in sorted(answers.items())
    }
