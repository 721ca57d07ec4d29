"""Each time a step is sent it is its turn: phase, batch and hours; also when an answer was lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from smartops.contracts.canonical import digest
from smartops.contracts.events import (
    CallFacts,
    Decided,
    TaskBatchCompleted,
    TaskPhaseStarted,
    TaskStarted,
    ToolCallDispatched,
    ToolCallRequested,
)
from smartops.contracts.folds import GateView, RunView, evolve_run
from smartops.contracts.ids import call_id
from smartops.contracts.maintenance import MaintenanceWindow
from smartops.contracts.plan import Plan
from smartops.contracts.streams import stream
from smartops.contracts.wire import Idempotence, Purpose
from smartops.eventstore.rows import TimerRow
from smartops.runtime.decision import Decision
from smartops.runtime.reactor import Reaction
from smartops.tool_gateway import domain
from smartops.tool_gateway.admission import Later
from smartops.tool_gateway.checks import Denial, Permit, check_step, out_of_turn
from smartops.tool_gateway.doubts import Doubts
from smartops.tool_gateway.ports import Unknown
from smartops.tool_gateway.resending import MAX_WAITS, waited
from smartops.tool_gateway.sending import Fuse
from smartops.tool_gateway.settling import Again, Found, read_back
from smartops.tool_gateway.state import Call, evolve
from smartops.tool_gateway.tools import Tool
from support.grants import GRANTED_AT, grant_for
from support.plans import TASK, TENANT, phase, plan, step, tool

NOON = GRANTED_AT
NIGHT = MaintenanceWindow(start="22:00", end="04:00", timezone="UTC")
DAY = MaintenanceWindow(start="08:00", end="14:00", timezone="UTC")
PATCH = tool()
IN_TWOS = plan(phase(*(step(f"web-{n}") for n in range(5)), batch=2))
KEY = UUID("33333333-3333-5333-8333-333333333333")
SILENCE = Unknown("no answer: the connection broke")


def asking(made: Plan, number: int) -> ToolCallRequested:
    """The runner's request for the so-manieth step, from 0, of the first phase."""
    wanted, run = made.steps[number], grant_for(made).run
    return ToolCallRequested(
        task=TASK,
        run=run,
        call=call_id(stream(TENANT, "run", run), wanted.id, Purpose.DO, 1),
        purpose=Purpose.DO,
        tool=wanted.tool,
        version=wanted.version,
        target=wanted.target,
        question=wanted.id,
        attempt=1,
        phase=0,
        step=wanted.hash(),
    )


def begun(made: Plan, batches: int = 0) -> RunView:
    """A run in its first phase, with so many batches behind it."""
    grant = grant_for(made)
    common = {"task": TASK, "run": grant.run}
    events = [
        TaskStarted.model_validate(
            {
                **common,
                "number": 1,
                "plan_hash": grant.plan_hash,
                "document": grant.document,
                "grant": 1,
                "environment": grant.environment,
                "phases": ("p",),
                "claims": made.targets(),
            }
        ),
        TaskPhaseStarted.model_validate(
            {**common, "phase": 0, "name": "p", "steps": 5, "targets": made.targets()}
        ),
        *(asking(made, number) for number in range(len(made.steps))),
        *(
            TaskBatchCompleted.model_validate(
                {**common, "phase": 0, "batch": batch, "steps": 2 * (batch + 1)}
            )
            for batch in range(batches)
        ),
    ]
    run = RunView()
    for event in events:
        run = evolve_run(run, event)
    return run


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_a_step_goes_out_with_its_batch_and_neither_before_nor_after(batches: int) -> None:
    run, gate = begun(IN_TWOS, batches), GateView(grant=grant_for(IN_TWOS))
    for number in range(5):
        found = check_step(asking(IN_TWOS, number), PATCH, run, gate, IN_TWOS, NOON)
        if number // 2 == batches:
            assert isinstance(found, Permit)
        else:
            assert isinstance(found, Denial)
            assert (found.code, found.rule) == ("batch_order", "gateway.batch_order")


def test_the_next_phase_begins_with_its_first_batch() -> None:
    run = begun(IN_TWOS, 2)
    following = TaskPhaseStarted(
        task=TASK, run=grant_for(IN_TWOS).run, phase=1, name="q", steps=1, targets=("web-9",)
    )
    assert (run.batch, evolve_run(run, following).batch) == (2, 0)


def facts_of(made: Plan, number: int = 0, purpose: Purpose = Purpose.DO) -> CallFacts:
    """What was recorded of the step's call."""
    wanted, grant = made.steps[number], grant_for(made)
    return CallFacts(
        task=TASK,
        run=grant.run,
        requester="runner",
        requester_stream=stream(TENANT, "run", grant.run),
        request=KEY,
        purpose=purpose,
        tool=wanted.tool,
        version=wanted.version,
        schema_digest=wanted.schema_digest,
        target=wanted.target,
        question=wanted.id,
        attempt=1,
        phase=0,
        step=wanted.hash(),
        arguments=wanted.arguments,
        plan_hash=grant.plan_hash,
        grant=1,
        policy=Decided(allow=True, rules=("r",), bundle=digest(b"b"), engine="none"),
    )


def of_hours(window: MaintenanceWindow) -> Plan:
    return plan(phase(step("web-1"), maintenance=window))


def told(made: Plan, run: RunView | None = None, **more: Any) -> str | None:
    gate = GateView(grant=grant_for(more.pop("granted", made)))
    return out_of_turn(
        more.pop("facts", facts_of(made)),
        gate,
        run or begun(made),
        more.pop("plan", made),
        more.pop("now", NOON),
    )


def test_what_is_still_in_its_turn_may_be_sent_again() -> None:
    assert told(IN_TWOS) is None
    assert told(IN_TWOS, begun(IN_TWOS, 1), facts=facts_of(IN_TWOS, 3)) is None
    assert told(of_hours(DAY)) is None


def test_what_is_not_is_not() -> None:
    assert told(of_hours(NIGHT)) == "changes may be made from 22:00 to 04:00 UTC, and not now"
    assert told(of_hours(DAY), now=NOON.replace(hour=14)) is not None
    assert "batch 1 is under way" in str(told(IN_TWOS, begun(IN_TWOS, 1)))
    assert "phase 0" in str(told(IN_TWOS, replace(begun(IN_TWOS), phase=1)))
    assert "taken back" in str(told(IN_TWOS, replace(begun(IN_TWOS), rolling_back=True)))
    assert "granted no longer" in str(told(IN_TWOS, granted=of_hours(DAY)))
    assert "granted no longer" in str(told(IN_TWOS, plan=None))
    foreign = facts_of(IN_TWOS).model_copy(update={"step": PATCH.digest()})
    assert "no such step" in str(told(IN_TWOS, facts=foreign))


def test_taking_back_is_owed_at_all_hours() -> None:
    assert told(of_hours(NIGHT), facts=facts_of(of_hours(NIGHT), purpose=Purpose.UNDO)) is None


# ---- what is then done with the call -----------------------------------------------------------

CALL = UUID("44444444-4444-5444-8444-444444444444")
BEFORE = {"value": "a"}


def lost(made: Plan, idempotence: Idempotence) -> Call:
    """The plan's first step, of which no answer came."""
    new = domain.Dispatch(
        facts=facts_of(made),
        idempotence=idempotence,
        key=KEY,
        incarnation=KEY,
        timeout=timedelta(seconds=5),
        before=BEFORE,
    )
    call = Call()
    for event in domain.dispatch(call, CALL, new, NOON, ()).events:
        call = evolve(call, event)
    for event in domain.conclude(call, CALL, 1, SILENCE, 1.0).events:
        call = evolve(call, event)
    return call


def test_what_was_read_back_as_not_applied_waits_for_its_turn_as_another_attempt() -> None:
    call = lost(IN_TWOS, Idempotence.PROBEABLE)
    found = Found("not_applied", "it is as it was before", dict(BEFORE))
    again = Again(
        incarnation=KEY,
        now=NOON + timedelta(minutes=1),
        timeout=timedelta(seconds=5),
        stop=None,
        compare_and_set=True,
        alive=False,
    )
    [sent] = read_back(call, CALL, "probe/1/1", found, again).events
    assert isinstance(sent, ToolCallDispatched)
    [settled] = read_back(
        call, CALL, "probe/1/1", found, replace(again, out_of_turn="not now")
    ).events
    told = settled.model_dump(include={"applied", "retry", "by"})
    assert told == {"applied": False, "retry": True, "by": "probe"}


class Sent:
    """In place of the sender: counts."""

    def __init__(self) -> None:
        self.times = 0

    async def light(self, limit: timedelta) -> Fuse:
        return Fuse.lit(KEY, limit)

    def send(self, *_: Any) -> None:
        self.times += 1


class Reacting:
    """In place of the reactor: decides on one call."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.timers: list[Any] = []
        self.folds = SimpleNamespace(load=self._load)

    async def _load(self, _name: str, **_: Any) -> Any:
        return SimpleNamespace(state=self.call)

    async def react(
        self, _name: str, _cause: Any, decide: Callable[[Call, bool], Awaitable[Decision]]
    ) -> Reaction:
        decision = await decide(self.call, False)  # noqa: FBT003 - as the reactor
        self.timers += decision.timers
        for event in decision.events:
            self.call = evolve(self.call, event)
        return Reaction.DONE


class Looking(Doubts):
    """One that reads back what it is told to."""

    async def _look(self, *_: Any) -> Found:
        return Found("not_applied", "it is as it was before", dict(BEFORE))


class Door:
    """In place of admission: lets out, or tells to come later, and counts what is given back."""

    def __init__(self, later: Later | None = None) -> None:
        self.later = later
        self.given_back: list[object] = []

    async def admit(self, *_: Any, again: bool) -> Later | Any:
        assert again
        return self.later or SimpleNamespace(done=self.given_back.append)


def doubts(
    call: Call, made: Plan, run: RunView, now: datetime, door: Door | None = None
) -> tuple[Doubts, Reacting, Sent]:
    """The part that clears lost answers up, over a log that holds just this."""

    def view(state: Any) -> Any:
        async def load(_name: str, **_: Any) -> Any:
            return SimpleNamespace(state=state, version=1)

        return SimpleNamespace(load=load)

    async def get(*_: Any) -> Plan:
        return made

    async def alive(_senders: Any) -> list[UUID]:
        return []

    service = SimpleNamespace(
        store=SimpleNamespace(db_now=lambda: now, alive=alive),
        views=SimpleNamespace(gate=view(GateView(grant=grant_for(made))), run=view(run)),
        plans=SimpleNamespace(get=get),
        cause_of_timer=lambda *_: None,
        carry_on=lambda *_: None,
    )
    compares = {"idempotence": Idempotence.PROBEABLE, "compare_and_set": True}
    probeable = call.dispatched and call.dispatched.idempotence is Idempotence.PROBEABLE
    described = PATCH.model_copy(update=compares) if probeable else PATCH
    patch = cast("Tool", SimpleNamespace(descriptor=described))
    registry = SimpleNamespace(get=lambda _name: patch)
    calls, sender = Reacting(call), Sent()
    door = door or Door()
    parts = (service, registry, calls, None, sender, door)
    return Looking(*cast("Any", parts)), calls, sender


def timer_called(name: str) -> TimerRow:
    found = SimpleNamespace(stream=f"acme/call-{CALL}", name=name, handler="h")
    return cast("TimerRow", found)


@pytest.mark.parametrize(("hour", "sends"), [(13, 1), (14, 0)])
async def test_a_lost_answer_is_asked_for_again_in_the_hours_of_its_step_only(
    hour: int, sends: int
) -> None:
    made, now = of_hours(DAY), NOON.replace(hour=hour)
    assert now < grant_for(made).expires_at
    cleared, calls, sender = doubts(lost(made, Idempotence.IDEMPOTENT), made, begun(made), now)
    await cleared.send_again(timer_called("retry/1"))
    assert sender.times == sends
    if not sends:
        assert calls.call.uncertain is not None
        assert calls.call.uncertain.next == "human"
        assert "changes may be made from 08:00 to 14:00 UTC" in calls.call.uncertain.reason


@pytest.mark.parametrize(("batches", "sends"), [(0, 1), (1, 0)])
async def test_nor_when_another_batch_is_under_way(batches: int, sends: int) -> None:
    run = begun(IN_TWOS, batches)
    cleared, calls, sender = doubts(lost(IN_TWOS, Idempotence.IDEMPOTENT), IN_TWOS, run, NOON)
    await cleared.send_again(timer_called("retry/1"))
    assert sender.times == sends
    assert (calls.call.uncertain is None) is bool(sends)


@pytest.mark.parametrize(("hour", "sends"), [(13, 1), (14, 0)])
async def test_what_was_read_back_is_sent_again_in_the_hours_of_its_step_only(
    hour: int, sends: int
) -> None:
    made, now = of_hours(DAY), NOON.replace(hour=hour)
    cleared, calls, sender = doubts(lost(made, Idempotence.PROBEABLE), made, begun(made), now)
    await cleared.read_back(timer_called("probe/1/1"))
    assert sender.times == sends
    if not sends:
        assert calls.call.settled is not None
        assert (calls.call.settled.applied, calls.call.settled.retry) == (False, True)


# ---- what a send needs once more ---------------------------------------------------------------

SILENT = Later("circuit_open", timedelta(seconds=4))
BUSY = Later("concurrency", timedelta(milliseconds=250))


@pytest.mark.parametrize("later", [SILENT, BUSY], ids=lambda later: later.reason)
@pytest.mark.parametrize(
    ("idempotence", "name"),
    [(Idempotence.IDEMPOTENT, "retry/1"), (Idempotence.PROBEABLE, "probe/1/1")],
)
async def test_a_silent_system_and_a_busy_tool_are_left_alone_by_what_is_sent_again(
    idempotence: Idempotence, name: str, later: Later
) -> None:
    cleared, calls, sender = doubts(
        lost(IN_TWOS, idempotence), IN_TWOS, begun(IN_TWOS), NOON, Door(later)
    )
    clear = cleared.send_again if idempotence is Idempotence.IDEMPOTENT else cleared.read_back
    await clear(timer_called(f"{name}~2"))
    [again] = calls.timers
    assert (again.name, again.handler) == (f"{name}~3", "h")
    assert again.due >= later.wait
    assert sender.times == 0
    assert calls.call.uncertain is not None
    assert calls.call.uncertain.next != "human"


async def test_who_waited_for_a_silent_system_for_long_enough_is_left_to_a_person() -> None:
    cleared, calls, sender = doubts(
        lost(IN_TWOS, Idempotence.IDEMPOTENT), IN_TWOS, begun(IN_TWOS), NOON, Door(SILENT)
    )
    await cleared.send_again(timer_called(f"retry/1~{MAX_WAITS}"))
    assert sender.times == 0
    assert calls.call.uncertain is not None
    assert calls.call.uncertain.next == "human"
    assert "did not answer for long" in calls.call.uncertain.reason


@pytest.mark.parametrize("idempotence", [Idempotence.IDEMPOTENT, Idempotence.PROBEABLE])
async def test_what_was_taken_for_a_send_that_is_not_made_is_given_back(
    idempotence: Idempotence,
) -> None:
    made, door = of_hours(NIGHT), Door()
    cleared, _, sender = doubts(lost(made, idempotence), made, begun(made), NOON, door)
    if idempotence is Idempotence.IDEMPOTENT:
        await cleared.send_again(timer_called("retry/1"))
    else:
        await cleared.read_back(timer_called("probe/1/1"))
    assert sender.times == 0
    assert door.given_back == [None]


def test_a_timer_tells_how_often_it_was_put_off() -> None:
    assert waited("probe/1/2") == ("probe/1/2", 0)
    assert waited("probe/1/2~10") == ("probe/1/2", 10)
