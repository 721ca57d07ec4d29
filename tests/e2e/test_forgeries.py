"""Whoever steals one credential, or the database's owner alters a plan: nothing unapproved runs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from smartops.contracts.bounds import Limits
from smartops.contracts.canonical import raw_digest
from smartops.contracts.catalogue import AUDIT, GATEWAY, PLANNER, POLICY, RUNNER, SERVICES
from smartops.contracts.commands import ApprovalDecide
from smartops.contracts.envelope import EventMeta, encode
from smartops.contracts.events import (
    DenialReason,
    TaskApprovalGranted,
    TaskApprovalRequired,
    TaskConditionChecked,
    TaskGrantRevoked,
    TaskPaused,
    TaskPhaseStarted,
    TaskStarted,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallDispatched,
    ToolCallRequested,
)
from smartops.contracts.ids import TaskId, call_id, event_id, run_id
from smartops.contracts.plan import Plan, Step
from smartops.contracts.streams import stream
from smartops.contracts.wire import EventData, Purpose
from smartops.devstack.stack import Stack
from smartops.eventstore import Committed, NewEvent, Trigger, Unit, Write
from smartops.eventstore.errors import CategoryForbidden
from smartops.runtime.recording import Cause, Recorder
from smartops.sdk.errors import Refused
from smartops.sdk.event import Event
from support.stacks import House, comes_true, house_at, intruder, store_of

# ---- on the bus, with a credential that may not ----------------------------------------------


@pytest.fixture(scope="module")
async def waiting(house: House) -> AsyncIterator[tuple[UUID, TaskApprovalRequired]]:
    """A task that awaits approval, and must still do so after whatever was tried on it."""
    task = await house.drift(*await house.take(1))
    yield task, await house.until(task, TaskApprovalRequired)
    assert (await house.approve(task)).approvals[0].actor_name == "ada"
    assert await house.outcome(task) == "completed"


def vote(task: UUID, required: TaskApprovalRequired) -> bytes:
    command = ApprovalDecide(
        task=task,
        plan_hash=required.plan_hash,
        assessment_hash=required.assessment_hash,
        decision="approve",
    )
    return command.model_dump_json().encode()


@pytest.mark.parametrize("credential", ["operator", "stranger", *SERVICES])
async def test_nobody_votes_on_the_subject_of_the_approver(
    house: House, waiting: tuple[UUID, TaskApprovalRequired], credential: str
) -> None:
    approver = house.stack.principals["approver"]
    subject = house.stack.subjects.command("acme", "approval.decide", 1, approver, "forged")

    async with house.without_effect(), intruder(house.stack, credential) as thief:
        complaint = await thief.publish(subject, vote(*waiting))

    assert complaint is not None
    assert "permissions violation" in complaint.lower()


@pytest.mark.parametrize(
    ("credential", "topic", "party"),
    [
        (RUNNER, "task.approval.granted", "-"),
        (PLANNER, "task.approval.granted", "-"),
        (GATEWAY, "task.approval.granted", "-"),
        (AUDIT, "task.planned", "-"),
        (POLICY, "tool.call.requested", "runner"),
        (POLICY, "tool.call.completed", "runner"),
        (RUNNER, "tool.call.completed", "runner"),
        ("operator", "task.approval.granted", "-"),
        ("approver", "task.approval.granted", "-"),
    ],
)
async def test_nobody_publishes_what_another_service_says(
    house: House, credential: str, topic: str, party: str
) -> None:
    subject = house.stack.subjects.event("acme", topic, 1, party, uuid4())

    async with house.without_effect(), intruder(house.stack, credential) as thief:
        complaint = await thief.publish(subject, b"{}")

    assert complaint is not None
    assert "permissions violation" in complaint.lower()


async def test_an_operator_sends_no_command_into_another_tenant(house: House) -> None:
    subject = house.stack.subjects.command(
        "globex", "intent.submit", 1, house.stack.principals["operator"], "forged"
    )

    async with house.without_effect(), intruder(house.stack, "operator") as thief:
        complaint = await thief.publish(subject, b'{"intent":"Fix drift on web servers"}')

    assert complaint is not None
    assert "permissions violation" in complaint.lower()


# ---- on the bus, with a credential that may, telling of what the log does not hold -----------


def granted(task: UUID, required: TaskApprovalRequired) -> TaskApprovalGranted:
    return TaskApprovalGranted(
        number=required.number,
        plan_hash=required.plan_hash,
        document=required.document,
        assessment_hash=required.assessment_hash,
        grant=1,
        run=run_id(TaskId(task), required.number, 1),
        environment=required.environment,
        automatic=True,
        approvals=(),
        bundle=required.plan_hash,
        expires_at=required.expires_at,
        envelope=None,
    )


def told_of(task: UUID, data: EventData, real: Event, **other: Any) -> bytes:
    """A well-formed message that is like that of a real event, but for what is given."""
    meta = EventMeta(
        id=real.id,
        tenant="acme",
        stream=real.stream,
        version=real.version,
        entity=str(task),
        task=task,
        cause=uuid4(),
        party="-",
        time=real.time,
    )
    return encode(replace(meta, **other), data)


@pytest.mark.parametrize(
    "lie",
    ["no such version", "another id", "another topic", "another category", "another tenant"],
)
async def test_a_grant_that_the_log_does_not_hold_is_given_up_and_starts_nothing(
    house: House, waiting: tuple[UUID, TaskApprovalRequired], lie: str
) -> None:
    task, required = waiting
    real = await house.event(task, TaskApprovalRequired)
    other: dict[str, dict[str, Any]] = {
        "no such version": {"id": uuid4(), "version": real.version + 1},
        "another id": {"id": uuid4()},
        "another topic": {},
        "another category": {"stream": stream("acme", "task", task)},
        "another tenant": {"stream": stream("globex", "gate", task)},
    }
    message = told_of(task, granted(task, required), real, **other[lie])
    version = TaskApprovalGranted.schema_version
    subject = house.stack.subjects.event("acme", TaskApprovalGranted.topic, version, "-", task)
    given_up = await house.given_up("runner-grants")

    async with house.without_effect(), intruder(house.stack, POLICY) as thief:
        assert await thief.publish(subject, message) is None

        async def dead() -> bool:
            return await house.given_up("runner-grants") == given_up + 1

        await comes_true(dead)


async def test_altered_copies_of_a_real_request_change_nothing(house: House) -> None:
    target, victim = await house.take(2)
    task = await house.patch(target)
    await house.until(task, TaskApprovalRequired)
    gateway = house.stack.services[GATEWAY].pid
    os.kill(gateway, signal.SIGSTOP)  # So that real request and copies come to it at once.
    try:
        await house.approve(task)
        real = await house.event(task, ToolCallRequested)
        assert isinstance(real.data, ToolCallRequested)
        assert real.data.purpose is Purpose.DO
        subject = house.stack.subjects.event("acme", real.data.topic, 1, RUNNER, real.data.call)
        message = json.loads(real.raw)
        async with intruder(house.stack, RUNNER) as thief:
            for altered in (
                {"target": victim},
                {"arguments": {"asset": target, "version": "6.6.6"}},
                {"arguments": {"asset": victim, "version": "6.6.6"}, "target": victim},
                {"tool": "restart_server"},
                {"call": str(uuid4()), "attempt": 2},
            ):
                forged = {**message, "data": {**message["data"], **altered}}
                assert await thief.publish(subject, json.dumps(forged).encode()) is None
    finally:
        os.kill(gateway, signal.SIGCONT)

    assert await house.outcome(task) == "completed"
    assert len(house.writes(target)) == 1
    assert house.writes(victim) == []
    assert await house.versions(target, victim) == ["2.4.1", "2.4.0"]


async def test_an_outcome_that_the_log_does_not_hold_settles_nothing(house: House) -> None:
    """The runner decides on the word of a message, so the append must compare it with the log."""
    (target,) = await house.take(1)
    task = await house.patch(target)
    await house.until(task, TaskApprovalRequired)
    gateway = house.stack.services[GATEWAY].pid
    os.kill(gateway, signal.SIGSTOP)  # So that nothing but lies comes from it.
    try:
        await house.approve(task)
        asked = await house.event(task, ToolCallRequested)
        assert isinstance(asked.data, ToolCallRequested)
        calls = stream("acme", "call", asked.data.call)
        lie = ToolCallDenied(
            call=asked.data.call,
            task=task,
            run=asked.data.run,
            requester=RUNNER,
            requester_stream=asked.stream,
            request=asked.id,
            purpose=Purpose.DO,
            tool=asked.data.tool,
            target=target,
            question=asked.data.question,
            reason_code="expired",
            reasons=(DenialReason(rule="gateway.grant", message="the grant has expired"),),
        )
        subject = house.stack.subjects.event(
            "acme", lie.topic, lie.schema_version, RUNNER, asked.data.call
        )
        elsewhere = lie.model_copy(update={"requester_stream": stream("acme", "run", uuid4())})
        # The first of the ids is the one that the true outcome will have.
        ids = [event_id(asked.id, calls, 0), uuid4(), uuid4()]
        given_up = await house.given_up("runner-calls")
        async with house.without_effect(), intruder(house.stack, GATEWAY) as thief:
            for ident, data in zip(ids, [lie, lie, elsewhere], strict=True):
                message = told_of(task, data, asked, id=ident, stream=calls, version=1)
                assert await thief.publish(subject, message) is None

            async def dead() -> bool:
                return await house.given_up("runner-calls") == given_up + len(ids)

            await comes_true(dead)
    finally:
        os.kill(gateway, signal.SIGCONT)

    assert await house.outcome(task) == "completed"
    assert len(house.writes(target)) == 1


# ---- in the log, with the password of a service ----------------------------------------------


@pytest.mark.parametrize(
    ("service", "category"),
    [
        (PLANNER, "gate"),
        (RUNNER, "gate"),
        (GATEWAY, "gate"),
        (GATEWAY, "run"),
        (POLICY, "run"),
        (POLICY, "task"),
        (RUNNER, "call"),
        (RUNNER, "bundle"),
        (PLANNER, "actor"),
        (PLANNER, "tool"),
    ],
)
async def test_no_service_writes_history_of_another(
    house: House, service: str, category: str
) -> None:
    event = NewEvent(uuid4(), "task.approval.granted.v1", None, None, "-", b"{}", None)
    unit = Unit([Trigger("any.handler", uuid4())], [Write(f"acme/{category}-x", 0, [event])])

    async with house.without_effect(), store_of(house.stack, service) as store:
        with pytest.raises(CategoryForbidden):
            await store.append(unit)


class HostileRunner:
    """Has the runner's password and key: what it appends is real history of a real run."""

    def __init__(self, house: House, started: TaskStarted, plan: Plan) -> None:
        self.house = house
        self.started = started
        self.plan = plan
        self.stream = stream("acme", "run", started.run)
        self._recorder = Recorder(RUNNER, house.stack.subjects)

    def request(self, of: Step, **other: Any) -> ToolCallRequested:
        """A request as the plan has it, but for what is given."""
        phases = self.plan.header.phases
        phase = next(n for n, phase in enumerate(phases) if of.hash() in phase.steps)
        question = other.get("question", of.id)
        attempt = other.get("attempt", 1)
        fields = {
            "task": self.started.task,
            "run": self.started.run,
            "call": call_id(self.stream, question, Purpose.DO, attempt),
            "purpose": Purpose.DO,
            "tool": of.tool,
            "version": of.version,
            "target": of.target,
            "question": of.id,
            "attempt": 1,
            "phase": phase,
            "step": of.hash(),
        }
        return ToolCallRequested.model_validate({**fields, **other})

    async def ask(self, request: ToolCallRequested) -> ToolCallDenied:
        """Append a request, tell of it, and see it denied."""
        head = await self.house.head()
        event = await self.say(request)
        denied: list[ToolCallDenied] = []

        async def answered() -> bool:
            said = await self.house.told(ToolCallDenied, after=head)
            denied.extend(one for one in said if one.request == event)
            return bool(denied)

        await comes_true(answered)
        return denied[0]

    async def say(self, data: EventData) -> UUID:
        """Append an event, and tell of it."""
        cause = Cause(Trigger("runner.calls", uuid4()), self.started.task)
        async with store_of(self.house.stack, RUNNER) as store:
            while True:  # The real runner writes here too.
                version = len(await store.read_stream(self.stream, 0))
                event = self._recorder.event(
                    self.stream, version + 1, data, cause, 0, store.db_now()
                )
                unit = Unit([cause.trigger], [Write(self.stream, version, [event])])
                if isinstance(await store.append(unit), Committed):
                    break
        assert event.subject is not None
        async with intruder(self.house.stack, RUNNER) as thief:
            assert await thief.publish(event.subject, event.state) is None
        return event.event_id


async def plan_of(house: House, plan_hash: str, document: str) -> Plan:
    async with store_of(house.stack, RUNNER) as store:
        return Plan.read(await store.blob("acme", raw_digest(document)), plan_hash=plan_hash)


async def test_a_hostile_runner_gets_nothing_out_that_was_not_approved(house: House) -> None:
    other = await house.staged("stage-granted")
    assert await house.outcome(other) == "completed"
    foreign = await house.until(other, ToolCallDispatched)
    first, second, victim = await house.take(3)
    task = await house.drift(first, second)
    await house.approve(task)
    await house.until(task, TaskPhaseStarted)
    await house.operator.pause(task, "to look at it")
    await house.until(task, TaskPaused)
    started = await house.until(task, TaskStarted)
    runner = HostileRunner(
        house, started, await plan_of(house, started.plan_hash, started.document)
    )
    canary, wave = runner.plan.steps
    unheard = canary.model_copy(update={"target": victim, "arguments": {"asset": victim}})
    before = house.record()

    async def reason(of: Step, **other: Any) -> str:
        return (await runner.ask(runner.request(of, **other))).reason_code

    again = {"attempt": 2}
    assert await reason(canary, **again, step=unheard.hash()) == "step_mismatch"
    assert await reason(canary, attempt=3, target=victim) == "step_mismatch"
    assert await reason(canary, attempt=4, tool="restart_server") == "step_mismatch"
    assert await reason(canary, attempt=5, question="canary/9-x/y") == "step_mismatch"
    assert await reason(canary, call=uuid4()) == "call_mismatch"
    assert await reason(wave) == "phase_order"
    assert await reason(canary, attempt=6, run=uuid4()) == "run_mismatch"
    assert await reason(wave, attempt=7, task=uuid4()) == "task_mismatch"
    assert await reason(wave, attempt=8, task=other) == "task_mismatch"
    read = {"purpose": Purpose.OBSERVE, "step": None, "call": uuid4(), "question": "0/http_200/0"}
    change = {"asset": victim, "version": "6.6.6"}
    assert await reason(canary, **read, target=victim, arguments=change) == "not_a_read"
    undo: dict[str, Any] = {"purpose": Purpose.UNDO, "step": None, "call": uuid4()}
    assert await reason(canary, **undo, target=victim, undoes=foreign.call) == "not_its_call"
    undo["call"] = uuid4()
    own = call_id(runner.stream, canary.id, Purpose.DO, 1)
    assert await reason(canary, **undo, undoes=own) == "call_mismatch"
    undo["question"] = f"undo/{canary.id}"
    undo["call"] = call_id(runner.stream, undo["question"], Purpose.UNDO, 1)
    assert await reason(canary, **undo, target=victim, undoes=own) == "undo_mismatch"

    assert house.record() == before
    assert house.writes(victim) == []
    await house.operator.halt(task, "the runner is not ours any more")
    assert await house.outcome(task) == "escalated_to_human"
    await house.shows(task, "escalated_to_human")  # Such history does not stop audit either.
    assert house.record() == before


async def test_a_runner_that_measures_nothing_or_says_otherwise_gets_no_step_out(
    house: House,
) -> None:
    [server] = await house.take(1)
    silent = {"mode": "fail_next", "operation": "metrics", "value": 3}
    await house.stack.ask_fleet("POST", "/admin/faults", silent)
    task = await house.drift(server)
    required = await house.until(task, TaskApprovalRequired)
    hashes = (required.plan_hash, required.assessment_hash)
    low = Limits(condition="error_rate < 0.5%")
    await house.approver.decide(task, *hashes, "approve", limits=low)
    await house.until(task, TaskPaused)
    [checked] = await house.told(TaskConditionChecked, task)
    assert checked.outcome == "unknown"
    started = await house.until(task, TaskStarted)
    plan = await plan_of(house, started.plan_hash, started.document)
    runner, step = HostileRunner(house, started, plan), plan.steps[0]

    unmeasured = await runner.ask(runner.request(step))
    assert unmeasured.reason_code == "not_measured"
    await runner.say(checked.model_copy(update={"outcome": "holds", "calls": (uuid4(),)}))
    made_up = await runner.ask(runner.request(step, attempt=2))
    assert made_up.reason_code == "not_measured"
    await runner.say(checked.model_copy(update={"outcome": "holds"}))
    failed = await runner.ask(runner.request(step, attempt=3))
    assert failed.reason_code == "not_measured"
    many = {"mode": "error_rate", "server": server, "value": 0.3}
    await house.stack.ask_fleet("POST", "/admin/faults", many)
    sample = runner.request(
        step,
        purpose=Purpose.OBSERVE,
        step=None,
        call=uuid4(),
        tool="query_error_rate",
        question="0/error_rate/9",
        arguments={"targets": [server]},
    )
    await runner.say(sample)

    async def answered() -> bool:
        return any(one.call == sample.call for one in await house.told(ToolCallCompleted, task))

    await comes_true(answered)
    await runner.say(checked.model_copy(update={"outcome": "holds", "calls": (sample.call,)}))
    lied = await runner.ask(runner.request(step, attempt=4))
    assert lied.reason_code == "outside_envelope"
    assert (await house.until(task, TaskGrantRevoked)).principal == "tool_gateway"
    assert house.writes(server) == []
    await house.operator.cancel(task, "the runner is not ours any more")
    assert await house.outcome(task) == "cancelled"


# ---- in the database, as its owner -----------------------------------------------------------


@pytest.fixture
async def doomed(tmp_path: Path) -> AsyncIterator[House]:
    """A house whose database is tampered with beyond repair."""
    async with house_at(tmp_path / "house", services=[s for s in SERVICES if s != AUDIT]) as house:
        yield house


async def alter_plans(stack: Stack, plans: dict[str, str], victim: str) -> None:
    """Name another target in plans, beneath the store, keeping them under their digests."""
    owner = await asyncpg.connect(stack.postgres.dsn())
    try:
        await owner.execute("alter table smartops_log.blobs disable trigger all")
        await owner.execute("alter table smartops_log.blobs alter column digest drop expression")
        # What is stored from now on gets its digest as ever.
        await owner.execute(
            "create function smartops_log.digested() returns trigger language plpgsql as "
            "$$ begin new.digest := sha256(new.content); return new; end $$"
        )
        await owner.execute(
            "create trigger digested before insert on smartops_log.blobs "
            "for each row execute function smartops_log.digested()"
        )
        for document, target in plans.items():
            digest = raw_digest(document)
            content = await owner.fetchval(
                "select content from smartops_log.blobs where digest = $1", digest
            )
            assert target.encode() in content
            await owner.execute(
                "update smartops_log.blobs set content = $2 where digest = $1",
                digest,
                content.replace(target.encode(), victim.encode()),
            )
    finally:
        await owner.close()


async def test_a_plan_altered_in_the_database_is_neither_begun_nor_carried_on(
    doomed: House,
) -> None:
    begun, unbegun, victim = await doomed.take(3)
    running, waiting = await doomed.patch(begun), await doomed.patch(unbegun)
    first = await doomed.until(running, TaskApprovalRequired)
    second = await doomed.until(waiting, TaskApprovalRequired)
    gateway = doomed.stack.services[GATEWAY].pid
    os.kill(gateway, signal.SIGSTOP)  # So that it has not read the plan when it is altered.
    try:
        await doomed.approve(running)
        await doomed.event(running, ToolCallRequested)
        plans = {first.document: begun, second.document: unbegun}
        await alter_plans(doomed.stack, plans, victim)
        await doomed.approve(waiting)
    finally:
        os.kill(gateway, signal.SIGCONT)

    denied = await doomed.until(running, ToolCallDenied)
    assert denied.reason_code == "plan_mismatch"
    await doomed.until(running, TaskPaused)  # A person has to look.

    async def given_up() -> bool:
        return await doomed.given_up("runner-grants") == 1

    await comes_true(given_up)
    assert await doomed.told(TaskStarted, waiting) == []
    assert await doomed.told(ToolCallDispatched) == []
    assert doomed.record() == []


# ---- as oneself ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credential", "why"),
    [
        ("operator", ("forbidden", "four_eyes")),
        ("operator-phone", ("forbidden", "four_eyes")),
        ("stranger", ("unmapped",)),
    ],
)
async def test_nobody_approves_what_they_asked_for_with_any_of_their_credentials(
    house: House,
    waiting: tuple[UUID, TaskApprovalRequired],
    credential: str,
    why: Sequence[str],
) -> None:
    task, required = waiting

    async with house.without_effect():
        with pytest.raises(Refused) as refused:
            await house.people[credential].decide(
                task, required.plan_hash, required.assessment_hash, "approve"
            )

    assert refused.value.code in why
