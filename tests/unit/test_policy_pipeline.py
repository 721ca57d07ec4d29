"""Schema, policy, safety, gate: what each stage refuses, and what a person is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_any
from hypothesis import strategies as st
from pydantic import JsonValue
from smartops.contracts.canonical import digest_of
from smartops.contracts.commands import IntentContext, WantedStep
from smartops.contracts.commands import Scope as IntentScope
from smartops.contracts.events import TaskSubmitted
from smartops.contracts.plan import Plan, Requester, Step
from smartops.contracts.rehearsing import rehearsal_of
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, Environment, Scope
from smartops.policy.agents.track import TrackRecord
from smartops.policy.gate.weighing import Weighed
from smartops.policy.scoring.assessment import Standing
from smartops.policy.scoring.grounds import Evidence, Seen
from smartops.policy.scoring.inventory import inventory_of
from smartops.policy.scoring.modes import AutonomyFile
from smartops.policy.scoring.pipeline import Grounds, malformed, weigh_plan, writing_tools
from smartops.policy.scoring.reach import reach_of
from smartops.policy.scoring.safety import check_safety, must_be_asked
from smartops.policy_engine import RegorusEngine, default_bundle_path
from support.plans import CHECKS, TASK, phase, plan, step, tool

NOW = datetime(2026, 11, 16, 12, tzinfo=UTC)
CALL = UUID("22222222-2222-5222-8222-222222222222")


@cache
def engine() -> RegorusEngine:
    """With the bundle that comes with the product."""
    return RegorusEngine.load(default_bundle_path())


PATCH = tool().model_copy(update={"blast_radius": 1})
READ = tool("look", category=Category.READ)
WIPE = tool("wipe", category=Category.IRREVERSIBLE).model_copy(update={"blast_radius": 1})
TOOLS = {made.name: made for made in (PATCH, READ, WIPE)}

PROVEN = TrackRecord(
    runs=20,
    succeeded=20,
    approved=3,
    last_approved_at=NOW - timedelta(days=1),
    senior_approvals=1,
    environments_succeeded=frozenset({Environment.STAGING, Environment.PRODUCTION}),
)


def patch(target: str, **fields: Any) -> Step:
    return step(target, PATCH, **fields)


def canaried(*rest: str, environment: Environment = Environment.PRODUCTION, **fields: Any) -> Plan:
    """A canary on web-00, and each other asset in a wave of its own, all watched."""
    waves = [
        phase(patch(name, phase=f"wave-{n}"), name=f"Wave {n}", checks=CHECKS)
        for n, name in enumerate(rest, 1)
    ]
    first = phase(patch("web-00", phase="canary"), name="Canary", checks=CHECKS)
    return plan(first, *waves, environment=environment, **fields)


def saying(made: Plan, total_assets: int) -> Plan:
    """The same plan with another claim of how large the fleet is."""
    header = made.header.model_copy(update={"total_assets": total_assets})
    return made.model_copy(update={"header": header})


def intent(made: Plan, **fields: Any) -> TaskSubmitted:
    return TaskSubmitted(
        **(
            {
                "intent": "mend what is broken",
                "environment": made.header.environment,
                "context": IntentContext(),
                "source": "api",
                "requester": made.header.requester,
                "command": TASK,
                "content": digest_of({}),
            }
            | fields
        )
    )


def found(
    answer: JsonValue, used: str = "query_assets", *, age: timedelta = timedelta()
) -> Evidence:
    return Evidence("seen", used, digest_of(answer), CALL, NOW - age, answer)


def inventory(count: int, **fields: JsonValue) -> Evidence:
    return found(
        {"assets": [{"id": f"web-{n:02}", "version": "1", **fields} for n in range(count)]}
    )


def grounds(
    made: Plan,
    *,
    tools: dict[str, ToolDescriptor] | None = None,
    track: TrackRecord = PROVEN,
    evidence: Sequence[Evidence] = (),
    level: int = 2,
    submitted: TaskSubmitted | None = None,
    autonomy: dict[str, Any] | None = None,
    **standing: Any,
) -> Grounds:
    tools = TOOLS if tools is None else tools
    environment = made.header.environment
    file = AutonomyFile.model_validate({"environments": {environment.value: autonomy or {}}})
    told = {"cooldown_left": timedelta(), "blocked": False} | standing
    modes = {name: file.mode_of(name, environment) for name in writing_tools(made, tools)}
    return Grounds(
        tools=tools,
        seen=Seen(submitted or intent(made), tuple(evidence)),
        track=track,
        standing=Standing(level, file.environments[environment], modes, **told),
        requester_roles=(),
        now=NOW,
    )


def weighed(made: Plan, **fields: Any) -> Weighed:
    return weigh_plan(made, grounds(made, **fields), engine())


def told(found: Weighed) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(found.assessment)
    return document


STAGED = plan(phase(patch("web-00")), environment=Environment.STAGING)


# ---- the stages in their order ------------------------------------------------------------------


def test_what_cannot_be_read_is_refused_by_schema() -> None:
    [problem] = malformed("it is no plan", engine()).problems
    assert (problem.stage, problem.rule) == ("schema", "plan.schema")


def test_what_policy_denies_is_refused_with_stage_rule_and_path() -> None:
    made = plan(phase(patch("web-00"), patch("web-01"), name="All at once", checks=CHECKS))
    refused = weighed(made, evidence=[inventory(20)])
    assert ("policy", "plan.canary_missing", "/phases/0/name") in [
        (one.stage, one.rule, one.path) for one in refused.problems
    ]
    assert refused.assessment == b""
    assert [one.evidence.decision.entrypoint for one in refused.asked] == ["plan"]


def test_what_is_unsafe_is_refused_though_policy_allows_it() -> None:
    submitted = intent(STAGED, environment=Environment.PRODUCTION)
    refused = weighed(STAGED, submitted=submitted)
    assert [(one.stage, one.rule) for one in refused.problems] == [
        ("safety", "safety.other_environment")
    ]


def test_what_the_gate_denies_is_refused_with_both_questions_on_record() -> None:
    made = plan(phase(patch("web-00"), patch("web-01")), environment=Environment.STAGING)
    refused = weighed(made, track=TrackRecord())
    assert [(one.stage, one.rule, one.path) for one in refused.problems] == [
        ("gate", "gate.canary_required", "/canary")
    ]
    assert [one.evidence.decision.entrypoint for one in refused.asked] == ["plan", "gate"]


def test_reversible_work_in_staging_goes_by_itself() -> None:
    found = weighed(STAGED)
    assert (found.problems, found.requires_approval) == ((), False)
    assert told(found)["requires_approval"] is False


def test_so_does_that_of_a_newcomer_who_does_what_the_requester_wrote_down() -> None:
    wanted = WantedStep(tool="patch", target="web-00")
    submitted = intent(STAGED, context=IntentContext(steps=(wanted,)))
    found = weighed(STAGED, track=TrackRecord(), submitted=submitted)
    assert not found.requires_approval, found.rules


def test_production_waits_for_a_person_in_every_mode() -> None:
    for mode in ("approve_all", "canary_only", "risk_based", "full_auto"):
        made = canaried("web-01")
        found = weighed(
            made,
            level=3,
            evidence=[inventory(200, critical=False)],
            autonomy={"mode": mode, "risk_threshold": 100},
        )
        assert found.problems == ()
        assert found.requires_approval, mode
        assert "safety.production_write" in found.rules


def test_a_rest_that_is_not_over_and_a_blocked_window_ask_for_a_person() -> None:
    for standing in ({"cooldown_left": timedelta(seconds=1)}, {"blocked": True}):
        assert weighed(STAGED, **standing).requires_approval
    assert not weighed(STAGED).requires_approval


def test_the_gates_quorum_and_roles_reach_the_card() -> None:
    made = canaried("web-01")
    found = weighed(
        made,
        evidence=[inventory(200, critical=True)],
        autonomy={"max_critical_assets": 1},
    )
    assert (found.quorum, found.roles) == (2, ("approver", "senior-approver"))
    assert told(found)["approval"] == {"quorum": 2, "roles": ["approver", "senior-approver"]}


# ---- safety -------------------------------------------------------------------------------------


def problems(made: Plan, submitted: TaskSubmitted | None = None, **fields: Any) -> list[str]:
    tools = TOOLS | fields
    reach = reach_of(made, tools, inventory_of([], made.header.environment), autonomy_of(made))
    return [
        one.rule.removeprefix("safety.")
        for one in check_safety(made, submitted or intent(made), tools, reach)
    ]


def autonomy_of(made: Plan) -> Any:
    return AutonomyFile().environments[made.header.environment]


def test_a_sound_plan_is_safe() -> None:
    assert problems(canaried("web-01", "web-02")) == []


def test_a_plan_for_another_requester_than_the_intents_is_unsafe() -> None:
    other = intent(STAGED, requester=Requester(principal="other", authtype="local"))
    assert problems(STAGED, other) == ["other_requester"]


def test_an_asset_that_the_intent_leaves_out_is_safe_from_writes() -> None:
    submitted = intent(
        STAGED, context=IntentContext(scope=IntentScope(exclude_assets=("web-00", "db-1")))
    )
    assert problems(STAGED, submitted) == ["excluded_asset"]
    hidden = plan(
        phase(patch("web-07", arguments={"asset": "web-07", "with": {"peers": ["db-1"]}})),
        environment=Environment.STAGING,
    )
    assert problems(hidden, submitted) == ["excluded_asset"]
    looking = plan(
        phase(step("db-1", READ), step("web-07", PATCH)), environment=Environment.STAGING
    )
    assert problems(looking, submitted) == []


def test_assets_that_the_intent_does_not_name_are_safe_if_it_names_any() -> None:
    scope = IntentScope(asset_ids=("web-01",))
    submitted = intent(STAGED, context=IntentContext(scope=scope))
    assert problems(STAGED, submitted) == ["outside_scope"]
    assert (
        problems(plan(phase(patch("web-01"))), intent(plan(), context=IntentContext(scope=scope)))
        == []
    )


def test_a_write_that_could_be_taken_back_says_how() -> None:
    assert problems(plan(phase(patch("web-00", undo=False)))) == ["undo_missing"]


def test_a_step_is_taken_back_by_its_tools_own_reverse_and_by_nothing_else() -> None:
    honest = patch("web-00")
    assert honest.undo is not None
    sly = honest.model_copy(update={"undo": honest.undo.model_copy(update={"tool": "wipe"})})
    assert problems(plan(phase(sly))) == ["undo_other_tool"]


def test_production_has_a_canary_whatever_the_bundle_says() -> None:
    two = phase(patch("web-00"), patch("web-01"), name="Wave 1", checks=CHECKS)
    assert problems(plan(two)) == ["canary_missing"]
    assert problems(plan(two, environment=Environment.STAGING)) == []


@pytest.mark.parametrize(("radius", "expected"), [(5000, []), (5001, ["beyond_envelope"])])
def test_a_reach_that_no_envelope_can_bound_is_unsafe(radius: int, expected: list[str]) -> None:
    wide = PATCH.model_copy(update={"blast_radius": radius, "scope": Scope.ORGANIZATION})
    assert problems(plan(phase(step("web-00", wide))), patch=wide) == expected


def test_a_plan_without_an_intent_in_the_log_is_unsafe_if_it_writes() -> None:
    nothing = reach_of(STAGED, TOOLS, inventory_of([], Environment.STAGING), autonomy_of(STAGED))
    assert [one.rule for one in check_safety(STAGED, None, TOOLS, nothing)] == [
        "safety.intent_missing"
    ]


def test_a_requester_who_asked_for_a_person_gets_one_though_the_plan_forgot() -> None:
    submitted = intent(STAGED, context=IntentContext(approval=True))
    reach = reach_of(STAGED, TOOLS, inventory_of([], Environment.STAGING), autonomy_of(STAGED))
    assert [one.rule for one in must_be_asked(STAGED, submitted, reach)] == ["safety.requested"]
    assert weighed(STAGED, submitted=submitted).requires_approval


def test_who_asked_for_a_person_is_not_served_by_a_word_given_beforehand() -> None:
    asked = intent(STAGED, context=IntentContext(approval=True))
    assert weighed(STAGED, submitted=asked).needs_look == "a person was asked for"
    header = STAGED.header.model_copy(update={"approval_requested": True})
    wished = STAGED.model_copy(update={"header": header})
    assert weighed(wished).needs_look == "a person was asked for"
    assert weighed(STAGED).needs_look == ""


def test_in_a_blocked_window_no_word_given_beforehand_lets_anything_go() -> None:
    found = weighed(STAGED, blocked=True)
    assert found.requires_approval
    assert found.needs_look == "nothing goes by itself at this time"


def test_what_cannot_be_taken_back_gets_a_person() -> None:
    made = plan(phase(step("web-00", WIPE)), environment=Environment.SANDBOX)
    found = weighed(made, level=3)
    assert found.requires_approval
    assert "safety.irreversible" in found.rules


# ---- reach --------------------------------------------------------------------------------------


def enumerated(answers: Sequence[JsonValue]) -> list[tuple[str, JsonValue]]:
    """Each the answer to a question of its own."""
    return [(f"kind {number}", answer) for number, answer in enumerate(answers)]


def reached(made: Plan, answers: Sequence[JsonValue] = (), **tools: ToolDescriptor) -> Any:
    seen = inventory_of(enumerated(answers), made.header.environment)
    return reach_of(made, TOOLS | tools, seen, autonomy_of(made))


def test_the_fleet_is_counted_by_the_inventory_and_not_by_the_plan() -> None:
    made = saying(canaried("web-01"), 1000)
    assert (reached(made).total, reached(made).counted) == (2, False)
    listed = {"assets": [{"id": f"web-{n:02}"} for n in range(40)]}
    assert (reached(made, [listed]).total, reached(made, [listed]).counted) == (40, True)
    fewer = saying(canaried("web-01"), 10)
    assert reached(fewer, [listed]).total == 10


def test_assets_of_another_environment_make_no_fleet_larger() -> None:
    made = canaried("web-01")
    rows = [{"id": f"x-{n}", "environment": "sandbox"} for n in range(500)]
    assert reached(made, [{"assets": rows}]).counted is False


def test_a_tool_that_does_not_say_how_far_it_reaches_reaches_everything() -> None:
    wide = PATCH.model_copy(update={"blast_radius": None})
    listed = {"assets": [{"id": f"web-{n:02}"} for n in range(40)]}
    far = reached(plan(phase(step("web-00", wide))), [listed], patch=wide)
    assert (far.assets, far.unbounded, far.percent) == (40, ("patch",), 100)


def test_the_registry_says_how_many_assets_one_call_changes() -> None:
    wide = PATCH.model_copy(update={"blast_radius": 7})
    assert reached(plan(phase(step("web-00", wide), step("web-01", wide))), patch=wide).assets == 14


@pytest.mark.parametrize(
    ("row", "critical", "unknown"),
    [
        ({}, 0, 1),
        ({"critical": False}, 0, 0),
        ({"critical": True}, 1, 0),
        ({"critical": "no"}, 0, 1),
        ({"dependents": 3}, 0, 0),
        ({"dependents": True}, 0, 1),
        ({"dependents": -1}, 0, 1),
    ],
)
def test_what_depends_on_an_asset_is_what_the_inventory_says(
    row: dict[str, JsonValue], critical: int, unknown: int
) -> None:
    far = reached(STAGED, [{"assets": [{"id": "web-00", **row}]}])
    assert (len(far.critical), len(far.unknown)) == (critical, unknown)


@pytest.mark.parametrize(
    ("versions", "golden", "percent"),
    [(["1", "1"], "1", 0), (["1", "2", "2"], "1", 67), ([None], "1", 100), (["1"], None, None)],
)
def test_drift_is_the_share_of_the_inventory_off_its_version(
    versions: list[str | None], golden: str | None, percent: int | None
) -> None:
    rows: list[JsonValue] = [{"id": f"a{n}", "version": one} for n, one in enumerate(versions)]
    answers: list[JsonValue] = [{"assets": rows}]
    if golden is not None:
        answers.append({"role": "web-server", "version": golden})
    assert inventory_of(enumerated(answers), Environment.STAGING).strayed_percent == percent


def test_a_task_that_is_planned_again_goes_by_what_was_seen_last() -> None:
    rows: list[JsonValue] = [{"id": "web-00", "version": "1"}]
    before: list[tuple[str, JsonValue]] = [
        ("inventory", {"assets": rows}),
        ("golden", {"version": "1"}),
    ]
    after: list[tuple[str, JsonValue]] = [*before, ("golden", {"version": "2"})]
    assert inventory_of(before, Environment.STAGING).strayed_percent == 0
    assert inventory_of(after, Environment.STAGING).strayed_percent == 100


# ---- the assessment -----------------------------------------------------------------------------


def test_the_assessment_says_what_it_was_made_of() -> None:
    made = canaried("web-01", "web-02")
    seen = inventory(40, critical=False)
    golden = found(
        {"role": "web-server", "version": "2"}, "get_golden_image", age=timedelta(minutes=1)
    )
    document = told(weighed(made, evidence=[seen, golden]))
    assert document["schema_name"] == "smartops.assessment.v2"
    assert document["plan_hash"] == made.hash()
    assert document["blast_radius"] | {} == document["blast_radius"]
    assert document["blast_radius"]["changed_assets"] == 3
    assert document["blast_radius"]["percent"] == 8
    assert document["risk"]["parts"]["drift"] == {
        "points": 100,
        "weight": 10,
        "why": "100 % of the inventory is off its version",
    }
    assert [one["tool"] for one in document["evidence"]] == ["query_assets", "get_golden_image"]
    assert document["evidence"][1]["age_ms"] == 60_000
    assert sum(
        document["quality_score"][name]
        for name in (
            "structural", "policy_compliance", "test_coverage", "operational_history",
            "human_review",
        )
    ) == document["quality_score"]["total"]  # fmt: skip
    assert {one["from"] for one in document["reasons"]} == {"safety", "plan", "gate"}


def test_it_says_what_would_have_to_change() -> None:
    wave = phase(
        *(patch(f"web-{n:02}", phase="wave") for n in range(1, 7)), name="Wave", checks=CHECKS
    )
    first = phase(patch("web-00", phase="canary"), name="Canary", checks=CHECKS)
    made = plan(first, wave, environment=Environment.STAGING)
    document = told(weighed(made, evidence=[inventory(20)], autonomy={"max_assets": 2}))
    wanted = "; ".join(document["changes_wanted"])
    for part in (
        "change at most 25 % at once (5 of 20); the largest phase changes 6",
        "change at most 2 assets, not 7",
        "attach an inventory that tells which assets are critical",
    ):
        assert part in wanted


# A plan without a summary is refused, whatever else it is.
WORDS = st.text(max_size=300).map(lambda words: f"It says: {words}")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given_any(summary=WORDS, goal=WORDS, boast=st.integers(0, 10**6))
def test_no_word_of_a_model_changes_a_score(summary: str, goal: str, boast: int) -> None:
    plain = canaried("web-01")
    header = plain.header.model_copy(
        update={"summary": summary or "x", "goal": goal, "total_assets": 200 + boast}
    )
    spoken = Plan(header=header, steps=plain.steps)
    seen = [inventory(20, critical=False)]
    before, after = told(weighed(plain, evidence=seen)), told(weighed(spoken, evidence=seen))
    for name in ("risk", "quality_score", "blast_radius", "approval"):
        assert after[name] == before[name]


def test_evidence_of_another_answer_is_no_rehearsal() -> None:
    """The kind is the planner's word; which tool answered is the log's."""
    rehearsed = PATCH.model_copy(update={"simulate": "dry_run"})
    made = plan(phase(step("web-00", rehearsed)), environment=Environment.STAGING)
    true = replace(found({"ok": True}, "dry_run"), kind=rehearsal_of(made.steps[0]))
    sly = replace(true, tool="look")
    tools = TOOLS | {rehearsed.name: rehearsed}
    document = told(weighed(made, tools=tools, evidence=[true]))
    assert (
        "5 of 5: every write was rehearsed" in document["quality_score"]["points"]["test_coverage"]
    )
    assert {one.stage for one in weighed(made, tools=tools, evidence=[sly]).problems} == {"policy"}
