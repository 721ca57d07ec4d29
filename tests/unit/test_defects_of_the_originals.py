"""Defects of the systems that this one takes after, each as a test that would show it again.

Every test's name names the defect; its docstring tells what the original did. Those that need real
servers are in `tests/e2e`: running work that a restart lost (`test_restart.py`), two runs at one
target (`test_execution.py`), approval by whoever the request body names (`test_forgeries.py`); and
in `tests/integration`: an event that could not be published was dropped, and had no id by which a
repeat is known (`test_bus_relay.py`). That production needed nobody from a score of 80 on is held
against the shipped modes (`test_policy_modes.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import ValidationError
from smartops.contracts.canonical import digest
from smartops.contracts.catalogue import EVENTS
from smartops.contracts.commands import ApprovalDecide, IntentSubmit, PlanEdit
from smartops.contracts.editing import ArgumentChange, Edit, Unfit, edited
from smartops.contracts.errors import Malformed
from smartops.contracts.events import (
    Approval,
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskCompleted,
    TaskEscalated,
    TaskFailed,
    TaskHealthChecked,
    TaskPhaseStarted,
    TaskPlanValidated,
    TaskRolledBack,
    TaskStarted,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus, GateView, RunView, evolve_run
from smartops.contracts.ids import actor_id, principal, run_id
from smartops.contracts.plan import Plan, Requester
from smartops.contracts.sampling import sample_tool
from smartops.contracts.subjects import Subjects
from smartops.contracts.watching import problems_of, watches_of
from smartops.contracts.wire import Check, Environment, EventData, JsonObject, Purpose, RiskLevel
from smartops.eventstore import StoredRow
from smartops.eventstore.chain import GENESIS, chain_hash
from smartops.policy.domain import Terms, Voter, decide_vote
from smartops.policy.gate.state import Gate
from smartops.policy.gate.state import evolve as evolve_gate
from smartops.policy.scoring.pipeline import check_rules
from smartops.policy_engine import RegorusEngine, default_bundle_path
from smartops.runner import domain
from smartops.runner.state import Run, evolve
from smartops.tool_gateway.checks import Denial, check_step
from support.given import given
from support.line_tools import through_the_log
from support.plans import CHECKS, TASK, phase, plan, step, tool
from support.registered import REGISTERED
from support.running import Line

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TERMS = Terms(approval_ttl=timedelta(hours=1), grant_ttl=timedelta(hours=4))
ASSESSMENT = digest(b"assessment")
TWO_PHASES = plan(
    phase(step("a"), name="canary", checks=CHECKS),
    phase(step("b"), name="wave", checks=CHECKS),
)


def begun(made: Plan = TWO_PHASES) -> Line:
    line = Line(made)
    line.start()
    return line


# ---- orchestration of language models -----------------------------------------------------------


@pytest.mark.parametrize("document", [b"{}", b'{"rule": "unknown"}', b"[]", b"null"])
def test_a_policy_that_does_not_answer_fails_open(document: bytes) -> None:
    """A policy was asked under a name that it does not have; no deny list meant yes."""
    engine = RegorusEngine.load(default_bundle_path())
    for entrypoint in ("plan", "tool_call", "approval"):
        assert not engine.decide(entrypoint, document).allow


def test_a_schema_of_unknown_name_passes() -> None:
    """A document that named an unknown schema was not checked at all."""
    document = TWO_PHASES.document().replace(b"smartops.plan.v1", b"smartops.plan.v9")
    with pytest.raises(Malformed):
        Plan.read(document, plan_hash=TWO_PHASES.hash())


def test_rollback_if_is_checked_for_being_there_and_never_evaluated() -> None:
    """Any text passed, and none was ever looked at while the plan ran."""
    words = plan(phase(step("a"), rollback_if="when people say so"))
    assert [problem.rule for problem in check_rules(words)] == ["plan.rollback_if"]
    line = begun(plan(phase(step("a"), rollback_if="error_rate > 1%")))
    line.applied("a")
    [sample] = line.waiting(Purpose.OBSERVE)
    line.answer(sample.call, CallStatus.SUCCEEDED, output={"results": {"a": 0.5}})
    [checked] = [e for e in line.past.history if isinstance(e, TaskHealthChecked)]
    assert (checked.condition, checked.outcome) == ("error_rate > 1%", "unhealthy")
    assert line.targets(Purpose.UNDO) == ["a"]


def test_later_phases_run_after_an_automatic_rollback_and_the_run_is_called_completed() -> None:
    """The loop over the phases went on after a rollback, to status completed."""
    line = begun()
    line.applied("a")
    line.samples(rates=False)
    line.applied("a")
    assert line.run.ended == "rolled_back"
    assert line.count(TaskPhaseStarted) == 1
    assert line.count(TaskCompleted) == 0
    assert {r.target for r in line.run.requests.values() if r.purpose is Purpose.DO} == {"a"}
    for timer in ("sample/0/2", "deadline/run/0", "retry/0/1", "window/1"):
        line.tick(timer).then_nothing()


@pytest.mark.parametrize(
    "check",
    [
        Check(type="http_200"),
        Check(type="error_rate", threshold="< 1%"),
        Check(type="latency_p99", threshold="< 500ms"),
        Check(type="custom_metric", threshold="< 1", name="queue", query="q"),
    ],
    ids=lambda check: check.type,
)
def test_check_types_of_the_schema_are_unknown_to_the_executor(check: Check) -> None:
    """The executor knew other types than the schema, so every error_rate check failed."""
    made, _ = phase(step("a"), checks=(check,), rollback_if="")
    [watch] = watches_of(made, None)
    asked = REGISTERED.get(sample_tool(watch))
    known = {*REGISTERED, "query_latency", "query_prometheus"}
    assert asked is not None or sample_tool(watch) in known
    assert problems_of(plan((made, (step("a"),)))) == []


def test_a_restart_loses_running_work() -> None:
    """Runs lived in the memory of a process; errors while saving them were ignored."""
    line = begun()
    states = [Run()]
    for event in line.past.history:
        states.append(evolve(states[-1], through_the_log(event)))
    line.applied("a")
    line.samples()
    again = given(Run(), evolve, *map(through_the_log, line.past.history)).state
    assert again == line.run, "another process knows as much from the log alone"
    [timer] = line.timers
    assert domain.tick(again, line.plan, timer, line.now).events, "and goes on where it stood"


# ---- events and approvals -----------------------------------------------------------------------


def test_the_rule_of_two_approvers_is_written_down_and_nobody_reads_it() -> None:
    """Schema, tables and policy knew it; the first approval let the plan run all the same."""
    ann, ben = (
        Approval(
            actor=actor_id("acme", name),
            actor_name=name,
            principal=name,
            authtype="local",
            actor_version=1,
        )
        for name in ("ann", "ben")
    )

    def votes(*people: Approval) -> list[type[EventData]]:
        gate = Gate(required=wanting_two(), validated=validated())
        said: list[type[EventData]] = []
        for who in people:
            vote = ApprovalDecide(
                task=TASK,
                plan_hash=TWO_PHASES.hash(),
                assessment_hash=ASSESSMENT,
                decision="approve",
            )
            voter = Voter(who.principal, "local", who.actor, who.actor_name, 1)
            for event in decide_vote(gate, TASK, vote, voter, TWO_PHASES, TERMS, NOW).events:
                gate = evolve_gate(gate, event)
                said.append(type(event))
        return said

    assert TaskApprovalGranted not in votes(ann)
    assert TaskApprovalGranted not in votes(ann, ann)
    assert TaskApprovalGranted in votes(ann, ben)


def test_the_chain_leaves_out_what_matters_and_is_ordered_by_a_clock() -> None:
    """Status and context were no part of the hash, and what came before was found by time.

    That no two writers find the same one is shown with a real database, in `concurrent-writers`.
    """
    row = StoredRow(
        position=1,
        tenant="acme",
        ordinal=1,
        stream="acme/task-1",
        version=1,
        event_id=TASK,
        topic="task.failed.v1",
        task=TASK,
        cause=None,
        party="-",
        state=b'{"status":"failed"}',
        hash=b"",
        recorded_at=NOW,
    )
    first = chain_hash(GENESIS, row)
    assert chain_hash(GENESIS, row._replace(state=b'{"status":"done"}')) != first
    assert chain_hash(GENESIS, row._replace(topic="task.completed.v1")) != first
    assert chain_hash(GENESIS, row._replace(position=2)) != first
    assert chain_hash(GENESIS, row._replace(recorded_at=NOW - timedelta(days=1))) == first


def wanting_two() -> TaskApprovalRequired:
    return TaskApprovalRequired(
        number=1,
        plan_hash=TWO_PHASES.hash(),
        document=digest(TWO_PHASES.document()),
        assessment_hash=ASSESSMENT,
        environment=Environment.PRODUCTION,
        summary="two must say so",
        risk_level=RiskLevel.CRITICAL,
        role="approver",
        roles=("approver",),
        quorum=2,
        requester="olga",
        reasons=(),
        expires_at=NOW + timedelta(hours=1),
    )


def validated() -> TaskPlanValidated:
    return TaskPlanValidated(
        number=1,
        plan_hash=TWO_PHASES.hash(),
        document=digest(TWO_PHASES.document()),
        assessment_hash=ASSESSMENT,
        rules=(),
        bundle=digest(b"bundle"),
        engine="regorus",
        requires_approval=True,
    )


def test_the_caller_approves_itself_by_a_field_of_its_request() -> None:
    """`context.approval.approved: true` in the request was taken for an approval."""
    with pytest.raises(ValidationError):
        IntentSubmit.model_validate(
            {"intent": "Fix drift", "context": {"approval": {"approved": True}}}
        )
    asked = IntentSubmit.model_validate({"intent": "Fix drift", "context": {"approval": True}})
    assert asked.context.approval, "to ask for a person is all that a requester can"


def test_a_task_starts_before_its_gate() -> None:
    """`task.started` was published ahead of the approval."""
    line = Line(TWO_PHASES)
    line.gate = GateView()
    line.start().then_nothing()
    assert line.count(TaskStarted) == 0
    request = ToolCallRequested(
        task=TASK,
        run=line.grant.run,
        call=UUID(int=7),
        purpose=Purpose.DO,
        tool="patch",
        version="1",
        target="a",
        question=TWO_PHASES.steps[0].id,
        attempt=1,
        phase=0,
        step=TWO_PHASES.steps[0].hash(),
    )
    denied = check_step(request, tool(), RunView(), GateView(), TWO_PHASES, line.now)
    assert isinstance(denied, Denial)


def test_an_action_that_failed_is_published_as_a_rejection() -> None:
    """`task.rejected` said that an action had failed, and `task.failed` that a person said no."""
    line = begun()
    line.failed("a")
    assert line.run.ended == "failed"
    assert line.count(TaskApprovalRejected) == 0
    assert (line.count(TaskFailed), line.count(TaskRolledBack)) == (1, 0)
    assert not issubclass(TaskApprovalRejected, TaskFailed)


def test_expiry_is_stored_and_never_enforced() -> None:
    """Tickets had an `expires_at` that nothing looked at."""
    line = begun()
    [request] = line.waiting()
    view = RunView()
    for event in line.past.history:
        view = evolve_run(view, event)
    at_the_end = line.grant.expires_at
    before = at_the_end - timedelta(seconds=1)
    gate, made = line.gate, line.plan
    assert not isinstance(check_step(request, tool(), view, gate, made, before), Denial)
    denied = check_step(request, tool(), view, gate, made, at_the_end)
    assert isinstance(denied, Denial)
    assert denied.code == "expired"
    assert TaskApprovalExpired.topic == "task.approval.expired"


# ---- tools and their gate -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        lambda grant: grant.model_copy(update={"run": run_id(TASK, 9, 9)}),  # type: ignore[arg-type]
        lambda grant: grant.model_copy(update={"grant": 9}),
        lambda grant: grant.model_copy(update={"plan_hash": "sha256:" + "0" * 64}),
    ],
    ids=["another run", "another grant", "another plan"],
)
def test_an_approval_only_has_to_be_there(spoil: Callable[..., object]) -> None:
    """An approval's id was checked for not being empty: not whether there was one, and for what."""
    line = begun()
    [request] = line.waiting()
    view = RunView()
    for event in line.past.history:
        view = evolve_run(view, event)
    other = GateView(grant=spoil(line.grant))  # type: ignore[arg-type]
    assert isinstance(check_step(request, tool(), view, other, line.plan, line.now), Denial)


@pytest.mark.parametrize("status", [CallStatus.FAILED, CallStatus.DENIED, CallStatus.UNCERTAIN])
def test_a_tool_that_failed_still_gives_a_completed_task(status: CallStatus) -> None:
    """The status was completed, whatever the tools had answered."""
    line = begun(plan(phase(step("a"), step("b"), sequential=True)))
    line.applied("a")
    [request] = line.waiting()
    line.answer(request.call, status, settles_by="human", error_code="refused")
    while undoing := line.waiting(Purpose.UNDO):
        line.answer(undoing[0].call, CallStatus.SUCCEEDED)
    assert line.count(TaskCompleted) == 0
    told = {CallStatus.FAILED: "rolled_back", CallStatus.UNCERTAIN: "escalated"}
    assert line.run.ended == told.get(status)
    if status is CallStatus.DENIED:
        assert line.run.paused is not None
    if status is CallStatus.UNCERTAIN:
        assert line.count(TaskEscalated) == 1


# ---- edits, tenants, and what is declared -------------------------------------------------------

ADA = Requester(principal="ada", authtype="local")


def test_the_reason_for_a_change_becomes_the_new_plan() -> None:
    """`modify` handed the reviewer's free text on as if it were a plan."""
    asked = PlanEdit(task=TASK, plan_hash=TWO_PHASES.hash(), reason="patch all of them at once")
    made = edited(TWO_PHASES, asked.edit, ADA, {"patch": tool()})
    assert isinstance(made, Unfit)
    assert "nothing would be different" in made.message


def test_a_patched_action_replaces_all_others_unlooked_at() -> None:
    """One changed action took the place of every proposed one, and nobody checked it."""
    number: JsonObject = {"type": "object", "properties": {"n": {"type": "integer"}}}
    used = tool().model_copy(update={"input_schema": number})
    before = plan(phase(step("a", used), step("b", used)))
    [one, other] = before.steps

    def change(value: int | str) -> Plan | Unfit:
        wanted = ArgumentChange(step=one.id, argument="n", value=value)
        return edited(before, Edit(changes=(wanted,)), ADA, {"patch": used})

    after = change(3)
    assert isinstance(after, Plan)
    assert [made.arguments.get("n") for made in after.steps] == [3, None]
    assert after.steps[1] == other, "byte for byte"
    assert isinstance(change("three"), Unfit)


@pytest.mark.parametrize("tenant", ["", "ACME corp"])
def test_without_a_tenant_work_is_taken_and_silently_not_stored(tenant: str) -> None:
    """No tenant meant no row, neither of the task nor of its ticket, and no word of it."""
    subjects = Subjects("smartops")
    told = subjects.command("acme", "intent.submit", 1, principal("local", "ada"), "x")
    with pytest.raises(Malformed):
        subjects.read_command(told.replace(".acme.", f".{tenant}."))


def test_events_are_declared_that_nobody_ever_says() -> None:
    """`task.planned` and `audit.appended` stood in the contract and in no code."""
    root = Path(__file__).parents[2]
    places = [*root.glob("services/*/src/**/*.py"), *root.glob("libs/runtime/src/**/*.py")]
    code = "\n".join(place.read_text(encoding="utf-8") for place in places)
    newest = {spec.data.topic: spec.data for spec in EVENTS.values()}
    for spec in EVENTS.values():
        if spec.data.schema_version > newest[spec.data.topic].schema_version:
            newest[spec.data.topic] = spec.data
    said = {topic for topic, data in newest.items() if f"{data.__name__}(" in code}
    assert set(newest) - said == set()
    assert {"task.planned", "audit.appended"} <= said
