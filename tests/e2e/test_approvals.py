"""Who lets plans run, on the real line: several people, others' voices, standing words, glass."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from smartops.contracts.commands import ApprovalDelegate, StandingGive
from smartops.contracts.events import (
    StandingUsed,
    TaskApprovalEscalated,
    TaskApprovalGranted,
    TaskApprovalReminded,
    TaskApprovalRequired,
    TaskBreakGlassUsed,
)
from smartops.contracts.ids import actor_id
from smartops.contracts.standing import StandingClass
from smartops.contracts.wire import Environment, RiskLevel
from smartops.devstack.files import private_directory, write_private
from smartops.policy_engine import default_bundle_path
from smartops.sdk import Client, Profile, Refused
from support.stacks import PEOPLE, House, comes_true, house_at

ROLES = {
    "olga": ("operator", "approver"),
    "ada": ("approver",),
    "sue": ("senior-approver",),
    "dora": ("duty-manager",),
    "gus": ("break-glass",),
    "eve": (),
}
"""Everybody's actor; olga has two credentials, ada's is called approver."""
CREDENTIALS = {
    "operator": "olga",
    "operator-phone": "olga",
    "approver": "ada",
    "sue": "sue",
    "dora": "dora",
    "gus": "gus",
    "eve": "eve",
}
DRIFT_TOOLS = ("apply_patch", "drain_server", "undrain_server", "restart_server", "noop_read")


@dataclass
class Crowd:
    """A house, and more people at it."""

    house: House
    people: dict[str, Client]

    def actor(self, name: str) -> UUID:
        """Who that is."""
        return actor_id(self.house.tenant, name)

    async def asked(self, *servers: str) -> tuple[UUID, TaskApprovalRequired]:
        """Olga asks for servers to be mended, and people are asked about that."""
        task = await self.house.drift(*servers)
        return task, await self.house.until(task, TaskApprovalRequired)


@pytest.fixture(scope="module")
async def crowd(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crowd]:
    """A house where nobody may sleep over a decision for more than a second."""
    policy = {
        "SMARTOPS_APPROVAL_REMINDERS": "PT1S",
        "SMARTOPS_APPROVAL_CHAIN": "duty-manager@PT2S",
    }
    async with crowd_at(tmp_path_factory.mktemp("crowd"), policy, servers=24) as crowd:
        yield crowd


@pytest.fixture(scope="module")
async def careful(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crowd]:
    """A house whose policy takes everything in production for critical: two people must agree."""
    home = private_directory(tmp_path_factory.mktemp("careful"))
    bundle = home / "bundle"
    shutil.copytree(default_bundle_path(), bundle)
    (bundle / "gate.cases.json").unlink()
    gate = bundle / "gate.rego"
    gate.write_text(gate.read_text() + '\ncritical if input.environment == "production"\n')
    production = {"cooldown": "PT0S", "require_two_approvers": True}
    write_private(home / "autonomy.json", json.dumps({"environments": {"production": production}}))
    async with crowd_at(home, {"SMARTOPS_BUNDLE": str(bundle)}, servers=4) as crowd:
        yield crowd


@asynccontextmanager
async def crowd_at(home: Path, policy: dict[str, str], servers: int) -> AsyncIterator[Crowd]:
    """A house, and everybody at it."""
    _write_actors(home)
    persons: dict[str, tuple[str, ...]] = dict.fromkeys((*PEOPLE, *CREDENTIALS), ())
    async with AsyncExitStack() as leaving:
        house = await leaving.enter_async_context(
            house_at(home, servers=servers, persons=persons, service_env={"policy": policy})
        )
        profile = Profile.load(home)
        people = {
            name: await leaving.enter_async_context(await Client.connect(profile, name))
            for name in CREDENTIALS
        }
        yield Crowd(house, people)


def _write_actors(home: Path) -> None:
    actors = [
        {
            "tenant": "acme",
            "name": name,
            "roles": list(roles),
            "principals": [
                {"issuer": "local", "subject": credential}
                for credential, owner in CREDENTIALS.items()
                if owner == name
            ],
        }
        for name, roles in ROLES.items()
    ]
    write_private(private_directory(home) / "actors.json", json.dumps(actors))


def soon(**span: float) -> datetime:
    """A moment from now."""
    return datetime.now(UTC) + timedelta(**span)


async def say(
    client: Client,
    task: UUID,
    required: TaskApprovalRequired,
    word: str = "approve",
    for_actor: UUID | None = None,
) -> str:
    """A person decides."""
    assert word in ("approve", "reject")
    decided = await client.decide(
        task,
        required.plan_hash,
        required.assessment_hash,
        "approve" if word == "approve" else "reject",
        for_actor=for_actor,
    )
    return f"{decided.outcome}{' already' if decided.already else ''}"


async def test_who_says_the_same_again_hears_the_outcome_and_who_says_otherwise_whose_it_was(
    crowd: Crowd,
) -> None:
    [server] = await crowd.house.take(1)
    task, required = await crowd.asked(server)
    assert await say(crowd.people["approver"], task, required) == "granted"
    assert await say(crowd.people["sue"], task, required) == "granted already"
    with pytest.raises(Refused, match=r"already approved by ada at 2\d{3}-") as late:
        await say(crowd.people["sue"], task, required, "reject")
    assert late.value.code == "decided"
    assert len(await crowd.house.told(TaskApprovalGranted, task)) == 1


async def test_a_voice_is_handed_over_speaks_and_is_taken_back(crowd: Crowd) -> None:
    ada, eve = crowd.people["approver"], crowd.people["eve"]
    [server] = await crowd.house.take(1)
    task, required = await crowd.asked(server)
    with pytest.raises(Refused) as nobody:
        await say(eve, task, required, for_actor=crowd.actor("ada"))
    assert (nobody.value.code, nobody.value.field) == ("no_delegation", "for_actor")

    handed = await ada.delegate(
        ApprovalDelegate(
            to=crowd.actor("eve"),
            roles=("approver",),
            environments=(Environment.PRODUCTION,),
            until=soon(hours=1),
            reason="on leave",
        )
    )
    assert await say(eve, task, required, for_actor=crowd.actor("ada")) == "granted"
    [granted] = await crowd.house.told(TaskApprovalGranted, task)
    [voice] = granted.approvals
    assert (voice.actor_name, voice.for_name, voice.roles) == ("eve", "ada", ("approver",))

    await ada.end_delegation(handed.mandate, "back again")
    again = await ada.end_delegation(handed.mandate, "back again, really")
    assert again.already
    [other] = await crowd.house.take(1)
    second, asked = await crowd.asked(other)
    with pytest.raises(Refused) as ended:
        await say(eve, second, asked, for_actor=crowd.actor("ada"))
    assert ended.value.code == "no_delegation"

    async def listed() -> bool:
        rows = await crowd.house.reader.delegations(everything=True)
        return any(row["ended_at"] for row in rows)

    await comes_true(listed)


async def test_who_asked_gets_nothing_through_by_handing_the_voice_over(crowd: Crowd) -> None:
    olga, eve = crowd.people["operator"], crowd.people["eve"]
    [server] = await crowd.house.take(1)
    task, required = await crowd.asked(server)
    await olga.delegate(
        ApprovalDelegate(
            to=crowd.actor("eve"),
            roles=("approver",),
            environments=(Environment.PRODUCTION,),
            until=soon(hours=1),
            reason="would be nice",
        )
    )
    with pytest.raises(Refused) as refused:
        await say(eve, task, required, for_actor=crowd.actor("olga"))
    assert refused.value.code == "forbidden"
    assert "who asked for the work cannot decide" in str(refused.value)
    assert await crowd.house.told(TaskApprovalGranted, task) == []


async def test_while_nobody_decides_people_are_reminded_and_then_others_are_asked(
    crowd: Crowd,
) -> None:
    [server] = await crowd.house.take(1)
    task, required = await crowd.asked(server)
    with pytest.raises(Refused) as early:
        await say(crowd.people["dora"], task, required)
    assert early.value.code == "forbidden"
    reminded = await crowd.house.until(task, TaskApprovalReminded)
    assert (reminded.roles, reminded.voices) == (("approver",), 0)
    escalated = await crowd.house.until(task, TaskApprovalEscalated)
    assert (escalated.role, escalated.quorum) == ("duty-manager", 1)

    async def shown() -> bool:
        [row] = await crowd.house.reader.approvals(task=task)
        return bool(row["reminders"] == 1 and row["escalated"] == ["duty-manager"])

    await comes_true(shown)
    assert await say(crowd.people["dora"], task, required) == "granted"


def word(uses: int) -> StandingGive:
    """Sue agrees beforehand to mending servers in production."""
    return StandingGive(
        plans=StandingClass(
            agent="drift",
            tools=DRIFT_TOOLS,
            environments=(Environment.PRODUCTION,),
            max_targets=1,
            max_risk_level=RiskLevel.CRITICAL,
        ),
        max_uses=uses,
        until=soon(hours=1),
        reason="drift is drift",
    )


async def test_a_standing_word_lets_as_many_plans_through_as_it_says_however_they_race(
    crowd: Crowd,
) -> None:
    sue = crowd.people["sue"]
    with pytest.raises(Refused, match="senior-approver"):
        await crowd.people["approver"].give_standing(word(2))
    standing = (await sue.give_standing(word(2))).mandate
    servers = await crowd.house.take(5)
    tasks = await asyncio.gather(*(crowd.house.drift(server) for server in servers))
    await asyncio.gather(
        *(crowd.house.event(task, TaskApprovalGranted, TaskApprovalRequired) for task in tasks)
    )
    granted = [one for task in tasks for one in await crowd.house.told(TaskApprovalGranted, task)]
    assert [one.standing for one in granted] == [standing, standing]
    assert {voice.actor_name for one in granted for voice in one.approvals} == {"sue"}
    let_through = [task for task in tasks if await crowd.house.told(TaskApprovalGranted, task)]
    assert [await crowd.house.outcome(task) for task in let_through] == ["completed"] * 2
    used = [one for task in tasks for one in await crowd.house.told(StandingUsed, task)]
    assert sorted(one.use for one in used) == [1, 2]
    asked = [one for task in tasks for one in await crowd.house.told(TaskApprovalRequired, task)]
    assert len(asked) == 3

    async def counted() -> bool:
        rows = await crowd.house.reader.standings(everything=True)
        return any(row["standing"] == standing and row["uses"] == 2 for row in rows)

    await comes_true(counted)


async def test_a_standing_word_that_was_taken_back_lets_nothing_through(crowd: Crowd) -> None:
    sue = crowd.people["sue"]
    standing = (await sue.give_standing(word(5))).mandate
    await crowd.people["approver"].revoke_standing(standing, "not today")
    [server] = await crowd.house.take(1)
    task = await crowd.house.drift(server)
    await crowd.house.until(task, TaskApprovalRequired)


async def test_the_glass_is_broken_by_who_may_and_somebody_looks_into_it(crowd: Crowd) -> None:
    [server] = await crowd.house.take(1)
    task, required = await crowd.asked(server)
    hashes = required.plan_hash, required.assessment_hash
    why = "customers cannot pay, nobody else is awake"
    with pytest.raises(Refused) as refused:
        await crowd.people["approver"].break_glass(task, *hashes, why)
    assert refused.value.code == "forbidden"
    await crowd.people["gus"].break_glass(task, *hashes, why)
    granted = await crowd.house.until(task, TaskApprovalGranted)
    assert granted.break_glass
    [used] = await crowd.house.told(TaskBreakGlassUsed, task)
    assert (used.by.actor_name, used.justification, used.run) == ("gus", why, granted.run)
    assert (await crowd.people["gus"].break_glass(task, *hashes, why)).already
    assert await crowd.house.outcome(task) == "completed"
    assert await crowd.house.versions(server) == ["2.4.1"]

    async def looked_into() -> bool:
        rows = await crowd.house.reader.tasks(status="needs_approval", limit=100)
        return any(f"task:{task}" in row["tags"] for row in rows)

    await comes_true(looked_into)
    [incident] = await _incidents(crowd.house, task)
    asked = await crowd.house.until(incident, TaskApprovalRequired)
    assert [one.actor for one in asked.excluded] == [crowd.actor("gus")]
    assert "gus alone" in asked.summary
    assert why in asked.summary
    assert await say(crowd.people["approver"], incident, asked) == "granted"
    assert await crowd.house.outcome(incident) == "completed"


async def _incidents(house: House, task: UUID) -> list[UUID]:
    """Tasks that were opened because of what was done in another."""
    found: list[UUID] = []

    async def opened() -> bool:
        rows = await house.reader.tasks(limit=100)
        found[:] = [row["task"] for row in rows if f"task:{task}" in row["tags"]]
        return bool(found)

    await comes_true(opened)
    return found


# --- Two people ---------------------------------------------------------------------------------


async def test_two_people_with_the_roles_that_were_asked_must_agree(careful: Crowd) -> None:
    [server] = await careful.house.take(1)
    task, required = await careful.asked(server)
    assert (required.quorum, required.roles) == (2, ("approver", "senior-approver"))
    ada, eve, sue = (careful.people[name] for name in ("approver", "eve", "sue"))
    assert await say(ada, task, required) == "recorded"
    assert await say(ada, task, required) == "recorded already"
    await ada.delegate(
        ApprovalDelegate(
            to=careful.actor("eve"),
            roles=("approver",),
            environments=(Environment.PRODUCTION,),
            until=soon(hours=1),
            reason="on leave",
        )
    )
    assert await say(eve, task, required, for_actor=careful.actor("ada")) == "recorded"
    assert await careful.house.told(TaskApprovalGranted, task) == []

    async def shown() -> bool:
        [row] = await careful.house.reader.approvals(task=task)
        return [voice["for_name"] for voice in row["voices"]] == [None, "ada"]

    await comes_true(shown)
    assert await say(sue, task, required) == "granted"
    [granted] = await careful.house.told(TaskApprovalGranted, task)
    assert [voice.actor_name for voice in granted.approvals] == ["ada", "sue"]
    assert await careful.house.outcome(task) == "completed"


async def test_one_no_ends_it_and_a_standing_word_is_no_second_person(careful: Crowd) -> None:
    await careful.people["sue"].give_standing(word(1))
    [server] = await careful.house.take(1)
    task, required = await careful.asked(server)
    assert await say(careful.people["approver"], task, required) == "recorded"
    assert await say(careful.people["sue"], task, required, "reject") == "rejected"
    with pytest.raises(Refused, match="already rejected by sue"):
        await say(careful.people["approver"], task, required)
    assert await careful.house.outcome(task) == "rejected"
