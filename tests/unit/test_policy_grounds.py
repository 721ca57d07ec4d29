"""Evidence counts where the gateway's own record of the call says the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid5

from pydantic import JsonValue
from smartops.contracts.canonical import canonical, digest
from smartops.contracts.envelope import EventMeta, encode
from smartops.contracts.events import (
    CallFacts,
    EvidenceRef,
    TaskEvidenceAttached,
    TaskSubmitted,
    ToolCallCompleted,
)
from smartops.contracts.wire import EventData, Purpose
from smartops.eventstore.store import EventStore
from smartops.policy.scoring.grounds import Findings, Seen
from support.plans import TASK, TENANT
from support.samples import sample

BEGIN = datetime(2026, 11, 16, 12, tzinfo=UTC)
CALL = uuid5(TASK, "call")
ANSWER: JsonValue = {"assets": [{"id": "web-01"}]}
TASK_STREAM = f"{TENANT}/task-{TASK}"


class Log:
    """Streams and blobs, as far as evidence needs them."""

    def __init__(self) -> None:
        self.streams: dict[str, list[Any]] = {}
        self.blobs: dict[bytes, bytes] = {}

    def say(self, stream: str, event: EventData) -> None:
        rows = self.streams.setdefault(stream, [])
        meta = EventMeta(
            id=uuid5(TASK, f"{stream}/{len(rows)}"),
            tenant=TENANT,
            stream=stream,
            version=len(rows) + 1,
            entity="x",
            task=TASK,
            cause=TASK,
            party="-",
            time=BEGIN,
        )
        rows.append(
            SimpleNamespace(
                topic=event.type_key(),
                state=encode(meta, event),
                version=len(rows) + 1,
                event_id=meta.id,
                recorded_at=BEGIN + timedelta(seconds=len(rows)),
                hash=b"",
            )
        )

    def answered(
        self,
        answer: JsonValue = ANSWER,
        *,
        asked_by: str = TASK_STREAM,
        whole: bool = True,
        call: UUID = CALL,
    ) -> None:
        """The gateway records what a tool said."""
        facts = sample(CallFacts).model_copy(
            update={
                "tool": "query_assets",
                "purpose": Purpose.EVIDENCE,
                "requester_stream": asked_by,
            }
        )
        stored = canonical(answer)
        self.say(
            f"{TENANT}/call-{call}",
            ToolCallCompleted(
                call=call,
                facts=facts,
                output=answer if whole else None,
                output_digest=digest(stored),
                duration_ms=1,
            ),
        )
        self.blobs[bytes.fromhex(digest(stored).removeprefix("sha256:"))] = stored

    def attached(self, answer: JsonValue = ANSWER, call: UUID = CALL) -> None:
        """The planner says what it found."""
        ref = EvidenceRef(
            digest=digest(canonical(answer)),
            kind="inventory",
            summary="seen",
            call=call,
            captured_at=BEGIN + timedelta(days=300),
        )
        self.say(TASK_STREAM, TaskEvidenceAttached(evidence=(ref,)))

    async def read_stream(self, stream: str, after: int = 0, limit: int | None = None) -> list[Any]:
        return self.streams.get(stream, [])[after:][:limit]

    async def blob(self, tenant: str, wanted: bytes) -> bytes:
        assert tenant == TENANT
        return self.blobs[wanted]


async def seen(log: Log) -> Seen:
    return await Findings(cast("EventStore", log)).of(TENANT, TASK, 0, fresh=False)


def begun() -> Log:
    log = Log()
    log.say(TASK_STREAM, sample(TaskSubmitted))
    return log


async def test_what_the_gateway_recorded_for_this_task_is_evidence() -> None:
    log = begun()
    log.answered()
    log.attached()
    [one] = (found := await seen(log)).evidence
    assert (one.tool, one.kind, one.answer, one.call) == ("query_assets", "inventory", ANSWER, CALL)
    assert one.captured_at == BEGIN, "the log's own time, not the planner's"
    assert found.unconfirmed == 0
    assert found.submitted == sample(TaskSubmitted)


async def test_a_long_answer_is_read_from_where_it_lies() -> None:
    log = begun()
    log.answered(whole=False)
    log.attached()
    assert [one.answer for one in (await seen(log)).evidence] == [ANSWER]


async def test_an_answer_that_the_planner_changed_is_none() -> None:
    log = begun()
    log.answered()
    log.attached({"assets": [{"id": "web-01"}, {"id": "web-02"}]})
    found = await seen(log)
    assert (found.evidence, found.unconfirmed) == ((), 1)


async def test_an_answer_to_another_task_is_none() -> None:
    log = begun()
    log.answered(asked_by=f"{TENANT}/task-{CALL}")
    log.attached()
    assert (await seen(log)).evidence == ()


async def test_a_call_that_nobody_made_is_none() -> None:
    log = begun()
    log.attached()
    assert (await seen(log)).unconfirmed == 1
