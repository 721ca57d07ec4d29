"""What a log held beyond a point: what the outside may have seen, and what was done to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg
from pydantic_core import from_json

__all__ = ["Discarded", "SentCall", "read_discarded"]


@dataclass(frozen=True, slots=True)
class SentCall:
    """A write that was dispatched beyond the point: the restored log does not know of it.

    Attributes:
        position: of the event that says so.
        task: whose.
        tool: what was called.
        target: on what.
        idempotence: whether the tool would recognise it, if it were sent again.
        outcome: the last that the log said of it: completed, failed, uncertain, settled or unknown.
    """

    position: int
    task: str
    tool: str
    target: str
    idempotence: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Discarded:
    """The tail of a log.

    Attributes:
        last: its last position.
        topics: how many events of each topic.
        tasks: submitted beyond the point: their intents are gone, and may be sent again.
        calls: writes that were dispatched beyond it.
        settled_calls: outcomes beyond it of writes dispatched before: these are looked up again.
    """

    last: int
    topics: dict[str, int]
    tasks: tuple[str, ...]
    calls: tuple[SentCall, ...]
    settled_calls: int


async def read_discarded(dsn: str, position: int) -> Discarded:
    """Read what follows a position.

    Args:
        dsn: the whole log, with SELECT on it.
        position: the last one that is kept.
    """
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "select position, topic, stream, task, state from smartops_log.events "
            "where position > $1 order by position",
            position,
        )
    finally:
        await connection.close()
    topics: dict[str, int] = {}
    sent: dict[str, SentCall] = {}
    settled = 0
    for row in rows:
        topics[row["topic"]] = topics.get(row["topic"], 0) + 1
        name = row["topic"].rpartition(".v")[0]
        if name == "tool.call.dispatched":
            sent[row["stream"]] = _sent(row)
        elif name.startswith("tool.call.") and name != "tool.call.requested":
            known = sent.get(row["stream"])
            if known is not None:
                sent[row["stream"]] = _ended(known, name.rpartition(".")[2])
            else:
                settled += 1
    return Discarded(
        last=rows[-1]["position"] if rows else position,
        topics=dict(sorted(topics.items())),
        tasks=tuple(str(row["task"]) for row in rows if row["topic"].startswith("task.submitted.")),
        calls=tuple(sent.values()),
        settled_calls=settled,
    )


def _sent(row: Any) -> SentCall:
    data = from_json(row["state"])["data"]
    facts = data["facts"]
    return SentCall(
        row["position"],
        facts["task"],
        facts["tool"],
        facts["target"],
        data["idempotence"],
        "unknown",
    )


def _ended(call: SentCall, outcome: str) -> SentCall:
    return SentCall(call.position, call.task, call.tool, call.target, call.idempotence, outcome)
