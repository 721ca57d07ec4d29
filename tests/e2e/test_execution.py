"""Plans on real servers: shared work, deaths, proofs of taking back, watching by queries."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen
from uuid import UUID

import pytest
from smartops.contracts.catalogue import GATEWAY, PLANNER, RUNNER
from smartops.contracts.events import (
    TargetClaimed,
    TargetReleased,
    TaskCompleted,
    TaskHealthChecked,
    TaskPaused,
    TaskPhaseCompleted,
    TaskPreconditionsStale,
    TaskResumed,
    TaskRolledBack,
    TaskStarted,
    TaskWaiting,
    ToolCallDispatched,
)
from smartops.contracts.maintenance import MaintenanceWindow, is_open
from support.prometheus import MISSING, PROMETHEUS, running_prometheus
from support.stacks import House, house_at

TASKS = 24


@pytest.fixture(scope="module")
async def pairs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house with two runners and two gateways."""
    home = tmp_path_factory.mktemp("pairs") / "house"
    async with house_at(home, servers=6, replicas={RUNNER: 2, GATEWAY: 2}) as house:
        yield house


def messages_of(house: House, process: str, handler: str) -> int:
    """How many messages a process has handled."""
    url = f"{house.stack.health_url(process)}/metrics"
    with urlopen(url, timeout=10) as page:
        text = page.read().decode()
    line = rf'^orchestrator_messages_total{{[^}}]*handler="{re.escape(handler)}"[^}}]*}} (\S+)$'
    found = re.findall(line, text, re.MULTILINE)
    return int(sum(map(float, found)))


async def test_two_runners_and_two_gateways_share_the_work_and_do_nothing_twice(
    pairs: House,
) -> None:
    tasks = await asyncio.gather(
        *(
            pairs.staged(f"stage-{number}-a", f"stage-{number}-b", steps=2)
            for number in range(TASKS)
        )
    )
    outcomes = await asyncio.gather(*(pairs.outcome(task) for task in tasks))

    assert Counter(outcomes) == {"completed": TASKS}
    sent = await pairs.told(ToolCallDispatched)
    assert len(sent) == TASKS * 4
    assert len({event.key for event in sent}) == TASKS * 4, "no step went out twice"
    assert len({event.incarnation for event in sent}) == 2, "both gateways have sent"
    assert len(await pairs.told(TaskStarted)) == TASKS
    for process in (RUNNER, f"{RUNNER}-2"):
        handled = await asyncio.to_thread(messages_of, pairs, process, "runner.calls")
        assert handled > 0, f"{process} stood idle"


async def ended(house: House, task: UUID) -> str | None:
    """How a task ends; whoever comes second finds its plan outdated, and has the next approved."""
    event = await house.event(task, TaskCompleted, TaskPreconditionsStale)
    if isinstance(event.data, TaskPreconditionsStale):
        await house.approve(task, plan=2)
    return await house.outcome(task)


async def test_two_runners_let_one_run_at_a_time_at_a_target(pairs: House) -> None:
    servers = await pairs.take(1)
    tasks = [await pairs.drift(*servers) for _ in range(3)]
    for task in tasks:
        await pairs.approve(task)
    outcomes = await asyncio.gather(*(ended(pairs, task) for task in tasks))

    assert outcomes == ["completed"] * 3
    held = None
    for event in await pairs.reader.events():
        match event.data:
            case TargetClaimed() if event.data.target in servers:
                assert held is None, "two runs own a target"
                held = event.data.run
            case TargetReleased() if event.data.target in servers:
                assert held == event.data.run
                held = None
            case _:
                pass
    assert held is None, "every end has freed its target"


async def test_a_run_that_waits_for_its_targets_outlives_its_runner(pairs: House) -> None:
    servers = await pairs.take(1)
    first = await pairs.drift(*servers)
    second = await pairs.drift(*servers)
    await pairs.approve(first)
    await pairs.until(first, TaskStarted)
    await pairs.approve(second)

    for process in (RUNNER, f"{RUNNER}-2"):
        os.kill(pairs.stack.services[process].pid, signal.SIGKILL)

    assert await pairs.outcome(first) == "completed"
    assert await ended(pairs, second) == "completed"
    claims = [e for e in await pairs.told(TargetClaimed) if e.target in servers]
    assert [event.task for event in claims] == [first, second]
    freed = [e for e in await pairs.told(TargetReleased) if e.target in servers]
    assert [event.task for event in freed] == [first, second]


async def test_an_order_is_kept_though_every_runner_dies(pairs: House) -> None:
    servers = await pairs.take(2)
    task = await pairs.drift(*servers)
    await pairs.approve(task)
    await pairs.until(task, ToolCallDispatched)

    await pairs.operator.pause(task, "wait a moment")
    for process in (RUNNER, f"{RUNNER}-2"):
        os.kill(pairs.stack.services[process].pid, signal.SIGKILL)
    await pairs.until(task, TaskPaused)
    await pairs.shows(task, "paused")
    assert pairs.writes(servers[1]) == []
    await pairs.operator.resume(task, "go on")

    assert await pairs.outcome(task) == "completed"
    assert len(pairs.writes(*servers)) == 2


async def test_what_was_taken_back_is_proved_by_reading_again(house: House) -> None:
    [canary] = await house.take(1)
    fault = {"mode": "unhealthy_after_change", "server": canary}
    await house.stack.ask_fleet("POST", "/admin/faults", fault)
    task = await house.drift(canary)
    await house.approve(task)

    assert await house.outcome(task) == "rolled_back"
    [ended] = await house.told(TaskRolledBack, task)
    assert (ended.undone, ended.verified, ended.unverified) == (1, 1, ())
    assert await house.versions(canary) == ["2.4.0"]


async def test_a_run_outside_its_maintenance_window_waits_and_people_see_why(
    tmp_path: Path,
) -> None:
    # One minute of the day that is not now, whenever this runs.
    closed = {"start": "03:00", "end": "03:01", "timezone": "Etc/GMT+12"}
    if _now_in(closed):
        closed = {**closed, "start": "15:00", "end": "15:01"}
    env = {PLANNER: {"SMARTOPS_MAINTENANCE_WINDOW": json.dumps(closed)}}
    async with house_at(tmp_path / "house", servers=1, service_env=env) as house:
        task = await house.drift("web-01")
        await house.approve(task)
        waiting = await house.until(task, TaskWaiting)

        await house.shows(task, "paused")
        [row] = [row for row in await house.reader.tasks(status="paused") if row["task"] == task]
        assert waiting.reason in str(row["message"])
        assert house.writes("web-01") == []
        await house.operator.cancel(task, "not tonight")
        assert await house.outcome(task) == "cancelled"
        released = await house.told(TargetReleased, task)
        assert [event.target for event in released] == ["web-01"]


async def test_a_wait_for_a_window_outlives_everything_and_ends_when_it_opens(
    tmp_path: Path,
) -> None:
    home = tmp_path / "house"
    opens = (datetime.now(UTC) + timedelta(seconds=90)).replace(second=0, microsecond=0)
    closes = opens + timedelta(hours=1)
    soon = {"start": f"{opens:%H:%M}", "end": f"{closes:%H:%M}", "timezone": "UTC"}
    env = {PLANNER: {"SMARTOPS_MAINTENANCE_WINDOW": json.dumps(soon)}}
    async with house_at(home, servers=1, service_env=env) as house:
        task = await house.drift("web-01")
        await house.approve(task)
        assert (await house.until(task, TaskWaiting)).until == opens
        assert house.writes("web-01") == []

    async with house_at(home, servers=1) as house:
        rest = (opens - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(max(0.0, rest - 5))  # What is left of the wait, but for the end.
        resumed = await house.event(task, TaskResumed)
        assert resumed.time >= opens
        assert await house.outcome(task) == "completed"
        assert await house.versions("web-01") == ["2.4.1"]


@pytest.mark.skipif(PROMETHEUS is None, reason=MISSING)
async def test_a_query_to_prometheus_decides_whether_a_phase_is_taken_back(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    check = {
        "type": "custom_metric",
        "name": "worst",
        "query": "max(http_error_rate)",
        "threshold": "< 100",
        "timeout": "3s",
    }
    url = f"http://127.0.0.1:{unused_tcp_port}"
    env = {
        PLANNER: {
            "SMARTOPS_HEALTH_CHECKS": json.dumps([check]),
            "SMARTOPS_ROLLBACK_IF": "worst >= 0.5 or latency_p99 > 5s",
        },
        GATEWAY: {"SMARTOPS_PROMETHEUS_URL": url},
    }
    async with house_at(tmp_path / "house", servers=2, service_env=env) as house:
        target = str(house.stack.fleet_url).removeprefix("http://")
        token = house.stack.admin_token()
        async with running_prometheus(tmp_path / "p", target, port=unused_tcp_port, token=token):
            good = await house.drift("web-01")
            await house.approve(good)
            assert await house.outcome(good) == "completed"
            told = {e.type: e for e in await house.told(TaskHealthChecked, good)}
            assert told["custom_metric"].values["worst"].complete
            assert told["rollback_if"].outcome == "healthy"
            assert set(told["rollback_if"].values) >= {"worst", "latency_p99"}

            # Health stays well at both; the query alone shows what is wrong, and elsewhere.
            fault = {"mode": "error_rate", "server": "web-01", "value": 0.9}
            await house.stack.ask_fleet("POST", "/admin/faults", fault)
            await asyncio.sleep(0.5)  # Two scrapes: nobody tells when one was.
            bad = await house.drift("web-02")
            await house.approve(bad)
            assert await house.outcome(bad) == "rolled_back"
            [ended] = await house.told(TaskRolledBack, bad)
            assert "worst >= 0.5" in ended.reason
            assert await house.told(TaskPhaseCompleted, bad) == []
            assert await house.versions("web-02") == ["2.4.0"]


def _now_in(window: dict[str, str]) -> bool:
    return is_open(MaintenanceWindow.model_validate(window), datetime.now(UTC))
