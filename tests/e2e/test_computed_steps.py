"""Steps that are code of the plan itself: run by the runner in its sandbox, between the others."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from smartops.contracts.catalogue import RUNNER
from smartops.contracts.commands import IntentContext, IntentSubmit, WantedStep
from smartops.contracts.events import (
    TaskApprovalRequired,
    TaskCompleted,
    TaskComputationEnded,
    TaskComputationRequested,
    TaskPaused,
    TaskPhaseStarted,
    TaskStarted,
    TaskStepSettled,
    ToolCallRequested,
)
from smartops.contracts.wire import Environment
from smartops.sandbox import Level
from support.observing import get
from support.stacks import House, comes_true, house_at

SAME = """
versions = {name: answer["n"] for name, answer in inputs.items()}
same = len(set(versions.values())) == 1
result = {"ok": same, "detail": f"they answer {sorted(versions.values())}", "versions": versions}
"""


async def submit(
    house: House, *steps: tuple[str, str, dict[str, Any]], approval: bool = False
) -> UUID:
    intent = IntentSubmit(
        intent="Look whether all of them answer the same",
        environment=Environment.STAGING,
        context=IntentContext(
            steps=tuple(
                WantedStep(tool=tool, target=target, arguments=arguments)
                for tool, target, arguments in steps
            ),
            approval=approval,
        ),
    )
    return (await house.operator.submit(intent)).task


async def test_a_computed_step_works_on_what_earlier_ones_brought_out(house: House) -> None:
    task = await submit(
        house,
        ("noop", "same-a", {"n": 7}),
        ("noop", "same-b", {"n": 7}),
        ("compute", "all", {"code": SAME, "inputs": {"a": {"$output": 1}, "b": {"$output": 2}}}),
    )

    assert await house.outcome(task) == "completed"
    [ended] = await house.told(TaskComputationEnded, task)
    assert (ended.outcome, ended.ok, ended.detail) == ("value", True, "they answer [7, 7]")
    assert ended.output == {
        "ok": True,
        "detail": "they answer [7, 7]",
        "versions": {"a": 7, "b": 7},
    }
    assert Level(ended.level).at_least(Level.LANDLOCK)
    assert ended.duration_ms > 0
    started = await house.told(TaskPhaseStarted, task)
    assert [phase.name for phase in started] == ["Canary", "Wave 1", "Conclusion"]
    # It takes no claim, and the gateway never hears of it.
    assert (await house.told(TaskStarted, task))[0].claims == ()
    asked = await house.told(ToolCallRequested, task)
    assert {request.tool for request in asked} == {"noop"}
    assert (await house.told(TaskCompleted, task))[0].calls == 3


async def test_personal_data_does_not_come_out_of_a_computed_step(house: House) -> None:
    spelled = '"anna" + chr(64) + "example.com"'
    code = f'result = {{"ok": True, "detail": "found", "owner": {spelled}}}'
    task = await submit(house, ("compute", "all", {"code": code}))

    ended = await house.until(task, TaskComputationEnded)

    assert (ended.outcome, ended.ok, ended.output) == ("failed", False, None)
    assert ended.detail.startswith("personal_data: ")
    assert "anna" not in ended.detail
    assert await house.outcome(task) != "completed"


async def test_what_does_not_hold_after_the_canary_is_taken_back_before_the_next_phase(
    house: House,
) -> None:
    wrong = 'result = {"ok": inputs["n"] == 2, "detail": f"n is {inputs[\'n\']}"}'
    task = await submit(
        house,
        ("noop_write", "canary-c", {"n": 1}),
        ("compute", "canary-c", {"code": wrong, "inputs": {"n": 1}}),
        ("noop_write", "later-d", {"n": 1}),
    )

    assert await house.outcome(task) == "rolled_back"
    [ended] = await house.told(TaskComputationEnded, task)
    assert (ended.ok, ended.detail) == (False, "n is 1")
    assert [phase.name for phase in await house.told(TaskPhaseStarted, task)] == ["Canary"]
    asked = {request.target for request in await house.told(ToolCallRequested, task)}
    assert asked == {"canary-c"}


async def test_a_later_computation_works_on_an_earlier_one(house: House) -> None:
    task = await submit(
        house,
        ("compute", "sums", {"code": 'result = {"ok": True, "detail": "", "sum": 40 + 2}'}),
        (
            "compute",
            "sums",
            {
                "code": 'n = inputs["one"]["sum"]\nresult = {"ok": n == 42, "detail": str(n)}',
                "inputs": {"one": {"$output": 1}},
            },
        ),
    )

    assert await house.outcome(task) == "completed"
    assert [one.detail for one in await house.told(TaskComputationEnded, task)] == ["", "42"]


async def test_code_of_a_plan_reaches_nobody(house: House) -> None:
    """A real attempt: at the bus, at the database, and at a server that listens."""
    attempt = """
import os, socket
result = {"ok": False, "detail": "", "done": []}
for port in inputs["ports"]:
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
        result["done"].append(port)
    except OSError as error:
        result["detail"] += f"{type(error).__name__} "
result["environ"] = dict(os.environ)
result["ok"] = not result["done"] and not result["environ"]
"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        ports = [
            listener.getsockname()[1],
            int(house.stack.nats.url.rpartition(":")[2]),
            house.stack.postgres.port,
        ]
        for port in ports:
            socket.create_connection(("127.0.0.1", port), 2).close()  # From outside it works.
        listener.accept()[0].close()
        task = await submit(
            house, ("compute", "reach", {"code": attempt, "inputs": {"ports": ports}})
        )
        assert await house.outcome(task) == "completed"
        try:
            listener.accept()
        except BlockingIOError:
            pass
        else:
            raise AssertionError("somebody connected")
    [ended] = await house.told(TaskComputationEnded, task)
    assert ended.detail == "PermissionError " * 3


async def test_code_that_breaks_tells_where_and_no_secret(house: House) -> None:
    code = 'x = 1\nraise ValueError("no access with ghp_" + "a1B2" * 9)'
    task = await submit(house, ("compute", "broken", {"code": code}))

    assert await house.outcome(task) == "failed_terminal"
    [ended] = await house.told(TaskComputationEnded, task)
    assert (ended.outcome, ended.output) == ("failed", None)
    assert ended.detail.startswith("ValueError (line 2): no access with [secret:")
    [settled] = await house.told(TaskStepSettled, task)
    assert (settled.outcome, settled.retry) == ("failed", False)


async def test_an_endless_loop_ends(house: House) -> None:
    task = await submit(house, ("compute", "loop", {"code": "while True: pass"}))

    assert await house.outcome(task) == "failed_terminal"
    [ended] = await house.told(TaskComputationEnded, task)
    assert ended.outcome in ("killed", "timed_out")


async def test_what_was_being_computed_when_the_runner_died_is_computed_again(house: House) -> None:
    slow = 'import time\ntime.sleep(3)\nresult = {"ok": True, "detail": "at last"}'
    task = await submit(house, ("compute", "slow", {"code": slow}))
    await house.until(task, TaskComputationRequested)
    killed = house.stack.services[RUNNER].pid

    os.kill(killed, signal.SIGKILL)

    assert await house.outcome(task) == "completed"
    [ended] = await house.told(TaskComputationEnded, task)
    assert ended.detail == "at last"
    assert house.stack.services[RUNNER].pid != killed


async def test_what_takes_longer_than_a_sweep_is_computed_once(house: House) -> None:
    slow = 'import time\ntime.sleep(6)\nresult = {"ok": True, "detail": ""}'
    task = await submit(house, ("compute", "slow", {"code": slow}))
    await house.until(task, TaskComputationRequested)
    runner = psutil.Process(house.stack.services[RUNNER].pid)
    most = 0

    async def over() -> bool:
        nonlocal most
        children = {child.pid for child in runner.children() if child.is_running()}
        most = max(most, len(children))
        return bool(await house.told(TaskComputationEnded, task))

    await comes_true(over)
    assert most == 1
    assert await house.outcome(task) == "completed"


async def test_the_level_is_told_to_whoever_asks(house: House) -> None:
    page = await get(house.stack, RUNNER, "/ready")
    level = str(page.json["notes"]["sandbox"]).partition(" ")[0]
    assert Level(level).at_least(Level.LANDLOCK)
    metrics = await get(house.stack, RUNNER, "/metrics")
    assert f'orchestrator_sandbox_level{{level="{level}"}} 1.0' in metrics.text


async def test_below_the_demanded_level_nothing_is_computed_and_all_else_goes_on(
    tmp_path: Path,
) -> None:
    # Where `bwrap` is not found, this level cannot hold.
    demanding = {"SMARTOPS_SANDBOX_LEVEL": "bubblewrap", "PATH": "/nowhere"}
    async with house_at(tmp_path / "house", service_env={RUNNER: demanding}) as house:
        task = await submit(
            house,
            ("noop", "any", {"n": 1}),
            ("compute", "any", {"code": 'result = {"ok": True, "detail": ""}'}),
        )
        paused = await house.until(task, TaskPaused)
        assert "could not be computed here" in paused.reason
        [ended] = await house.told(TaskComputationEnded, task)
        assert (ended.outcome, ended.ok, ended.level, ended.output) == (
            "not_run",
            False,
            "none",
            None,
        )
        assert "bwrap is not installed" in ended.detail
        page = await get(house.stack, RUNNER, "/ready")
        assert page.status == 200
        assert "computed steps are refused" in page.json["notes"]["sandbox"]
        assert await house.outcome(await house.staged("goes-on")) == "completed"


async def test_the_code_is_approved_byte_for_byte(house: House) -> None:
    code = 'result = {"ok": True, "detail": "as approved"}'
    task = await submit(house, ("compute", "shown", {"code": code}), approval=True)
    required = await house.until(task, TaskApprovalRequired)
    card = await house.approver.card(task)
    assert [step.arguments["code"] for step in card.plan.steps] == [code]
    assert (await house.told(TaskComputationRequested, task)) == []
    await house.approver.decide(task, required.plan_hash, required.assessment_hash, "approve")
    assert await house.outcome(task) == "completed"
    [asked] = await house.told(TaskComputationRequested, task)
    assert asked.step == card.plan.steps[0].hash()
