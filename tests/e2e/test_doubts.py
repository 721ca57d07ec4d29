"""A call whose answer was lost: read back, or settled by a person; and the run goes on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from smartops.contracts.catalogue import GATEWAY
from smartops.contracts.commands import IntentContext, IntentSubmit, WantedStep
from smartops.contracts.events import (
    TargetReleased,
    TaskCompleted,
    TaskEscalated,
    TaskResumed,
    ToolCallDispatched,
    ToolCallSettled,
    ToolCallUncertain,
)
from smartops.contracts.wire import Environment
from smartops.sdk.errors import Refused
from support.stacks import House, comes_true, house_at


@pytest.fixture(scope="module")
async def doubtful(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose gateway may be killed."""
    async with house_at(tmp_path_factory.mktemp("doubtful"), servers=12) as house:
        yield house


async def on(house: House, tool: str, target: str, **arguments: object) -> UUID:
    """Ask for one call in staging, which a person has approved."""
    intent = IntentSubmit(
        intent="Do this one thing",
        environment=Environment.STAGING,
        context=IntentContext(
            approval=True,
            steps=(
                WantedStep.model_validate(
                    {"tool": tool, "target": target, "arguments": {"asset": target, **arguments}}
                ),
            ),
        ),
    )
    task = (await house.operator.submit(intent)).task
    await house.approve(task)
    return task


async def spoil(house: House, mode: str, target: str, operation: str, times: int = 1) -> None:
    """Switch a fault on."""
    fault = {"mode": mode, "server": target, "operation": operation, "times": times}
    await house.stack.ask_fleet("POST", "/admin/faults", fault)


async def lost_restart(house: House, mode: str) -> tuple[UUID, UUID, str]:
    """A restart of unknown outcome: its task, its call, its server."""
    [server] = await house.take(1)
    await spoil(house, mode, server, "restart")
    task = await on(house, "restart_server", server, reason="it hangs")
    escalated = await house.until(task, TaskEscalated)
    [call] = escalated.open_calls
    assert "call settle" in escalated.what_to_do
    return task, call, server


def effects(house: House, target: str) -> int:
    """How often something has changed there."""
    return sum("applied" in line and line.get("server") == target for line in house.lines())


async def smartops(house: House, *words: str) -> tuple[int, str, str]:
    """The command line, as a person would use it: exit code, what it says, what it notes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "smartops.sdk.cli",
        "--home",
        str(house.stack.home),
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200"},
    )
    out, noted = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), noted.decode()


async def test_settled_as_applied_the_run_goes_on_behind_it(doubtful: House) -> None:
    task, call, server = await lost_restart(doubtful, "apply_then_drop")

    done = await doubtful.operator.settle(call, "applied", "uptime says so")

    assert not done.already
    settled = done.event.data
    assert isinstance(settled, ToolCallSettled)
    assert (settled.applied, settled.by) == (True, "olga")
    await doubtful.shows(task, "completed")
    assert effects(doubtful, server) == 1
    assert len(await doubtful.told(TargetReleased, task)) == 1
    [resumed] = await doubtful.told(TaskResumed, task)
    assert resumed.principal == doubtful.stack.principals["operator"]
    again = await doubtful.approver.settle(call, "applied", "I saw it as well")
    assert again.already
    assert again.event.id == done.event.id
    with pytest.raises(Refused) as refused:
        await doubtful.approver.settle(call, "not_applied", "I did not")
    assert (refused.value.code, refused.value.field) == ("settled", "outcome")


async def test_settled_as_not_applied_nothing_is_attempted_again_unless_it_is_said(
    doubtful: House,
) -> None:
    task, call, server = await lost_restart(doubtful, "refuse")

    await doubtful.operator.settle(call, "not_applied", "uptime says no")

    await doubtful.shows(task, "failed_terminal")
    assert effects(doubtful, server) == 0
    assert len(await doubtful.told(ToolCallDispatched, task)) == 1
    assert len(await doubtful.told(TargetReleased, task)) == 1


async def test_a_retry_waits_until_the_process_that_sent_it_has_ended(doubtful: House) -> None:
    task, call, server = await lost_restart(doubtful, "refuse")
    with pytest.raises(Refused) as refused:
        await doubtful.operator.settle(call, "not_applied", "uptime says no", retry=True)
    assert (refused.value.code, refused.value.field) == ("may_still_send", "retry")

    gateway = doubtful.stack.services[GATEWAY].pid
    os.kill(gateway, signal.SIGKILL)

    async def is_back() -> bool:
        return doubtful.stack.services[GATEWAY].pid not in (None, gateway)

    async def is_accepted() -> bool:
        try:
            await doubtful.operator.settle(call, "not_applied", "uptime says no", retry=True)
        except Refused as error:
            if error.code != "may_still_send":
                raise
            return False  # The time is not over yet that the tool has.
        return True

    await comes_true(is_back)
    await comes_true(is_accepted)
    await doubtful.shows(task, "completed")
    assert effects(doubtful, server) == 1
    sent = await doubtful.told(ToolCallDispatched, task)
    assert [one.facts.attempt for one in sent] == [1, 2]
    assert len({one.incarnation for one in sent}) == 2
    [settled] = await doubtful.told(ToolCallSettled, task)
    assert settled.accept_double is False


async def test_an_approver_may_accept_a_double_and_it_goes_on_record(doubtful: House) -> None:
    task, call, server = await lost_restart(doubtful, "apply_then_drop")

    await doubtful.approver.settle(
        call, "not_applied", "better twice than not at all", retry=True, accept_double=True
    )

    await doubtful.shows(task, "completed")
    [settled] = await doubtful.told(ToolCallSettled, task)
    assert (settled.accept_double, settled.by) == (True, "ada")
    assert effects(doubtful, server) == 2


async def test_who_is_nobody_settles_nothing(doubtful: House) -> None:
    task, call, _ = await lost_restart(doubtful, "apply_then_drop")
    with pytest.raises(Refused) as refused:
        await doubtful.people["stranger"].settle(call, "applied", "trust me")
    assert refused.value.code == "unmapped"
    assert await doubtful.told(ToolCallSettled, task) == []
    with pytest.raises(Refused) as unknown:
        await doubtful.operator.settle(task, "applied", "no call has the id of its task")
    assert (unknown.value.code, unknown.value.field) == ("not_found", "call")


@pytest.mark.parametrize(("mode", "sends"), [("apply_then_drop", 1), ("refuse", 2)])
async def test_what_can_be_read_back_needs_nobody(doubtful: House, mode: str, sends: int) -> None:
    key = {"apply_then_drop": "checkout.retries", "refuse": "search.page-size"}[mode]
    await spoil(doubtful, mode, key, "set_config")
    task = await on(doubtful, "set_config_value", key, value="7", expected_revision=1)

    await doubtful.until(task, TaskCompleted)

    [uncertain] = await doubtful.told(ToolCallUncertain, task)
    assert uncertain.next == "probe"
    assert effects(doubtful, key) == 1
    dispatched = await doubtful.told(ToolCallDispatched, task)
    assert len(dispatched) == sends
    assert len({one.key for one in dispatched}) == 1
    settled = await doubtful.told(ToolCallSettled, task)
    assert [(one.applied, one.by) for one in settled] == ([(True, "probe")] if sends == 1 else [])


async def test_the_command_line_finds_shows_and_settles_what_waits_for_a_person(
    doubtful: House,
) -> None:
    task, call, server = await lost_restart(doubtful, "apply_then_drop")
    await doubtful.shows(task, "escalated_to_human")
    short = str(call)[:8]

    code, listed, advice = await smartops(doubtful, "call", "list", "--uncertain")
    assert (code, short in listed, "call settle" in advice) == (0, True, True)
    code, shown, _ = await smartops(doubtful, "call", "show", short)
    assert code == 0
    for told in (str(call), server, "restart_server", "a person", "tool.call.uncertain"):
        assert told in shown
    _, found, _ = await smartops(doubtful, "doctor")
    assert f"smartops call settle {short}" in found

    neither = await smartops(doubtful, "call", "settle", short, "--note", "x")
    assert (neither[0], "--applied" in neither[2]) == (2, True)
    contradiction = await smartops(
        doubtful, "call", "settle", short, "--applied", "--retry", "--note", "x"
    )
    assert (contradiction[0], "contradiction" in contradiction[2]) == (3, True)
    early = await smartops(
        doubtful, "call", "settle", short, "--not-applied", "--retry", "--note", "x"
    )
    assert (early[0], "--accept-double" in early[2]) == (3, True)
    nowhere = await smartops(doubtful, "call", "settle", "00000000", "--applied", "--note", "x")
    assert nowhere[0] == 1

    code, told, _ = await smartops(
        doubtful, "--json", "call", "settle", short, "--applied", "--note", "saw it"
    )
    assert (code, json.loads(told)["data"]["applied"]) == (0, True)
    await doubtful.shows(task, "completed")
    code, told, _ = await smartops(
        doubtful, "call", "settle", short, "--applied", "--note", "me too"
    )
    assert (code, "it was already" in told) == (0, True)
    _, listed, _ = await smartops(doubtful, "call", "list", "--uncertain")
    assert short not in listed
