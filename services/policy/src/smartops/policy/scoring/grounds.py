"""What a plan is weighed on beside itself: read from the log, with the versions it rests on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue
from pydantic_core import from_json
from smartops.contracts.canonical import raw_digest
from smartops.contracts.events import (
    EvidenceRef,
    TaskEvidenceAttached,
    TaskSubmitted,
    ToolCallCompleted,
)
from smartops.contracts.streams import stream
from smartops.contracts.wire import EventData
from smartops.eventstore.folds import Folds
from smartops.eventstore.rows import StoredRow
from smartops.eventstore.store import EventStore
from smartops.runtime.reactor import decode

__all__ = ["Evidence", "Findings", "Seen"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A finding that the log confirms: the gateway recorded this very answer to this task."""

    kind: str
    """As the planner calls it; a rehearsal by its digest."""
    tool: str
    """The read that found it."""
    digest: str
    call: UUID
    captured_at: datetime
    """When the log took the answer; the planner's own word for it counts for nothing."""
    answer: JsonValue

    def ref(self) -> EvidenceRef:
        """As the planner attached it."""
        return EvidenceRef(
            digest=self.digest,
            kind=self.kind,
            summary=self.tool,
            call=self.call,
            captured_at=self.captured_at,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What a task's stream tells: the intent, and what was found out for it."""

    submitted: TaskSubmitted | None = None
    evidence: tuple[Evidence, ...] = ()
    unconfirmed: int = 0
    """Findings that were attached and that no read in the log gave: they count for nothing."""


@dataclass(frozen=True, slots=True)
class _Told:
    submitted: TaskSubmitted | None = None
    attached: tuple[EvidenceRef, ...] = ()


def _tell(told: _Told, event: EventData) -> _Told:
    match event:
        case TaskSubmitted():
            return _Told(event, told.attached)
        case TaskEvidenceAttached():
            # A plan that is written anew rests on what was looked at again, not on both.
            kinds = {ref.kind for ref in event.evidence}
            kept = (ref for ref in told.attached if ref.kind not in kinds)
            return _Told(told.submitted, (*kept, *event.evidence))
        case _:
            return told


@dataclass(frozen=True, slots=True)
class _Answered:
    done: ToolCallCompleted
    at: datetime
    """When the log took it, by its own clock."""


def _timed(row: StoredRow) -> tuple[EventData, datetime]:
    return decode(row), row.recorded_at


def _answer(known: _Answered | None, told: tuple[EventData, datetime]) -> _Answered | None:
    event, at = told
    return _Answered(event, at) if isinstance(event, ToolCallCompleted) else known


class Findings:
    """Reads intents and evidence.

    A task's evidence is attached before its plan is announced, so what is remembered up to there
    holds for the plan.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._tasks: Folds[_Told] = Folds(store, initial=_Told(), decode=decode, evolve=_tell)
        self._calls: Folds[_Answered | None] = Folds(
            store, initial=None, decode=_timed, evolve=_answer
        )

    async def of(self, tenant: str, task: UUID, version: int, *, fresh: bool) -> Seen:
        """What is known of a task.

        Args:
            tenant: whose.
            task: which.
            version: of the task's stream, at least: where its plan stands.
            fresh: read again.
        """
        where = stream(tenant, "task", task)
        told = (await self._tasks.load(where, version, fresh=fresh)).state
        found = await asyncio.gather(
            *(self._confirmed(tenant, where, one) for one in told.attached)
        )
        confirmed = tuple(one for one in found if one is not None)
        return Seen(told.submitted, confirmed, len(found) - len(confirmed))

    async def _confirmed(self, tenant: str, task: str, ref: EvidenceRef) -> Evidence | None:
        where = stream(tenant, "call", ref.call)
        found = (await self._calls.load(where)).state
        if found is None:
            found = (await self._calls.load(where, fresh=True)).state
        if found is None:
            return None
        done = found.done
        if done.output_digest != ref.digest or done.facts.requester_stream != task:
            return None
        answer = done.output
        if answer is None:
            answer = from_json(await self._store.blob(tenant, raw_digest(ref.digest)))
        return Evidence(ref.kind, done.facts.tool, ref.digest, ref.call, found.at, answer)
