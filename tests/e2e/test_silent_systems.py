"""A system that does not answer is left alone for a while, and what waits goes out once it does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from smartops.contracts.catalogue import GATEWAY
from smartops.contracts.commands import IntentContext, IntentSubmit, WantedStep
from smartops.contracts.events import (
    TaskApprovalRequired,
    TaskCompleted,
    TaskFailed,
    ToolCallCompleted,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallRequested,
)
from smartops.contracts.wire import Environment
from smartops.tool_gateway.breaker import FAILURES
from support.observing import get
from support.stacks import House, comes_true, house_at


@pytest.fixture(scope="module")
async def quiet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose fleet may fall silent."""
    async with house_at(tmp_path_factory.mktemp("quiet"), servers=4) as house:
        yield house


async def figure(house: House, name: str, labels: str) -> float | None:
    """A sample of the gateway's metrics."""
    text = (await get(house.stack, GATEWAY, "/metrics")).text
    found = re.search(
        rf"^{re.escape(f'orchestrator_{name}{{{labels}}}')} (\S+)$", text, re.MULTILINE
    )
    return None if found is None else float(found[1])


async def opened(house: House) -> float | None:
    """How often in a row the fleet's circuit has opened."""
    return await figure(house, "circuit_opened", 'system="127.0.0.1"')


async def put_off(house: House) -> float:
    return await figure(house, "calls_put_off_total", 'reason="circuit_open"') or 0


async def wanted(house: House, server: str) -> UUID:
    """A backup that waits for approval."""
    arguments = {"asset": server, "label": "nightly"}
    step = WantedStep.model_validate(
        {"tool": "run_backup", "target": server, "arguments": arguments}
    )
    intent = IntentSubmit(
        intent="Back this server up",
        environment=Environment.STAGING,
        context=IntentContext(approval=True, steps=(step,)),
    )
    task = (await house.operator.submit(intent)).task
    await house.until(task, TaskApprovalRequired)
    return task


async def looked(house: House, server: str) -> TaskFailed:
    """A task that cannot even see its servers."""
    return await house.until(await house.drift(server), TaskFailed)


async def test_a_silent_system_is_left_alone_and_what_waits_for_it_goes_out_when_it_is_well(
    quiet: House,
) -> None:
    [server, other] = await quiet.take(2)
    task = await wanted(quiet, server)
    assert await opened(quiet) in (None, 0)
    await quiet.stack.ask_fleet("POST", "/admin/faults", {"mode": "refuse"})

    await asyncio.gather(looked(quiet, other), looked(quiet, other))

    codes = [call.error_code for call in await quiet.told(ToolCallFailed)]
    assert codes[:FAILURES] == ["no_answer"] * FAILURES

    # Now a look is answered at once, without being asked. One tries, when a pause is over.
    async def tried_in_vain() -> bool:
        failed = await looked(quiet, other)
        assert (failed.error_code, failed.retryable) == ("no_evidence", True)
        return await opened(quiet) == 2

    await comes_true(tried_in_vain)
    failures = await quiet.told(ToolCallFailed)
    asked = [call.error_code for call in failures].count("no_answer")
    assert FAILURES + 1 <= asked <= FAILURES + 3 + 1, "three were on their way when it opened"
    assert {call.error_code for call in failures} == {"no_answer", "circuit_open"}

    # A change waits.
    await quiet.approve(task)

    async def waits() -> bool:
        return await put_off(quiet) >= 1

    await comes_true(waits)
    assert await quiet.told(ToolCallDispatched, task) == []
    assert quiet.writes(server) == []

    # Well again: the first call after the pause is the one that finds out.
    await quiet.stack.ask_fleet("DELETE", "/admin/faults")
    assert await opened(quiet) == 2
    await quiet.until(task, TaskCompleted)

    assert await opened(quiet) == 0
    assert len(await quiet.told(ToolCallDispatched, task)) == 1
    [requested] = await quiet.told(ToolCallRequested, task)
    [done] = await quiet.told(ToolCallCompleted, task)
    assert done.call == requested.call
    assert len(quiet.writes(server)) == 1
    again = await quiet.drift(other)
    assert (await quiet.until(again, TaskApprovalRequired)).environment is Environment.PRODUCTION
