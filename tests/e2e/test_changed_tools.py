"""Between approval and execution the gateway starts anew, with other tools or with the same."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from smartops.contracts.catalogue import AUDIT, GATEWAY, RUNNER, SERVICES
from smartops.contracts.commands import IntentContext, IntentSubmit, WantedStep
from smartops.contracts.events import TaskCompleted, TaskPaused, ToolCallDenied, ToolCallDispatched
from smartops.contracts.wire import Environment
from smartops.devstack.errors import ServerStartError
from support.stacks import House, comes_true, house_at

OTHER = Path(__file__).parents[1] / "support" / "other_gateway"
NOBODY_RUNS = [service for service in SERVICES if service not in {RUNNER, AUDIT}]
"""Nor does anybody look yet."""


def with_tools(how: str) -> dict[str, dict[str, str]]:
    return {GATEWAY: {"PYTHONPATH": str(OTHER), "OTHER_TOOLS": how}}


async def approved(house: House, tool: str) -> UUID:
    """A task that waits for nothing but somebody to carry it out."""
    intent = IntentSubmit(
        intent="Do the usual in staging",
        environment=Environment.STAGING,
        context=IntentContext(
            approval=True, steps=(WantedStep(tool=tool, target="stage-1", arguments={"n": 1}),)
        ),
    )
    task = (await house.operator.submit(intent)).task
    await house.approve(task)
    return task


@pytest.mark.parametrize("how", ["version", "description"])
async def test_a_tool_that_changed_after_approval_is_not_called(tmp_path: Path, how: str) -> None:
    home = tmp_path / "house"
    async with house_at(home, servers=1, services=NOBODY_RUNS) as house:
        task = await approved(house, "noop_write")

    async with house_at(home, servers=1, service_env=with_tools(how)) as house:
        denied = await house.until(task, ToolCallDenied)
        assert denied.reason_code == "tool_changed"
        await house.event(task, TaskPaused)
        assert await house.told(ToolCallDispatched, task) == []

        async def both_are_told() -> bool:
            return len(await house.reader.tool("noop_write")) == 2

        await comes_true(both_are_told)


async def test_a_tool_that_stayed_the_same_is_called_after_a_restart(tmp_path: Path) -> None:
    home = tmp_path / "house"
    async with house_at(home, servers=1, services=NOBODY_RUNS) as house:
        task = await approved(house, "noop_write")

    async with house_at(home, servers=1) as house:
        await house.event(task, TaskCompleted)
        assert len(await house.told(ToolCallDispatched, task)) == 1
        assert len(await house.reader.tool("noop_write")) == 1


async def test_a_gateway_whose_tools_may_not_reach_their_system_does_not_start(
    tmp_path: Path,
) -> None:
    options = {"service_env": {GATEWAY: {"SMARTOPS_EGRESS_HOSTS": '["fleet.example"]'}}}
    with pytest.raises(ServerStartError):
        async with house_at(tmp_path / "house", servers=1, services=[GATEWAY], **options):
            raise AssertionError("it started")
    log = (tmp_path / "house" / "logs" / "tool_gateway.log").read_text("utf-8")
    assert "apply_patch.egress: 127.0.0.1 is not on the list of hosts" in log


async def test_after_an_upgrade_only_tools_that_declare_more_are_other_tools(
    tmp_path: Path,
) -> None:
    home = tmp_path / "house"
    options = {"servers": 1, "services": NOBODY_RUNS, "service_env": with_tools("older")}
    async with house_at(home, **options) as house:
        same = await approved(house, "noop")
        other = await approved(house, "noop_write")

    async with house_at(home, servers=1) as house:
        await house.event(same, TaskCompleted)
        assert (await house.until(other, ToolCallDenied)).reason_code == "tool_changed"

        async def told_again() -> bool:
            return len(await house.reader.tool("noop_write")) == 2

        await comes_true(told_again)
        newest, oldest = await house.reader.tool("noop_write")
        assert (newest["descriptor"]["blast_radius"], oldest["descriptor"]["blast_radius"]) == (
            1,
            None,
        )
        [noop] = await house.reader.tool("noop")
        assert noop["current"]
