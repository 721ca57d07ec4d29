"""An installation whose settings name roles for commands: their deciders refuse everybody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from smartops.contracts.catalogue import AUDIT, POLICY, RUNNER, SERVICES
from smartops.contracts.events import TaskApprovalRequired, TaskCancelled
from smartops.sdk.errors import Refused
from support.stacks import house_at

ROLES = '{"task.cancel": ["senior-approver", "duty-manager"], "run.pause": ["nobody"]}'


async def test_who_has_none_of_the_roles_is_refused_by_whoever_decides(tmp_path: Path) -> None:
    told = {"SMARTOPS_COMMAND_ROLES": ROLES}
    async with house_at(
        tmp_path / "house",
        services=[service for service in SERVICES if service != AUDIT],
        service_env={POLICY: told, RUNNER: told},
    ) as house:
        task = await house.staged("roles", steps=1, approval=True)
        await house.until(task, TaskApprovalRequired)
        for refused in (
            house.operator.pause(task, "wait a moment"),
            house.operator.cancel(task, "not at all"),
        ):
            with pytest.raises(Refused) as caught:
                await refused
            assert caught.value.code == "forbidden"
        assert await house.told(TaskCancelled, task) == []
        await house.operator.halt(task, "what is not named is everybody's")
