"""A call that takes long: longer than the bus waits for an answer, and than its process lives."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from smartops.bus.api import API, api_request
from smartops.bus.connection import close, connect
from smartops.bus.users import PROVISIONER, inbox_prefix
from smartops.contracts.catalogue import GATEWAY
from smartops.contracts.commands import IntentContext, IntentSubmit, WantedStep
from smartops.contracts.events import (
    TaskCompleted,
    TaskEscalated,
    ToolCallDispatched,
    ToolCallSettled,
    ToolCallUncertain,
)
from smartops.contracts.wire import Environment
from smartops.devstack.stack import Stack
from smartops.eventstore.sweeps import INTERVAL, OLDER_THAN
from support.observing import get
from support.stacks import House, comes_true, house_at

ACK_WAIT = timedelta(seconds=2)
HELD = max(3 * ACK_WAIT, OLDER_THAN + 2 * INTERVAL)
"""Long enough for three deliveries, and for a sweep to find what nobody seems to have handled."""


DURABLE = f"{GATEWAY}-calls"


@pytest.fixture(scope="module")
async def impatient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose bus gives a call out again when nothing is heard of it for two seconds."""
    async with house_at(tmp_path_factory.mktemp("impatient"), servers=4) as house:
        stack = house.stack
        stack.topology = replace(
            stack.topology,
            consumers=tuple(
                replace(spec, ack_wait=ACK_WAIT) if spec.durable == DURABLE else spec
                for spec in stack.topology.consumers
            ),
        )
        await stack.provision()
        await killed(house)  # It learns of it when it binds.
        yield house


async def killed(house: House) -> None:
    """The gateway is killed, and there is another."""
    gateway = house.stack.services[GATEWAY].pid
    assert gateway is not None
    os.kill(gateway, signal.SIGKILL)

    async def is_back() -> bool:
        if house.stack.services[GATEWAY].pid in (None, gateway):
            return False
        try:
            return (await get(house.stack, GATEWAY, "/ready")).status == 200
        except OSError:
            return False

    await comes_true(is_back)


@asynccontextmanager
async def consumer_of(stack: Stack) -> AsyncIterator[Any]:
    """Asks the server what became of the messages that tell the gateway of calls."""
    connection = await connect(
        stack.nats.url,
        name=PROVISIONER,
        inbox_prefix=inbox_prefix(PROVISIONER),
        seed_path=stack.credentials.directory / f"{PROVISIONER}.nk",
        api=API,
    )

    async def ask() -> dict[str, Any]:
        return await api_request(connection, f"{API}.CONSUMER.INFO.SMARTOPS.{DURABLE}", {})

    try:
        yield ask
    finally:
        await close(connection)


async def on(house: House, tool: str, target: str, **arguments: object) -> UUID:
    """Ask for one call in staging, which a person has approved."""
    step = {"tool": tool, "target": target, "arguments": {"asset": target, **arguments}}
    intent = IntentSubmit(
        intent="Do this one thing",
        environment=Environment.STAGING,
        context=IntentContext(approval=True, steps=(WantedStep.model_validate(step),)),
    )
    task = (await house.operator.submit(intent)).task
    await house.approve(task)
    return task


async def hold(house: House, target: str, operation: str) -> None:
    """Requests wait there until `let_go`."""
    fault = {"mode": "hang", "server": target, "operation": operation}
    await house.stack.ask_fleet("POST", "/admin/faults", fault)


async def let_go(house: House) -> None:
    await house.stack.ask_fleet("DELETE", "/admin/faults")


def effects(house: House, target: str) -> int:
    """How often something has changed there."""
    return sum("applied" in line and line.get("server") == target for line in house.lines())


def keys(house: House, target: str) -> list[str]:
    """The key of each write that arrived there."""
    return [line["idempotency_key"] for line in house.writes(target)]


async def test_a_call_longer_than_the_bus_waits_is_not_given_out_again(impatient: House) -> None:
    [server] = await impatient.take(1)
    await hold(impatient, server, "get_backup")
    async with consumer_of(impatient.stack) as ask:
        before = await ask()
        assert before["config"]["ack_wait"] == ACK_WAIT / timedelta(microseconds=1) * 1000
        task = await on(impatient, "run_backup", server, label="nightly")
        await impatient.until(task, ToolCallDispatched)
        loop = asyncio.get_running_loop()
        until = loop.time() + HELD.total_seconds()
        while loop.time() < until:  # Time itself is what this is about.
            await asyncio.sleep(0.25)
            seen = await ask()
            assert (seen["num_ack_pending"], seen["num_redelivered"]) == (1, 0)
        assert await impatient.told(TaskCompleted, task) == []

        await let_go(impatient)
        await impatient.until(task, TaskCompleted)

        async def acknowledged() -> bool:
            return bool((await ask())["num_ack_pending"] == 0)

        await comes_true(acknowledged)
        after = await ask()
        assert after["delivered"]["consumer_seq"] == before["delivered"]["consumer_seq"] + 1
    assert len(await impatient.told(ToolCallDispatched, task)) == 1
    assert await impatient.told(ToolCallUncertain, task) == []
    assert effects(impatient, server) == len(keys(impatient, server)) == 1
    metrics = (await get(impatient.stack, GATEWAY, "/metrics")).text
    assert 'orchestrator_swept_total{handler="tool_gateway.calls"' not in metrics


async def test_a_long_call_whose_gateway_is_killed_is_asked_for_again_under_its_key(
    impatient: House,
) -> None:
    [server] = await impatient.take(1)
    await hold(impatient, server, "get_backup")
    task = await on(impatient, "run_backup", server, label="nightly")

    async def has_begun() -> bool:
        return effects(impatient, server) == 1

    await comes_true(has_begun)
    await killed(impatient)
    await let_go(impatient)

    await impatient.until(task, TaskCompleted)

    [doubt] = await impatient.told(ToolCallUncertain, task)
    assert (doubt.next, "the process that waited for it has ended" in doubt.reason) == (
        "retry",
        True,
    )
    sent = await impatient.told(ToolCallDispatched, task)
    assert [one.send for one in sent] == [1, 2]
    assert len({one.incarnation for one in sent}) == 2
    assert keys(impatient, server) == [str(sent[0].key)] * 2
    assert effects(impatient, server) == 1


async def test_what_may_not_be_repeated_is_left_to_a_person_when_its_gateway_is_killed(
    impatient: House,
) -> None:
    [server] = await impatient.take(1)
    await hold(impatient, server, "restart")
    task = await on(impatient, "restart_server", server, reason="it hangs")

    async def has_arrived() -> bool:
        return len(keys(impatient, server)) == 1

    await comes_true(has_arrived)
    await killed(impatient)
    escalated = await impatient.until(task, TaskEscalated)
    assert effects(impatient, server) == 0
    await let_go(impatient)  # It was not lost: it was slow.

    async def has_happened() -> bool:
        return effects(impatient, server) == 1

    await comes_true(has_happened)
    [call] = escalated.open_calls
    await impatient.operator.settle(call, "applied", "uptime says so")
    await impatient.shows(task, "completed")
    assert len(keys(impatient, server)) == effects(impatient, server) == 1


async def test_what_can_be_read_back_needs_nobody_when_its_gateway_is_killed(
    impatient: House,
) -> None:
    key = "search.page-size"
    await hold(impatient, key, "set_config")
    task = await on(impatient, "set_config_value", key, value="50", expected_revision=1)

    async def has_arrived() -> bool:
        return len(keys(impatient, key)) == 1

    await comes_true(has_arrived)
    await killed(impatient)
    await let_go(impatient)  # What the killed one had on the wire takes effect, late.

    await impatient.until(task, TaskCompleted)

    [settled] = await impatient.told(ToolCallSettled, task)
    assert (settled.applied, settled.by) == (True, "probe")
    assert len(keys(impatient, key)) == effects(impatient, key) == 1
