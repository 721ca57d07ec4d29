"""Tasks in stretches, without poison and with it, turn by turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from nats.aio.msg import Msg
from smartops.bus.api import BusClient, api_request
from smartops.contracts.catalogue import SERVICES, families
from smartops.devstack.stack import Stack

from benchmarks.lib.experiment import progress
from benchmarks.lib.ops_tasks import Failed, OpsTasks, noop_write_context
from benchmarks.lib.poison import STRANGER, Poison, Poisoner
from benchmarks.lib.superuser import on_the_bus

__all__ = ["Plan", "Run", "run_windows"]

_SAMPLES = 50

Senders = Mapping[str, BusClient]
"""Connections by credential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of what.

    Attributes:
        seed: of poison and tasks.
        rate: poisonous messages a second, over all durables.
        windows: with poison, each after one without.
        window_s: length of each.
        in_flight: ordinary tasks at once.
        patience_s: until all poison must have ended.
        without: kinds that are left out.
        strict: hold tasks to their latency without poison, too; a crowded machine cannot.
    """

    seed: int = 1
    rate: float = 50.0
    windows: int = 4
    window_s: float = 15.0
    in_flight: int = 4
    patience_s: float = 60.0
    without: Sequence[str] = ()
    strict: bool = True


@dataclass(slots=True)
class Run:
    """What was done, and how tasks fared."""

    sent: list[tuple[Poison, int]] = field(default_factory=list)
    """With the place in the stream."""
    quiet: list[float] = field(default_factory=list)
    """Seconds of tasks without poison."""
    poisoned: list[float] = field(default_factory=list)
    """Seconds of tasks with poison."""
    stuck: list[str] = field(default_factory=list)
    """Why tasks did not end."""


async def run_windows(stack: Stack, plan: Plan, nats: BusClient) -> Run:
    """Stretches of tasks without and with poison; ends early when a task is stuck."""
    run, poisoner = Run(), Poisoner(stack.subjects, plan.seed, plan.without)
    async with AsyncExitStack() as entered:
        load = await entered.enter_async_context(OpsTasks(stack, noop_write_context, plan.seed))
        senders = {
            name: await entered.enter_async_context(on_the_bus(stack, name))
            for name in (*SERVICES, STRANGER)
        }
        async with _samples_taken(stack, poisoner, nats):
            await _work(load, plan, run, plan.window_s / 3)
        run.sent += await _publish(senders, poisoner.too_new())
        for number in range(plan.windows):
            if run.stuck:
                break
            run.quiet += await _work(load, plan, run, plan.window_s)
            enough = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(_pour(senders, poisoner, plan, run, enough))
                run.poisoned += await _work(load, plan, run, plan.window_s)
                enough.set()
            progress(f"window {number + 1}: {len(run.sent)} poisonous messages so far")
    return run


@asynccontextmanager
async def _samples_taken(stack: Stack, poisoner: Poisoner, nats: BusClient) -> AsyncIterator[None]:
    """Genuine events are heard inside only: later there is poison among them."""

    async def hear(message: Msg) -> None:
        topic = json.loads(message.data)["type"].removeprefix("smartops.")
        party = message.subject.split(".")[-2]
        for key in (topic, f"{topic}/{party}"):
            samples = poisoner.samples.setdefault(key, [])
            samples.append(message.data)
            del samples[:-_SAMPLES]

    heard = [
        await nats.subscribe(subject, cb=hear) for subject in stack.subjects.all_events(families())
    ]
    await nats.flush()
    try:
        yield
    finally:
        for subscription in heard:
            await subscription.unsubscribe()


async def _work(load: OpsTasks, plan: Plan, run: Run, seconds: float) -> list[float]:
    clock = asyncio.get_running_loop().time
    until, took = clock() + seconds, list[float]()

    async def work() -> None:
        while clock() < until and not run.stuck:
            try:
                took.append((await load.one()).done)
            except Failed as error:
                run.stuck.append(str(error))

    async with asyncio.TaskGroup() as group:
        for _ in range(plan.in_flight):
            group.create_task(work())
    return took


async def _pour(
    senders: Senders, poisoner: Poisoner, plan: Plan, run: Run, enough: asyncio.Event
) -> None:
    clock = asyncio.get_running_loop().time
    began, said = clock(), 0
    while not enough.is_set():
        due = began + said / plan.rate
        await asyncio.sleep(max(0.0, due - clock()))
        run.sent += await _publish(senders, [poisoner.next()])
        said += 1


async def _publish(senders: Senders, poisons: Sequence[Poison]) -> list[tuple[Poison, int]]:
    sent = []
    for one in poisons:
        ack: dict[str, Any] = await api_request(senders[one.sender], one.subject, one.payload)
        if ack["stream"] != one.stream:
            raise ValueError(f"{one.subject} went to {ack['stream']}, not to {one.stream}")
        sent.append((one, int(ack["seq"])))
    return sent
