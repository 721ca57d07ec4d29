"""What was accepted goes on: after everything was stopped, and after one part was killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from smartops.contracts.catalogue import AUDIT, GATEWAY, POLICY, RUNNER
from smartops.contracts.events import (
    TaskApprovalRequired,
    TaskPhaseStarted,
    TaskStarted,
    ToolCallDispatched,
)
from smartops.sdk.chain import verify
from smartops.sdk.errors import Refused
from support.stacks import House, house_at


async def test_a_house_that_was_stopped_goes_on_where_it_stood(tmp_path: Path) -> None:
    home = tmp_path / "house"
    async with house_at(home) as house:
        left_waiting = await house.drift("web-01")
        left_running = await house.drift("web-02", "web-03")
        required = await house.until(left_waiting, TaskApprovalRequired)
        await house.approve(left_running)
        await house.until(left_running, ToolCallDispatched)
        with pytest.raises(Refused) as refused:
            await house.people["stranger"].decide(
                left_waiting, required.plan_hash, required.assessment_hash, "approve"
            )
        assert refused.value.code == "unmapped"
        head = await house.head()

    let_in(home, "stranger", "ada")
    async with house_at(home) as house:
        assert await house.outcome(left_running) == "completed"
        await house.people["stranger"].decide(
            left_waiting, required.plan_hash, required.assessment_hash, "approve"
        )
        assert await house.outcome(left_waiting) == "completed"

        assert await house.versions("web-01", "web-02", "web-03") == ["2.4.1"] * 3
        assert applied(house) == {"web-01": 1, "web-02": 1, "web-03": 1}
        assert len(await house.told(TaskStarted)) == 2
        assert (await verify(house.reader.log())).position > head


@pytest.mark.parametrize("service", [RUNNER, GATEWAY, POLICY, AUDIT])
async def test_a_service_killed_in_the_middle_of_a_run_comes_back_and_the_run_completes(
    house: House, service: str
) -> None:
    first, second = await house.take(2)
    task = await house.drift(first, second)
    await house.approve(task)
    await house.until(task, ToolCallDispatched)
    killed = house.stack.services[service].pid

    os.kill(killed, signal.SIGKILL)

    assert await house.outcome(task) == "completed"
    assert await house.versions(first, second) == ["2.4.1", "2.4.1"]
    assert {name: applied(house)[name] for name in (first, second)} == {first: 1, second: 1}
    assert len(await house.told(TaskPhaseStarted, task)) == 2
    await house.shows(task, "completed")
    assert house.stack.services[service].pid != killed


def let_in(home: Path, credential: str, actor: str) -> None:
    """Give an actor one more credential, as people do it: by editing the file."""
    path = home / "actors.json"
    actors = json.loads(path.read_text("utf-8"))
    [found] = [one for one in actors if one["name"] == actor]
    found["principals"].append({"issuer": "local", "subject": credential})
    path.write_text(json.dumps(actors), "utf-8")


def applied(house: House) -> dict[str, int]:
    """How many version writes had an effect, by server."""
    path = house.stack.home / "playground.record.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    done = [line["server"] for line in lines if "applied" in line]
    return {server: done.count(server) for server in done}
