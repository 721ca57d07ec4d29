"""Who may let a plan run: quorums, roles, voices for others, standing words, broken glass."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from smartops.contracts.bounds import Limits
from smartops.contracts.events import (
    StandingUsed,
    TaskApprovalEscalated,
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalReminded,
    TaskApprovalRequired,
    TaskBreakGlassUsed,
    TaskCancelRequested,
    TaskPlanRefused,
    TaskPlanValidated,
)
from smartops.contracts.ids import principal
from smartops.contracts.wire import Environment, EventData, RiskLevel
from smartops.policy import domain
from smartops.policy.gate.prompting import Moment, Schedule
from smartops.policy.gate.quorum import tally
from smartops.policy.gate.state import Gate, evolve
from smartops.policy.gate.voting import voice_of
from smartops.policy.mandates.offers import Standing, covers, evolve_standing
from smartops.runtime.decision import Refusal, SetTimer
from support.approvals import (
    NOW,
    TERMS,
    Person,
    breaking,
    given_word,
    offer_of,
    planned,
    required,
    validated,
    voting,
    weighed,
)
from support.given import Given, given
from support.plans import TASK, phase, plan, step

PLAN = plan()
ANA = Person("ana")
BEN = Person("ben")
CYD = Person("cyd")
DAN = Person("dan")
SUE = Person("sue", ("senior-approver",))
EVE = Person("eve", ())
DUTY = Person("dora", ("duty-manager",))
GLASS = Person("gus", ("break-glass",))


def asked(**fields: Any) -> Given[Gate]:
    """A plan waits for people."""
    return given(Gate(), evolve, validated(PLAN), required(PLAN, **fields))


def heard(history: Given[Gate], *people: Person, **fields: Any) -> Given[Gate]:
    """These said yes, one after the other."""
    for person in people:
        history = history.when(lambda gate, who=person: voting(gate, who.voter(**fields))).after
    return history


# --- Quorum and roles ---------------------------------------------------------------------------


def test_a_quorum_of_two_wants_two_people() -> None:
    once = asked(quorum=2).when(lambda gate: voting(gate, BEN.voter()))
    once.then(TaskApprovalRecorded)
    twice = once.after.when(lambda gate: voting(gate, CYD.voter()))
    granted = twice.then(TaskApprovalRecorded, TaskApprovalGranted).event(TaskApprovalGranted)
    assert [voice.actor for voice in granted.approvals] == [BEN.actor, CYD.actor]


def test_two_credentials_of_one_person_are_one_voice_however_often_they_speak() -> None:
    once = heard(asked(quorum=2), BEN)
    phone = BEN.voter(principal=principal("local", "bens-phone"))
    once.when(lambda gate: voting(gate, phone)).then_answered("recorded")
    strict = Limits(max_calls=1)
    closer = once.when(lambda gate: voting(gate, phone, limits=strict))
    closer.then(TaskApprovalRecorded)
    done = closer.after.when(lambda gate: voting(gate, CYD.voter()))
    granted = done.event(TaskApprovalGranted)
    assert [voice.actor for voice in granted.approvals] == [BEN.actor, CYD.actor]
    assert granted.envelope is not None
    assert granted.envelope.max_calls == 1, "what was said about limits holds, counted or not"


def test_who_agreed_until_a_time_counts_no_more_behind_it_and_may_say_so_again() -> None:
    half = Limits(expires_at=NOW + timedelta(minutes=30))
    later = NOW + timedelta(minutes=45)
    once = asked(quorum=2).when(lambda gate: voting(gate, BEN.voter(), limits=half)).after
    soon = once.when(lambda gate: voting(gate, CYD.voter()))
    assert soon.event(TaskApprovalGranted).expires_at == half.expires_at
    late = once.when(lambda gate: voting(gate, CYD.voter(), now=later))
    late.then(TaskApprovalRecorded)  # Or the grant would be over before it begins.
    again = late.after.when(lambda gate: voting(gate, BEN.voter(), now=later))
    granted = again.then(TaskApprovalRecorded, TaskApprovalGranted).event(TaskApprovalGranted)
    assert {voice.actor for voice in granted.approvals} == {BEN.actor, CYD.actor}
    assert granted.expires_at > later


def test_each_role_asked_for_must_be_held_by_one_of_the_voices() -> None:
    waiting = asked(quorum=2, roles=("approver", "senior-approver"))
    two = heard(waiting, BEN, CYD)
    assert two.state.grant is None, "two approvers, and no senior among them"
    two.when(lambda gate: voting(gate, SUE.voter())).then(TaskApprovalRecorded, TaskApprovalGranted)
    heard(waiting, SUE).when(lambda gate: voting(gate, BEN.voter())).then(
        TaskApprovalRecorded, TaskApprovalGranted
    )


def test_a_senior_approver_alone_is_two_roles_and_one_person() -> None:
    alone = heard(asked(quorum=2, roles=("approver", "senior-approver")), SUE)
    assert alone.state.grant is None


def test_a_voice_from_before_roles_were_noted_counts_as_what_it_was_let_through_for() -> None:
    before = voice_of(BEN.voter(), BEN.actor).model_copy(update={"roles": ()})
    assert tally(required(PLAN), (), [before]).reached
    assert not tally(required(PLAN, roles=("senior-approver",)), ("x",), []).reached


def test_who_edited_the_plan_cannot_approve_it_with_any_credential() -> None:
    editor = BEN.voter(principal=principal("local", "bens-phone"), editors=(BEN.actor,))
    asked().when(lambda gate: voting(gate, editor)).then_refused("four_eyes")


def test_whatever_is_recorded_of_somebody_with_a_hand_in_the_plan_is_not_counted() -> None:
    voices = [voice_of(who.voter(), who.actor) for who in (ANA, BEN)]
    count = tally(required(PLAN, quorum=2), (), voices, frozenset({ANA.actor}))
    assert [voice.actor for voice in count.counted] == [BEN.actor]
    assert count.missing == 1


# --- Speaking for somebody ----------------------------------------------------------------------


def test_a_voice_for_another_says_who_spoke_and_for_whom() -> None:
    decided = asked().when(lambda gate: voting(gate, EVE.voter(speaking_for=BEN)))
    granted = decided.then(TaskApprovalRecorded, TaskApprovalGranted).event(TaskApprovalGranted)
    [voice] = granted.approvals
    assert (voice.actor, voice.for_actor, voice.for_name) == (EVE.actor, BEN.actor, "ben")
    assert voice.roles == ("approver",)


def test_who_asked_cannot_get_round_four_eyes_by_handing_the_voice_over() -> None:
    asked().when(lambda gate: voting(gate, EVE.voter(speaking_for=ANA))).then_refused("four_eyes")


def test_nor_by_speaking_for_somebody_else() -> None:
    asked().when(lambda gate: voting(gate, ANA.voter(speaking_for=BEN))).then_refused("four_eyes")


def test_nor_can_who_edited() -> None:
    through = EVE.voter(speaking_for=BEN, editors=(BEN.actor,))
    asked().when(lambda gate: voting(gate, through)).then_refused("four_eyes")
    himself = BEN.voter(speaking_for=CYD, editors=(BEN.actor,))
    asked().when(lambda gate: voting(gate, himself)).then_refused("four_eyes")


def test_who_speaks_for_another_and_that_other_are_one_voice() -> None:
    waiting = asked(quorum=2)
    orders = (
        (EVE.voter(speaking_for=BEN), BEN.voter()),
        (BEN.voter(), EVE.voter(speaking_for=BEN)),
        (CYD.voter(), CYD.voter(speaking_for=BEN)),
        (CYD.voter(speaking_for=BEN), CYD.voter(speaking_for=DAN)),
    )
    for first, second in orders:
        history = waiting.when(lambda gate, who=first: voting(gate, who)).after
        outcome = history.when(lambda gate, who=second: voting(gate, who))
        assert TaskApprovalGranted not in map(type, outcome.events)


def test_two_pairs_of_people_are_two_voices() -> None:
    history = asked(quorum=2).when(lambda gate: voting(gate, EVE.voter(speaking_for=BEN))).after
    done = history.when(lambda gate: voting(gate, DAN.voter(speaking_for=CYD)))
    done.then(TaskApprovalRecorded, TaskApprovalGranted)


def test_who_was_handed_no_voice_is_told_so_by_field() -> None:
    nothing = Refusal("no_delegation", "ben has handed you no voice", "for_actor")
    refused = EVE.voter(speaking_for=BEN, refusal=nothing)
    asked().when(lambda gate: voting(gate, refused)).then_refused("no_delegation", "for_actor")


# --- Reminders and escalation -------------------------------------------------------------------


def prompting(history: Given[Gate], index: int, minutes: int) -> Any:
    """A prompt's timer fires."""
    now = NOW + timedelta(minutes=minutes)
    return history.when(lambda gate: domain.prompt(gate, f"prompt/1/{index}", now))


def test_nobody_decides_so_they_are_reminded_and_then_others_are_asked_besides() -> None:
    reminded = prompting(asked(quorum=2), 0, 31).then(TaskApprovalReminded)
    told = reminded.event(TaskApprovalReminded)
    assert (told.roles, told.voices, told.quorum) == (("approver",), 0, 2)
    assert (told.left_ms, told.late_ms) == (29 * 60_000, 60_000)
    assert [timer.name for timer in reminded.timers_set] == ["prompt/1/1"]
    escalated = prompting(heard(reminded.after, BEN), 1, 45).then(TaskApprovalEscalated)
    more = escalated.event(TaskApprovalEscalated)
    assert (more.role, more.roles) == ("duty-manager", ("approver", "duty-manager"))
    assert (more.voices, more.quorum, more.left_ms) == (1, 2, 15 * 60_000)
    assert escalated.timers_set == []


def test_an_escalation_adds_people_and_never_lowers_their_number() -> None:
    waiting = prompting(prompting(asked(quorum=2), 0, 30).after, 1, 45).after
    once = waiting.when(lambda gate: voting(gate, DUTY.voter()))
    once.then(TaskApprovalRecorded)
    once.after.when(lambda gate: voting(gate, DUTY.voter())).then_answered("recorded")
    done = once.after.when(lambda gate: voting(gate, BEN.voter()))
    done.then(TaskApprovalRecorded, TaskApprovalGranted)


def test_before_the_escalation_the_same_person_has_no_voice_that_counts() -> None:
    history = heard(asked(quorum=1), DUTY)
    assert history.state.grant is None


def test_a_prompt_that_comes_late_for_a_decided_plan_changes_nothing() -> None:
    waiting = prompting(asked(), 0, 30).after
    for history in (
        heard(waiting, BEN),
        waiting.when(lambda gate: voting(gate, BEN.voter(), "reject")).after,
        waiting.when(
            lambda gate: domain.expire(gate, "expiry/1", NOW, NOW + timedelta(hours=1))
        ).after,
        given(
            Gate(),
            evolve,
            *waiting.history,
            TaskCancelRequested(principal="op", reason="enough"),
        ),
    ):
        prompting(history, 1, 46).then_nothing()


def test_a_prompt_comes_once_in_its_turn_and_for_its_own_plan() -> None:
    waiting = asked()
    prompting(waiting, 1, 46).then_nothing()
    once = prompting(waiting, 0, 31).after
    prompting(once, 0, 32).then_nothing()
    waiting.when(lambda gate: domain.prompt(gate, "prompt/2/0", NOW)).then_nothing()


def test_a_prompt_after_the_time_is_up_is_left_to_the_expiry() -> None:
    prompting(asked(), 0, 60).then_nothing()
    late = NOW + timedelta(hours=1)
    expired = asked().when(lambda gate: domain.expire(gate, "expiry/1", late, late))
    expired.then(TaskApprovalExpired)
    # The timer that fired is the unit's trigger, which must not be named once more.
    assert expired.timers_cancelled == ["prompt/1/0"]


def test_what_was_decided_needs_no_prompt_any_more() -> None:
    done = asked().when(lambda gate: voting(gate, BEN.voter()))
    assert done.timers_cancelled == ["expiry/1", "prompt/1/0"]


def test_a_plan_is_put_before_people_with_all_that_will_be_said_meanwhile() -> None:
    decided = given(Gate(), evolve).when(
        lambda gate: domain.weigh(gate, TASK, planned(PLAN), PLAN, weighed(), TERMS, NOW)
    )
    told = decided.event(TaskApprovalRequired)
    assert [(one.kind, one.role) for one in told.prompts] == [
        ("remind", None),
        ("escalate", "duty-manager"),
    ]
    assert {timer.name for timer in decided.timers_set} == {"expiry/1", "prompt/1/0"}
    assert told.prompts[1].at == NOW + timedelta(minutes=45)


def test_a_role_that_the_plan_asks_for_anyway_is_no_step_up() -> None:
    schedule = Schedule.parse("", "senior-approver@0.5,duty-manager@PT30M")
    made = schedule.prompts(NOW, NOW + timedelta(hours=2), ("approver", "senior-approver"))
    assert [(one.role, one.at) for one in made] == [("duty-manager", NOW + timedelta(minutes=30))]


@pytest.mark.parametrize("text", ["0", "1", "1.5", "-0.1", "PT0S", "soon", "nan"])
def test_a_moment_is_a_fraction_or_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Moment.parse(text)


@pytest.mark.parametrize("chain", ["boss", "@0.5", "Boss@0.5", "boss@2"])
def test_a_step_up_names_a_role_and_a_moment(chain: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Schedule.parse("", chain)


def test_what_would_come_after_the_end_is_left_out() -> None:
    schedule = Schedule.parse("PT5H,0.9", "")
    [only] = schedule.prompts(NOW, NOW + timedelta(hours=1), ("approver",))
    assert only.at == NOW + timedelta(minutes=54)


# --- Standing words -----------------------------------------------------------------------------


def word(giver: Person = SUE, used: int = 0, **fields: Any) -> Standing:
    """A standing word for plans like ours."""
    told = given_word(giver, **fields)
    standing = evolve_standing(Standing(), told)
    for use in range(used):
        event = StandingUsed(
            standing=told.standing,
            use=use + 1,
            task=TASK,
            number=1,
            plan_hash=PLAN.hash(),
            grant=1,
            run=TASK,
        )
        standing = evolve_standing(standing, event)
    return standing


def test_a_plan_that_a_standing_word_covers_is_granted_by_it_and_counted() -> None:
    offer = offer_of(word(used=1), version=2)
    decided = given(Gate(), evolve).when(
        lambda gate: domain.weigh(gate, TASK, planned(PLAN), PLAN, weighed(), TERMS, NOW, offer)
    )
    decided.then(TaskPlanValidated, TaskApprovalRecorded, TaskApprovalGranted)
    granted = decided.event(TaskApprovalGranted)
    assert granted.standing == offer.given.standing
    assert not granted.automatic, "a person let it go, if beforehand"
    assert [voice.actor for voice in granted.approvals] == [SUE.actor]
    [write] = decided.decision.elsewhere
    assert (write.stream, write.expected) == (offer.stream, 2)
    [used] = write.events
    assert isinstance(used, StandingUsed)
    assert (used.use, used.run) == (2, granted.run)


def test_a_grant_by_a_standing_word_ends_with_it() -> None:
    soon = NOW + timedelta(minutes=10)
    offer = offer_of(word(until=soon), version=1)
    decided = given(Gate(), evolve).when(
        lambda gate: domain.weigh(gate, TASK, planned(PLAN), PLAN, weighed(), TERMS, NOW, offer)
    )
    assert decided.event(TaskApprovalGranted).expires_at == soon


def test_one_standing_word_is_no_quorum() -> None:
    offer = offer_of(word(), version=1)
    two = weighed(quorum=2)
    decided = given(Gate(), evolve).when(
        lambda gate: domain.weigh(gate, TASK, planned(PLAN), PLAN, two, TERMS, NOW, offer)
    )
    assert decided.then(TaskPlanValidated, TaskApprovalRequired).decision.elsewhere == ()
    assert covers(word(), PLAN, two, SUE.roles, NOW) == "2 people must agree"


def test_a_standing_word_does_not_stand_in_for_who_must_look() -> None:
    offer = offer_of(word(), version=1)
    looked_at = weighed(needs_look="a person was asked for")
    decided = given(Gate(), evolve).when(
        lambda gate: domain.weigh(gate, TASK, planned(PLAN), PLAN, looked_at, TERMS, NOW, offer)
    )
    assert decided.then(TaskPlanValidated, TaskApprovalRequired).decision.elsewhere == ()
    assert covers(word(), PLAN, looked_at, SUE.roles, NOW) == "a person was asked for"


def test_a_standing_word_covers_what_it_says_and_nothing_else() -> None:
    found = weighed()
    assert covers(word(), PLAN, found, SUE.roles, NOW) is None
    wide = plan(phase(*(step(f"web-{n}") for n in range(6))))
    foreign = {
        "it was taken back": covers(Standing(), PLAN, found, SUE.roles, NOW),
        "it is used up": covers(word(used=2), PLAN, found, SUE.roles, NOW),
        "it ended": covers(word(), PLAN, found, SUE.roles, NOW + timedelta(days=1)),
        "it is for plans of": covers(word(agent="drift"), PLAN, found, SUE.roles, NOW),
        "it is not for the tool": covers(word(tools=("other",)), PLAN, found, SUE.roles, NOW),
        "it is not for production": covers(
            word(environments=(Environment.STAGING,)), PLAN, found, SUE.roles, NOW
        ),
        "it is for 5 targets": covers(word(), wide, found, SUE.roles, NOW),
        "the risk is critical": covers(
            word(), PLAN, weighed(risk_level=RiskLevel.CRITICAL), SUE.roles, NOW
        ),
        "in production it needs": covers(word(), PLAN, found, BEN.roles, NOW),
        "who gave it is no auditor": covers(
            word(), PLAN, weighed(roles=("auditor",)), SUE.roles, NOW
        ),
    }
    for why, told in foreign.items():
        assert told is not None
        assert told.startswith(why)


# --- Breaking the glass -------------------------------------------------------------------------


def test_one_person_may_let_a_plan_run_alone_and_it_is_told_of_first() -> None:
    waiting = heard(asked(quorum=3), BEN)
    broken = waiting.when(lambda gate: breaking(gate, GLASS.voter()))
    broken.then(TaskBreakGlassUsed, TaskApprovalGranted)
    used, granted = broken.event(TaskBreakGlassUsed), broken.event(TaskApprovalGranted)
    assert granted.break_glass
    assert [voice.actor for voice in granted.approvals] == [GLASS.actor]
    assert (used.run, used.quorum) == (granted.run, 3)
    assert [voice.actor for voice in used.voices] == [BEN.actor]
    assert broken.timers_cancelled == ["expiry/1", "prompt/1/0"]
    broken.after.when(lambda gate: voting(gate, CYD.voter())).then_answered("granted")
    late = broken.after.when(lambda gate: voting(gate, CYD.voter(), "reject"))
    late.then_refused("decided")
    assert late.decision.refusal is not None
    assert "by gus by breaking the glass" in late.decision.refusal.message


def test_who_asked_may_break_the_glass() -> None:
    own = GLASS.voter(requester_actor=GLASS.actor)
    asked().when(lambda gate: breaking(gate, own)).then(TaskBreakGlassUsed, TaskApprovalGranted)


def test_the_glass_is_not_broken_by_whom_policy_denies_it_or_nobody_knows() -> None:
    denied = GLASS.voter(denials=("breaking the glass needs the role break-glass",))
    asked().when(lambda gate: breaking(gate, denied)).then_refused("forbidden")
    approver = BEN.voter()
    asked().when(lambda gate: breaking(gate, approver)).then_refused("forbidden")
    nobody = GLASS.voter(actor=None)
    asked().when(lambda gate: breaking(gate, nobody)).then_refused("unmapped")


def test_what_policy_refused_waits_for_nobody_so_there_is_no_glass_to_break() -> None:
    refusal: EventData = TaskPlanRefused.model_validate(
        {
            "number": 1,
            "plan_hash": PLAN.hash(),
            "problems": [{"stage": "policy", "rule": "r", "message": "m"}],
            "bundle": validated(PLAN).bundle,
            "engine": "regorus 1",
        }
    )
    refused = given(Gate(), evolve, refusal)
    refused.when(lambda gate: breaking(gate, GLASS.voter())).then_refused("not_found", "task")


def test_the_glass_does_not_open_what_was_rejected_cancelled_or_has_expired() -> None:
    no = asked().when(lambda gate: voting(gate, BEN.voter(), "reject")).after
    no.when(lambda gate: breaking(gate, GLASS.voter())).then_refused("decided")
    late = NOW + timedelta(hours=1)
    asked().when(lambda gate: breaking(gate, GLASS.voter(), now=late)).then_refused("expired")
    stopped = given(
        Gate(), evolve, *asked().history, TaskCancelRequested(principal="op", reason="enough")
    )
    stopped.when(lambda gate: breaking(gate, GLASS.voter())).then_refused("stopped")


def test_the_glass_is_broken_for_the_very_plan_that_was_seen() -> None:
    other = plan(phase(step("elsewhere")))
    seen = asked().when(lambda gate: breaking(gate, GLASS.voter(), made=other))
    seen.then_refused("stale", "plan_hash")


def test_timers_of_prompts_are_named_by_plan_and_place() -> None:
    timers = [
        timer
        for timer in domain.weigh(Gate(), TASK, planned(PLAN), PLAN, weighed(), TERMS, NOW).timers
        if isinstance(timer, SetTimer)
    ]
    assert [timer.handler for timer in timers] == ["policy.expiry", "policy.prompts"]
