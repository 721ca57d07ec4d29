"""From what a handler raises to what the server, the log and the dead-letter stream are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from nats.aio.msg import Msg
from smartops.bus.api import API
from smartops.bus.dead_letter import DeadLetters
from smartops.bus.delivery import Delivery
from smartops.bus.errors import Outage, Retryable, Terminal
from smartops.bus.listener import listener
from smartops.bus.middleware import ErrorMapping, Outcome
from smartops.bus.pull import StandingPull
from smartops.bus.pull_options import PullOptions
from smartops.contracts.errors import Malformed, UnknownVersion
from support.bus import Bench, eventually

pytest_plugins = ["support.bus_fixtures"]

SECRET = "4111-1111-1111-1111"


class Case:
    """A durable whose handler raises what it is told, and what came of it."""

    def __init__(self, bench: Bench, pull: StandingPull, mapping: ErrorMapping) -> None:
        self.bench = bench
        self.pull = pull
        self.mapping = mapping
        self.calls: list[int] = []
        self.outcomes: list[Outcome] = []
        self.parked: list[tuple[str, int, str]] = []
        self.raises: Callable[[Msg], Exception | None] = lambda _msg: None

    async def outcome(self, count: int = 1) -> Outcome:
        await eventually(lambda: len(self.outcomes) >= count)
        return self.outcomes[count - 1]

    async def letters(self) -> list[dict[str, Any]]:
        """What the dead-letter stream holds for this durable, oldest first."""
        stream = f"DLQ{self.bench.stream}"
        count = (await self.bench.api(f"STREAM.INFO.{stream}"))["state"]["messages"]
        found = []
        for sequence in range(1, count + 1):
            subject = f"{API}.DIRECT.GET.{stream}"
            reply = await self.bench.nc.request(subject, json.dumps({"seq": sequence}).encode())
            found.append(json.loads(reply.data))
        return found


@pytest.fixture
async def case(bench: Bench) -> AsyncIterator[Case]:
    async with making(bench) as made:
        yield made


@asynccontextmanager
async def making(
    bench: Bench,
    *,
    tries: int = 8,
    translate: Callable[[Exception], Exception | None] | None = None,
    park: Callable[[str, Delivery, str], Awaitable[None]] | None = None,
) -> AsyncIterator[Case]:
    dlq = f"DLQ{bench.stream}"
    terminated = f"$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.{bench.stream}.>"
    await bench.api(
        f"STREAM.CREATE.{dlq}",
        {"name": dlq, "subjects": [f"dlq.{bench.stream}.>", terminated], "allow_direct": True},
    )
    nc = await bench.connect()
    made: Case

    async def note_parked(durable: str, delivery: Delivery, reason: str) -> None:
        made.parked.append((durable, delivery.about.sequence, reason))

    def note_outcome(durable: str, outcome: Outcome, seconds: float) -> None:
        assert durable == bench.durable
        assert seconds >= 0
        made.outcomes.append(outcome)

    async def call(message: Msg) -> None:
        made.calls.append(int(message.subject.rpartition(".")[2]))
        error = made.raises(message)
        if error is not None:
            raise error

    async def handle(delivery: Delivery) -> None:
        await made.mapping.run(bench.durable, delivery, call, made.pull)

    mapping = ErrorMapping(
        DeadLetters(nc, lambda stream, durable: f"dlq.{stream}.{durable}"),
        park=park or note_parked,
        translate=translate,
        on_outcome=note_outcome,
        tries=tries,
    )
    options = PullOptions(
        rest_first=timedelta(milliseconds=50), declined_delay=timedelta(milliseconds=20)
    )
    pull = StandingPull(nc, bench.stream, bench.durable, handle, options=options)
    made = Case(bench, pull, mapping)
    await pull.start()
    try:
        yield made
    finally:
        await pull.stop(timedelta(seconds=1))
        await bench.api(f"STREAM.DELETE.{dlq}")


async def test_a_return_acks(case: Case) -> None:
    await case.bench.publish(1)
    assert await case.outcome() is Outcome.ACKED
    await case.bench.settled()
    assert await case.letters() == []


async def test_a_retryable_error_gives_back_after_the_time_it_names(case: Case) -> None:
    again = timedelta(milliseconds=300)
    case.raises = lambda msg: (
        Retryable("busy", retry_after=again) if msg.metadata.num_delivered == 1 else None
    )
    loop = asyncio.get_running_loop()
    began = loop.time()
    await case.bench.publish(1)
    assert await case.outcome(2) is Outcome.ACKED
    assert loop.time() - began > 0.25
    assert case.outcomes == [Outcome.RETRIED, Outcome.ACKED]


async def test_the_delay_of_a_retry_grows_with_the_deliveries(case: Case) -> None:
    decisions = await case.bench.nc.subscribe(f"$JS.ACK.{case.bench.stream}.>")
    case.raises = lambda _msg: Retryable("busy")
    await case.bench.publish(1)
    told = [(await decisions.next_msg(5)).data for _ in range(2)]
    assert told == [b'-NAK {"delay": 1000000000}', b'-NAK {"delay": 2000000000}']
    await decisions.unsubscribe()


async def test_a_terminal_error_parks_tells_and_terminates_with_its_reason(case: Case) -> None:
    case.raises = lambda _msg: Terminal("the target does not exist")
    await case.bench.publish(1, payload=lambda _n: SECRET.encode())
    assert await case.outcome() is Outcome.TERMINATED
    assert case.parked == [("worker", 1, "the target does not exist")]
    await case.bench.settled()

    async def both() -> bool:
        return len(await case.letters()) == 2

    await eventually(both)
    letter, advisory = await case.letters()
    assert letter == {
        "stream": case.bench.stream,
        "sequence": 1,
        "durable": "worker",
        "deliveries": 1,
        "subject": f"{case.bench.subject}.1",
        "reason": "the target does not exist",
    }
    assert advisory["reason"] == "the target does not exist"
    assert advisory["stream_seq"] == 1
    assert SECRET not in json.dumps([letter, advisory])


async def test_a_broken_contract_is_terminal(case: Case) -> None:
    case.raises = lambda _msg: Malformed("not a UUID", field="data.task")
    await case.bench.publish(1)
    assert await case.outcome() is Outcome.TERMINATED
    assert (await case.letters())[0]["reason"] == "malformed: data.task: not a UUID"


async def test_a_newer_version_is_given_back_and_not_parked(case: Case) -> None:
    case.raises = lambda _msg: UnknownVersion("task.planned.v9")
    await case.bench.publish(1)
    assert await case.outcome() is Outcome.RETRIED
    assert await case.bench.pending() == 1
    assert case.parked == []


async def test_an_unknown_error_is_retried_and_parked_at_the_last_try(bench: Bench) -> None:
    async with making(bench, tries=2) as case:
        case.raises = lambda _msg: ValueError(SECRET)
        await case.bench.publish(1)
        assert await case.outcome(2) is Outcome.PARKED
        assert case.outcomes == [Outcome.RETRIED, Outcome.PARKED]
        assert case.parked == [("worker", 1, f"failed 2 times: ValueError: {SECRET}")]
        letters = await case.letters()
        assert letters[0]["reason"] == "failed 2 times: ValueError"
        assert SECRET not in json.dumps(letters)
        await bench.settled()
        assert case.calls == [1, 1]


async def test_an_outage_spends_no_tries(bench: Bench) -> None:
    async with making(bench, tries=2) as case:
        case.raises = lambda msg: Outage("database") if msg.metadata.num_delivered <= 2 else None
        await bench.publish(1)
        assert await case.outcome(3) is Outcome.ACKED
        assert case.outcomes == [Outcome.OUTAGE] * 2 + [Outcome.ACKED]
        assert case.pull.counters.outages >= 1
        assert case.parked == []
        assert case.pull.healthy


async def test_errors_of_other_libraries_are_translated_first(bench: Bench) -> None:
    def translate(error: Exception) -> Exception | None:
        return Outage("database", str(error)) if isinstance(error, OSError) else None

    async with making(bench, translate=translate) as case:
        case.raises = lambda msg: (
            ConnectionResetError("reset") if msg.metadata.num_delivered == 1 else None
        )
        await bench.publish(1)
        assert await case.outcome(2) is Outcome.ACKED
        assert case.outcomes[0] is Outcome.OUTAGE


async def test_a_message_that_cannot_be_parked_is_not_given_up(bench: Bench) -> None:
    full = True

    async def park(_durable: str, _delivery: Delivery, _reason: str) -> None:
        if full:
            raise Outage("database", "away")

    async with making(bench, park=park) as case:
        case.raises = lambda _msg: Terminal("no")
        await bench.publish(1)
        assert await case.outcome() is Outcome.OUTAGE
        assert await case.letters() == []
        full = False
        await eventually(lambda: Outcome.TERMINATED in case.outcomes)
        assert len(await case.letters()) >= 1


async def test_a_message_nobody_can_be_told_of_is_not_given_up(bench: Bench) -> None:
    async with making(bench) as case:
        case.mapping._dead_letters._subject = lambda _stream, _durable: "nobody.listens"
        case.raises = lambda _msg: Terminal("no")
        await bench.publish(1)
        assert await case.outcome() is Outcome.RETRIED
        assert await bench.pending() == 1
        assert case.pull.healthy


async def test_telling_twice_stores_one_letter(bench: Bench) -> None:
    async with making(bench) as case:
        case.raises = lambda _msg: Terminal("no")
        case.mapping._dead_letters.tell = twice(case.mapping._dead_letters.tell)  # type: ignore[method-assign]
        await bench.publish(1)
        assert await case.outcome() is Outcome.TERMINATED
        assert [one["reason"] for one in await case.letters() if "durable" in one] == ["no"]


def twice(tell: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def telling(delivery: Delivery, reason: str) -> Any:
        await tell(delivery, reason)
        return await tell(delivery, reason)

    return telling


async def test_one_message_that_fails_does_not_hold_up_the_others(case: Case) -> None:
    case.raises = lambda msg: ValueError("bad") if msg.subject.endswith(".1") else None
    await case.bench.publish(*range(1, 21))
    await eventually(lambda: case.outcomes.count(Outcome.ACKED) == 19)
    assert case.outcomes.count(Outcome.RETRIED) == 1


async def test_a_handler_that_acked_by_itself_is_not_acked_again(case: Case) -> None:
    async def run() -> None:
        sub = await case.bench.nc.subscribe(f"$JS.ACK.{case.bench.stream}.>")
        await case.bench.publish(1)
        assert await case.outcome() is Outcome.ACKED
        await case.bench.settled()
        assert sub.pending_msgs == 1
        await sub.unsubscribe()

    original = case.mapping.run

    async def acking(durable: str, delivery: Delivery, call: Any, pull: Any) -> Outcome:
        async def call_and_ack(message: Msg) -> None:
            await call(message)
            await message.ack()

        return await original(durable, delivery, call_and_ack, pull)

    case.mapping.run = acking  # type: ignore[method-assign]
    await run()


async def test_a_listener_needs_no_framework(bench: Bench) -> None:
    got: list[str] = []
    nc = await bench.connect()

    async def call(message: Msg) -> None:
        got.append(message.subject)
        if message.metadata.num_delivered == 1:
            raise Retryable("not yet", retry_after=timedelta(milliseconds=10))

    mapping = ErrorMapping(DeadLetters(nc, lambda stream, durable: f"dlq.{stream}.{durable}"))
    pull = listener(nc, stream=bench.stream, durable=bench.durable, call=call, mapping=mapping)
    await pull.start()
    await bench.publish(1)
    await eventually(lambda: len(got) == 2)
    await bench.settled()
    await pull.stop()
