"""Levels of agents on real servers: lost by a rollback, given back by a person, told by the log."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from smartops.contracts.catalogue import POLICY
from smartops.contracts.commands import (
    AutonomyLower,
    AutonomyRaise,
    IntentContext,
    IntentSubmit,
    Scope,
)
from smartops.contracts.events import (
    AutonomyChanged,
    TaskApprovalGranted,
    TaskApprovalRequired,
    TaskPlanRefused,
)
from smartops.contracts.wire import Environment
from smartops.sdk.errors import Refused
from support.stacks import House, comes_true, house_at

TOOL = "apply_patch"


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose fleet is in a sandbox, where agents may work by themselves, without rest."""
    home = tmp_path_factory.mktemp("sandbox")
    modes = home / "modes.json"
    told = {"sandbox": {"cooldown": "PT0S", "critical_assets": ["db-*"]}}
    modes.write_text(json.dumps({"environments": told}), "utf-8")
    env = {POLICY: {"SMARTOPS_AUTONOMY_FILE": str(modes)}}
    async with house_at(
        home / "house", servers=12, environment="sandbox", service_env=env
    ) as house:
        yield house


async def drift(house: House, *servers: str) -> UUID:
    intent = IntentSubmit(
        intent="Fix drift on sandbox web servers",
        environment=Environment.SANDBOX,
        context=IntentContext(scope=Scope(asset_ids=servers)),
    )
    return (await house.operator.submit(intent)).task


async def falls_ill(house: House, server: str) -> UUID:
    """A drift task whose canary falls ill, once it has been taken back."""
    fault = {"mode": "unhealthy_after_change", "server": server}
    await house.stack.ask_fleet("POST", "/admin/faults", fault)
    return await drift(house, server)


def scope(**fields: Any) -> dict[str, Any]:
    return {
        "agent": "drift",
        "agent_version": "1.0.0",
        "tool": TOOL,
        "environment": "sandbox",
        "reason": "because",
        **fields,
    }


async def level(house: House, at: datetime | None = None) -> dict[str, Any]:
    """What the command line says of the agent's level."""
    words = ["autonomy", "show", "drift", "--tool", TOOL, "--environment", "sandbox"]
    if at is not None:
        words += ["--at", at.isoformat()]
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("smartops")),
        *("--home", str(house.stack.home), "--json", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    [told] = json.loads(out)
    [one] = [one for one in told["levels"] if one["agent_version"] in ("*", "1.0.0")]
    return dict(one)


async def test_a_rollback_lowers_the_level_and_the_next_plan_waits_for_a_person(
    sandbox: House,
) -> None:
    first, second, third, fourth = await sandbox.take(4)
    before = await drift(sandbox, first)
    assert await sandbox.outcome(before) == "completed"
    [granted] = await sandbox.told(TaskApprovalGranted, before)
    assert granted.automatic
    trusted = datetime.now(UTC)

    bad = await falls_ill(sandbox, second)
    assert await sandbox.outcome(bad) == "rolled_back"
    await comes_true(lambda: _has(sandbox, "rollback"))
    fallen = datetime.now(UTC)
    [change] = [c for c in await sandbox.told(AutonomyChanged) if c.rule == "rollback"]
    assert (change.level, change.before, change.task) == (1, 2, bad)
    assert (change.agent, change.tool, change.environment) == ("drift", TOOL, "sandbox")
    assert [event.data for event in await sandbox.reader.falls(bad)] == [change]
    assert await sandbox.reader.falls(before) == []
    watched = [event.data async for event in sandbox.operator.watch(bad)]
    assert change in watched, "who looks at the task does not hear what it cost"

    waits = await drift(sandbox, third)
    required = await sandbox.until(waits, TaskApprovalRequired)
    assert "plan.approval.suggest_only" in required.reasons
    await sandbox.approve(waits)
    assert await sandbox.outcome(waits) == "completed"

    with pytest.raises(Refused) as own:
        await sandbox.operator.set_level(AutonomyRaise(**scope(level=2)))
    assert own.value.code == "four_eyes"
    with pytest.raises(Refused) as far:
        await sandbox.approver.set_level(AutonomyRaise(**scope(level=3)))
    assert (far.value.code, far.value.field) == ("too_far", "level")
    done = await sandbox.approver.set_level(AutonomyRaise(**scope(level=2)))
    assert not done.already
    assert (await sandbox.approver.set_level(AutonomyRaise(**scope(level=2)))).already

    again = await drift(sandbox, fourth)
    assert await sandbox.outcome(again) == "completed"
    [granted] = await sandbox.told(TaskApprovalGranted, again)
    assert granted.automatic

    # Why was it so then?
    assert (await level(sandbox, trusted))["level"] == 2
    assert (await level(sandbox, trusted))["chain"] == []
    then = await level(sandbox, fallen)
    assert (then["level"], then["rests_on"]["rule"]) == (1, "rollback")
    assert then["rests_on"]["task"] == str(bad)
    now = await level(sandbox)
    assert (now["level"], now["rests_on"]["rule"]) == (2, "raised")
    assert [one["rule"] for one in now["chain"]] == ["rollback", "raised"]

    [row] = [
        row
        for row in await sandbox.reader.track("drift")
        if (row["tool"], row["environment"]) == (TOOL, "sandbox")
    ]
    assert (row["runs"], row["succeeded"], row["rolled_back"]) == (4, 3, 1)
    assert row["approved"] == 1


async def test_a_fall_is_not_lost_though_policy_dies_in_the_middle(sandbox: House) -> None:
    [server] = await sandbox.take(1)
    bad = await falls_ill(sandbox, server)
    granted = await sandbox.until(bad, TaskApprovalGranted)
    assert granted.automatic
    os.kill(sandbox.stack.services[POLICY].pid, signal.SIGKILL)
    assert await sandbox.outcome(bad) == "rolled_back"

    async def fell() -> bool:
        return any(change.task == bad for change in await sandbox.told(AutonomyChanged))

    await comes_true(fell)
    [change] = [c for c in await sandbox.told(AutonomyChanged) if c.task == bad]
    assert (change.rule, change.before, change.level) == ("rollback", 2, 1)


async def test_who_lowers_an_agent_to_nothing_stops_its_next_plan(sandbox: House) -> None:
    [server] = await sandbox.take(1)
    everything = scope(agent_version="*", tool="*", environment="*", level=0)
    with pytest.raises(Refused) as nobody:
        await sandbox.people["stranger"].set_level(AutonomyLower(**everything))
    assert nobody.value.code == "unmapped"

    await sandbox.approver.set_level(AutonomyLower(**everything))

    task = await drift(sandbox, server)
    refused = await sandbox.until(task, TaskPlanRefused)
    assert "plan.observe_only" in [problem.rule for problem in refused.problems]
    assert sandbox.writes(server) == []


async def _has(house: House, rule: str) -> bool:
    return any(change.rule == rule for change in await house.told(AutonomyChanged))
