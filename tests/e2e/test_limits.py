"""What may not go out yet waits, and looking is not without end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from smartops.contracts.catalogue import AUDIT, SERVICES
from smartops.contracts.events import (
    LimitLeased,
    TaskCancelled,
    TaskFailed,
    TaskPaused,
    TaskResumed,
    TaskStopping,
    ToolCallDenied,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallRequested,
)
from smartops.contracts.wire import EventData
from smartops.sdk.event import Event
from support.stacks import House, house_at

CALLS = 24
TASKS, STEPS = 8, 6


@pytest.fixture(scope="module")
async def narrow(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose tenant may call seldom, and whose tasks may read little."""
    async with house_at(
        tmp_path_factory.mktemp("narrow"),
        services=[service for service in SERVICES if service != AUDIT],
        service_env={
            "tool_gateway": {
                "SMARTOPS_TENANT_RATE": f'{{"calls": {CALLS}, "window_ms": 3000}}',
                "SMARTOPS_READS_PER_TASK": "4",
            }
        },
    ) as house:
        yield house


async def test_a_crowd_of_calls_goes_out_as_its_tenant_may_and_none_is_lost(narrow: House) -> None:
    tasks = [await narrow.staged(f"crowd-{n}", steps=STEPS) for n in range(TASKS)]
    outcomes = await asyncio.gather(*(narrow.outcome(task) for task in tasks))
    assert outcomes == ["completed"] * TASKS
    sent = [len(await narrow.told(ToolCallDispatched, task)) for task in tasks]
    assert sent == [STEPS] * TASKS
    windows: Counter[datetime] = Counter()
    for lease in await narrow.told(LimitLeased):
        if lease.scope == "tenant":
            windows[lease.starts_at] += lease.permits
    assert len(windows) >= TASKS * STEPS // CALLS
    assert max(windows.values()) <= CALLS
    assert await narrow.told(ToolCallFailed) == []


async def test_a_call_that_was_put_off_holds_up_neither_a_pause_nor_a_cancel(
    tmp_path: Path,
) -> None:
    once_a_day = '{"calls": 1, "window_ms": 86400000}'
    async with house_at(
        tmp_path / "house",
        services=[service for service in SERVICES if service != AUDIT],
        service_env={"tool_gateway": {"SMARTOPS_TENANT_RATE": once_a_day}},
    ) as house:
        task = await house.staged("put-off", steps=2)
        await house.event(task, ToolCallRequested, times=2)

        # It looks again after a minute and more, and is told before.
        await house.operator.pause(task, "wait a moment")
        paused = await house.event(task, TaskPaused)
        log = await house.reader.events(task)
        between = log[_first(log, TaskStopping) : log.index(paused)]
        [denied] = [e.data for e in between if isinstance(e.data, ToolCallDenied)]
        assert denied.reason_code == "stopping"
        assert "wait a moment" in denied.message
        assert len(await house.told(ToolCallDispatched, task)) == 1

        await house.operator.resume(task, "go on")
        await house.until(task, TaskResumed)
        again = await house.until(task, ToolCallRequested, times=3)
        assert (again.call != denied.call, again.question) == (True, denied.question)
        await house.operator.cancel(task, "then not at all")
        cancelled = await house.until(task, TaskCancelled)
        assert (cancelled.undone, cancelled.kept) == (1, 0)
        assert await house.told(TaskFailed, task) == []


def _first(log: list[Event], kind: type[EventData]) -> int:
    return next(n for n, event in enumerate(log) if isinstance(event.data, kind))


async def test_a_task_that_looks_without_end_is_denied_and_its_run_waits_for_a_person(
    narrow: House,
) -> None:
    [server] = await narrow.take(1)
    task = await narrow.drift(server)
    await narrow.approve(task)
    await narrow.until(task, TaskPaused)
    denials = {one.reason_code for one in await narrow.told(ToolCallDenied, task)}
    assert denials == {"read_budget"}
