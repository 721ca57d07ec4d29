"""`smartops doctor` on a real installation: well, and with one part after the other gone."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from smartops.contracts.envelope import read_data
from smartops.contracts.events import PolicyBundleActivated, TaskApprovalGranted
from smartops.contracts.streams import PLATFORM
from smartops.eventstore.results import Committed
from smartops.eventstore.units import Trigger
from smartops.runtime.decision import Decision
from smartops.runtime.recording import Cause, Recorder, UnitBuilder
from support.observing import get
from support.stacks import House, comes_true, house_at, store_of


@dataclass(frozen=True, slots=True)
class Told:
    """What the command said."""

    code: int
    document: dict[str, Any]
    text: str

    def level(self, code: str) -> list[str]:
        """Levels of the findings of a code."""
        return [one["level"] for one in self.document["findings"] if one["code"] == code]

    @property
    def bad(self) -> set[str]:
        """Codes of all problems."""
        return {one["code"] for one in self.document["findings"] if one["level"] == "problem"}

    def texts(self, code: str) -> str:
        """Texts and advice of a code."""
        found = [one for one in self.document["findings"] if one["code"] == code]
        return "\n".join(f"{one['text']} {one['advice']}" for one in found)


async def doctor(house: House, *options: str) -> Told:
    """Run the command as people do, twice: for programs and for eyes."""
    run = [sys.executable, "-m", "smartops.sdk.cli", "--home", str(house.stack.home), *options]
    children = [
        await asyncio.create_subprocess_exec(
            *run, *more, "doctor", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        for more in (["--json"], [])
    ]
    (json_out, errors), (text, _) = await asyncio.gather(*(one.communicate() for one in children))
    code = children[0].returncode
    assert code is not None
    assert children[1].returncode == code
    assert b"Traceback" not in errors
    return Told(code, json.loads(json_out), text.decode())


@pytest.fixture(scope="module")
async def sick(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house that the tests below take apart, in their order."""
    async with house_at(tmp_path_factory.mktemp("sick")) as house:
        await house.outcome(await house.staged("stage-doctor"))
        yield house


async def test_a_running_house_is_well(sick: House) -> None:
    told = await doctor(sick)

    assert told.bad == set(), told.document
    assert (told.code, told.document["healthy"], told.document["warnings"]) == (0, True, 0)
    assert told.level("bus.provisioned") == ["ok"]
    assert "PEOPLE" in told.texts("bus.connected")
    assert told.level("services.ready") == ["ok"]
    assert told.text.count("✓") == len(told.document["findings"])


async def activate(house: House, digest: str | None = None) -> str:
    """Activate a policy bundle, as policy would; returns the digest of the one before."""
    name = f"{PLATFORM}/bundle-default"
    async with store_of(house.stack, "policy") as store:
        rows = await store.read_stream(name)
        active = read_data(rows[-1].topic, rows[-1].state)
        assert isinstance(active, PolicyBundleActivated)
        other = active.model_copy(update={"digest": digest or f"sha256:{'0' * 64}"})
        recorder = Recorder("policy", house.stack.subjects)
        builder = UnitBuilder(recorder, name, rows[-1].version, store.db_now())
        builder.add(Cause(Trigger("policy.bundle", uuid4()), None), Decision([other]))
        assert isinstance(await store.append(builder.unit()), Committed)
    return active.digest


async def test_a_gateway_that_holds_another_policy_than_the_active_one_says_so(
    sick: House,
) -> None:
    async def answers(status: int) -> bool:
        return (await get(sick.stack, "tool_gateway", "/ready")).status == status

    before = await activate(sick)
    await comes_true(lambda: answers(503))
    told = await doctor(sick)
    assert told.bad == {"services.not_ready"}
    assert "tool_gateway is not ready: policy: sha256:0000" in told.texts("services.not_ready")
    assert "policy activate" in told.texts("services.not_ready")

    await activate(sick, before)
    await comes_true(lambda: answers(200))


async def test_a_killed_service_is_named_with_the_work_that_waits_for_it(sick: House) -> None:
    await sick.stack.supervisor.release("runner")
    task = await sick.staged("stage-waits")
    await sick.until(task, TaskApprovalGranted)

    async def noticed() -> bool:
        return "bus.nobody_pulls" in (await doctor(sick)).bad

    await comes_true(noticed)
    told = await doctor(sick)

    assert told.code == 1
    assert told.bad == {"services.silent", "bus.nobody_pulls"}
    assert told.texts("services.silent").startswith("runner does not answer on http://")
    assert "messages wait, and nobody pulls: 1 for runner-grants Start runner;" in told.texts(
        "bus.nobody_pulls"
    )
    assert "✗ runner does not answer" in told.text


async def test_a_bus_that_is_gone_is_named_and_the_services_say_so_too(sick: House) -> None:
    await sick.stack.supervisor.release("nats-server")

    async def noticed() -> bool:
        return (await get(sick.stack, "planner", "/ready")).status == 503

    await comes_true(noticed)
    told = await doctor(sick)

    assert told.code == 7
    assert {"bus.unreachable", "services.not_ready", "services.silent"} <= told.bad
    for service in ("planner", "policy", "tool_gateway", "audit"):
        assert f"{service} is not ready: bus:" in told.texts("services.not_ready")


async def test_a_database_that_is_gone_is_named_and_the_services_say_so_too(sick: House) -> None:
    await sick.stack.supervisor.release("postgres")

    async def noticed() -> bool:
        page = await get(sick.stack, "planner", "/ready")
        return "database" in {reason["part"] for reason in page.json["reasons"]}

    await comes_true(noticed)
    told = await doctor(sick)

    assert told.code == 7
    assert {"database.unreachable", "bus.unreachable"} <= told.bad
    assert "planner is not ready: database:" in told.texts("services.not_ready")
