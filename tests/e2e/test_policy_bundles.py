"""The policy in force changes under way: by whom, from when on, and what is recorded of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from smartops.contracts.canonical import digest
from smartops.contracts.commands import BundleActivate, BundlePropose, BundleShadow, BundleSign
from smartops.contracts.events import (
    TaskCompleted,
    TaskPaused,
    ToolCallDenied,
    ToolCallDispatched,
)
from smartops.contracts.packing import pack
from smartops.policy_engine import Bundle, RegorusEngine
from smartops.sdk.errors import Refused
from support.governing import activate, agreed, in_force, stopped
from support.policy_documents import bundle_with
from support.stacks import House, comes_true, house_at

FREEZE = """
package smartops.tool_call

denials contains {
	"rule": "freeze.no_changes", "path": "/purpose", "message": "nothing is changed today",
} if {
	input.purpose == "do"
	input.category != "read"
}
"""


CLOSED = """
package smartops.plan

denials contains {
	"rule": "closed.no_plans", "path": "/steps", "message": "nothing is planned today",
} if {
	some step in input.steps
	step.category != "read"
}
"""


@pytest.fixture(scope="module")
async def governed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose policy the tests below change, in their order."""
    async with house_at(tmp_path_factory.mktemp("governed"), replicas={"tool_gateway": 2}) as house:
        yield house


def frozen(rule: str = "freeze.no_changes") -> Bundle:
    """Ours, and a rule by which nothing may be changed."""
    text = FREEZE.replace("freeze.no_changes", rule)
    return bundle_with(freeze__rego=text, without=".cases.json")


def closed() -> Bundle:
    """Ours, and a rule by which no plan that changes anything is let through."""
    return bundle_with(closed__rego=CLOSED, without=".cases.json")


async def test_what_policy_decided_can_be_decided_again_exactly(governed: House) -> None:
    task = await governed.staged("stage-recorded", approval=True, steps=2)
    await governed.approve(task)
    assert await governed.outcome(task) == "completed"

    active = await in_force(governed)
    engine = RegorusEngine(Bundle.from_document(bytes(active["document"])))
    rows = await governed.reader.decisions_about(task=task)
    said = [row["entrypoint"] for row in rows]
    assert said == ["plan", "gate", "approval", "tool_call", "tool_call"]
    for row in rows:
        assert row["bundle"] == active["digest"]
        assert digest(bytes(row["input"])) == row["input_digest"]
        verdict = engine.decide(row["entrypoint"], bytes(row["input"]))
        assert (row["allow"], row["requires_approval"], tuple(row["rules"])) == (
            verdict.allow,
            verdict.requires_approval,
            verdict.rules,
        )
        assert (row["quorum"], tuple(row["roles"])) == (verdict.quorum, verdict.roles)
        assert (row["engine"], row["engine_version"]) == (verdict.engine, verdict.engine_version)


async def test_a_vote_that_policy_denies_is_recorded_with_its_question(governed: House) -> None:
    task = await governed.staged("stage-refused", approval=True)
    card = await governed.operator.card(task)
    with pytest.raises(Refused):
        await governed.operator.decide(task, card.plan_hash, card.assessment_hash, "approve")
    rows = [
        row
        async for page in governed.reader.decisions(entrypoint="approval")
        for row in page
        if not row["allow"]
    ]
    assert len(rows) == 1
    assert str(task).encode() in bytes(rows[0]["input"])
    await governed.operator.cancel(task, "seen enough")


async def test_a_bundle_that_fails_its_own_cases_is_refused_with_the_reasons(
    governed: House,
) -> None:
    broken = bundle_with(freeze__rego=FREEZE)
    with pytest.raises(Refused, match=r"tool_call.cases.json: .*expected allow") as refused:
        await governed.operator.change_bundle(
            BundlePropose(document=pack(broken.document()), reason="untested")
        )
    assert refused.value.code == "bundle_refused"


async def test_two_people_stand_behind_a_new_policy(governed: House) -> None:
    bundle = frozen("freeze.two_people")
    document = pack(bundle.document())
    await governed.operator.change_bundle(BundlePropose(document=document, reason="freeze"))
    for who, command, code in (
        (
            governed.people["operator-phone"],
            BundleSign(digest=bundle.digest, reason="me"),
            "four_eyes",
        ),
        (governed.operator, BundleActivate(digest=bundle.digest, reason="now"), "unsigned"),
        (governed.people["stranger"], BundleSign(digest=bundle.digest, reason="me"), "unmapped"),
    ):
        with pytest.raises(Refused) as refused:
            await who.change_bundle(command)
        assert refused.value.code == code
    [row] = [row for row in await governed.reader.bundles() if row["digest"] == bundle.digest]
    assert (row["proposed_by"], row["signed_by"], row["active"]) == ("olga", [], False)


async def test_a_denial_by_a_new_bundle_between_grant_and_dispatch_pauses_the_run(
    governed: House,
) -> None:
    before, bundle = (await in_force(governed))["digest"], frozen()
    await agreed(governed, bundle)
    task = await governed.staged("stage-between", approval=True)
    with stopped(governed, "runner"):
        await governed.approve(task)
        await activate(governed, bundle.digest)

    denied = await governed.until(task, ToolCallDenied)
    assert denied.rules == ("freeze.no_changes",)
    assert [one.bundle for one in denied.decisions] == [bundle.digest]
    await governed.until(task, TaskPaused)
    assert await governed.told(ToolCallDispatched, task) == []

    # What was in force before is put back without another signature. Whether the run goes on, the
    # gate is asked once more.
    await activate(governed, before)
    await governed.approve(task, plan=2)
    assert await governed.outcome(task) == "completed"


async def test_a_plan_that_waits_is_held_to_the_policy_that_came_meanwhile(
    governed: House,
) -> None:
    before, bundle = (await in_force(governed))["digest"], closed()
    await agreed(governed, bundle)
    task = await governed.staged("stage-meanwhile", approval=True)
    card = await governed.operator.card(task)
    await activate(governed, bundle.digest)

    with pytest.raises(Refused, match="under the policy now in force: nothing is planned today"):
        await governed.approver.decide(task, card.plan_hash, card.assessment_hash, "approve")

    rows = [row async for page in governed.reader.decisions() for row in page]
    refused = [row for row in rows if row["topic"].startswith("command.refused") and row["input"]]
    assert {row["entrypoint"] for row in refused if row["bundle"] == bundle.digest} == {
        "approval",
        "plan",
        "gate",
    }
    # Under the one that it was weighed by, or one that says the same, it may be approved.
    await activate(governed, before)
    await governed.approve(task)
    assert await governed.outcome(task) == "completed"


async def test_a_switch_under_load_holds_from_its_position_on_in_every_process(
    governed: House,
) -> None:
    before, bundle = (await in_force(governed))["digest"], frozen("freeze.under_load")
    await agreed(governed, bundle)
    began = await governed.head()
    targets = [[f"stage-load-{number}-{part}" for part in "ab"] for number in range(10)]
    tasks = [await governed.staged(*names, approval=True, steps=8) for names in targets]
    for task in tasks:
        await governed.approve(task)
    # Both gateways are at it.
    for task in tasks[:3]:
        await governed.until(task, ToolCallDispatched)
    since = await activate(governed, bundle.digest)
    for task in tasks:
        await governed.event(task, TaskPaused, TaskCompleted)

    rows = [row async for page in governed.reader.decisions() for row in page]
    later = [row for row in rows if row["position"] > since and row["call"] is not None]
    assert {row["bundle"] for row in later} == {bundle.digest}
    assert {row["topic"].rpartition(".v")[0] for row in later} == {"tool.call.denied"}
    earlier = [row for row in rows if began < row["position"] < since]
    assert {row["bundle"] for row in earlier} == {before}
    paused = [task for task in tasks if await governed.told(TaskPaused, task)]
    assert len(paused) > len(tasks) // 2, "the switch came too late to be worth a test"

    await activate(governed, before)
    for task in paused:
        await governed.operator.cancel(task, "was only load")


async def test_a_shadow_disagrees_aloud_and_changes_nothing(governed: House) -> None:
    bundle = frozen("freeze.shadow")
    document = pack(bundle.document())
    await governed.operator.change_bundle(BundlePropose(document=document, reason="try it"))
    await governed.operator.change_bundle(BundleShadow(digest=bundle.digest, reason="try it"))
    task = await governed.staged("stage-shadow", approval=True, steps=3)
    await governed.approve(task)
    assert await governed.outcome(task) == "completed"
    assert await governed.told(ToolCallDenied, task) == []

    async def told() -> bool:
        rows = await governed.reader.shadow(bundle.digest)
        return sum(row["disagreements"] for row in rows) == 3

    await comes_true(told)
    # It goes on behind its own word.
    more = await governed.staged("stage-shadow", approval=True)
    await governed.approve(more)
    assert await governed.outcome(more) == "completed"

    async def told_again() -> bool:
        rows = await governed.reader.shadow(bundle.digest)
        return sum(row["disagreements"] for row in rows) == 4

    await comes_true(told_again)
    disagreements = [
        one for row in await governed.reader.shadow(bundle.digest) for one in row["told"]
    ]
    assert {one["task"] for one in disagreements} == {str(task), str(more)}
    assert {one["change"] for one in disagreements} == {"allow_to_deny"}
    assert {tuple(one["shadow"]["rules"]) for one in disagreements} == {("freeze.shadow",)}
    await governed.operator.change_bundle(BundleShadow(digest=None, reason="seen enough"))
    assert not any(row["shadow"] for row in await governed.reader.bundles())


async def test_people_of_another_tenant_than_the_governing_one_change_no_policy(
    tmp_path: Path,
) -> None:
    env = {"policy": {"SMARTOPS_GOVERNING_TENANT": "headquarters"}}
    async with house_at(tmp_path / "home", service_env=env) as house:
        with pytest.raises(Refused, match="by people of headquarters alone") as refused:
            await agreed(house, frozen())
        assert (refused.value.code, refused.value.field) == ("forbidden", "tenant")


async def test_a_start_with_other_files_changes_no_policy_and_says_so(tmp_path: Path) -> None:
    home, other = tmp_path / "home", frozen("freeze.by_restart")
    async with house_at(home) as house:
        first = await in_force(house)
        assert (first["activated_by"], first["proposed_by"]) == (None, None)
    folder = tmp_path / "other"
    folder.mkdir()
    for path, content in other.files.items():
        (folder / path).write_bytes(content)
    async with house_at(home, service_env={"policy": {"SMARTOPS_BUNDLE": str(folder)}}) as house:
        [same] = await house.reader.bundles()
        assert (same["digest"], same["active"]) == (first["digest"], True)
        task = await house.staged("stage-restarted", approval=True)
        await house.approve(task)
        assert await house.outcome(task) == "completed"
        log = (home / "logs" / "policy.log").read_text("utf-8")
        assert f"this process was given {other.digest}, which decides nothing" in log
        with urlopen(house.stack.health_url("policy") + "/ready") as page:  # noqa: ASYNC210
            notes = json.load(page)["notes"]
        assert notes["bundle"] == f"{other.digest}, which is not in force"
