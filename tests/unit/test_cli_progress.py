"""A task told in lines."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC
from uuid import UUID, uuid5

from rich.console import Console
from smartops.contracts import events as e
from smartops.contracts.wire import Purpose
from smartops.sdk.cli.progress import Attachment, Line, Mark, Narrator, Progress, narrate
from smartops.sdk.errors import NotFound
from smartops.sdk.event import Event
from smartops.sdk.plan_card import PlanCard, card
from support.sdk_story import RUN, TASK, Story, make_plan


class Cards:
    """Hands out the story's card, or nothing."""

    def __init__(self, story: Story, *, behind: bool = False) -> None:
        self._story = story
        self._behind = behind

    async def card(self, task: UUID, plan_hash: str | None = None) -> PlanCard:
        if self._behind:
            raise NotFound("not projected yet")
        story = self._story
        return card(
            story.document,
            story.assessment,
            plan_hash=plan_hash or "",
            assessment_hash=story.assessment_hash,
        )


def shown(lines: list[Line]) -> list[str]:
    return [f"{line.mark:<4} {line.word}: {line.text}" for line in lines]


def told(story: Story) -> list[str]:
    return shown(narrate(story.events))


def _decide_on(card: PlanCard) -> str:
    return f"decide on {str(card.plan.header.task)[:4]}"


async def printed(story: Story, cards: Cards | None = None) -> str:
    written = io.StringIO()
    console = Console(file=written, width=100, highlight=False)
    with Progress(console, zone=UTC, hint=_decide_on) as progress:
        for event in story.events:
            await progress.show(event, cards)
    return written.getvalue()


def test_a_good_task_is_told_like_this() -> None:
    story = Story().up_to_the_question().approved().started().phase(0).phase(1).completed()
    assert told(story) == [
        "info submitted: Fix drift on production web servers (task 3f2a91c4, production)",
        "info understood: drift remediation by drift_agent 1.0.0, risk high, a person must approve",
        "info evidence: fleet.inventory: 5 of 5 web servers run 2.3.9, golden is 2.4.1",
        "info planned: plan 1: Bring 5 web servers to 2.4.1 (5 steps on 5 targets)",
        "wait approval: one approver must decide, risk high (plan.production)",
        "good approved: by approver: change 4711",
        "info started: 2 phases (canary, wave) on 5 claimed targets",
        "info phase: 1/2 canary: 1 step on web-01",
        "good phase: 1/2 canary done: 1 changed, healthy by http_200 (3 samples), 740 ms",
        "info phase: 2/2 wave: 4 steps on web-02, web-03, web-04 and 1 more",
        "good phase: 2/2 wave done: 4 changed, healthy by http_200 (3 samples), 920 ms",
        "good completed: 5 targets changed, 39 calls (23.7 s, 20 s of it waiting for people)",
    ]


def test_a_rollback_is_told_like_this() -> None:
    reason = "http_200 is unhealthy in phase canary"
    story = Story().up_to_the_plan().granted().started().phase(0, healthy=False).rolled_back()
    assert told(story)[4:] == [
        "good allowed: policy lets it run by itself (plan.autonomy)",
        "info started: 2 phases (canary, wave) on 5 claimed targets",
        "info phase: 1/2 canary: 1 step on web-01",
        "bad  unhealthy: http_200: 0 of 3 samples healthy",
        f"warn stopping: {reason}; then it rolls back",
        f"undo rollback: 1 change to take back, last change first: {reason}",
        f"undo rolled back: 1 change taken back: {reason} (2.9 s)",
    ]


def test_a_thousand_calls_are_a_handful_of_lines() -> None:
    story = Story(plan=make_plan(1000)).started().phase(0).phase(1, fail=500).completed()
    lines = told(story)
    assert sum("the server is busy" in line for line in lines) == 3
    assert "warn trouble: 497 further calls had trouble likewise" in lines
    assert len(lines) == 10


def test_the_status_counts_steps_then_samples() -> None:
    narrator, story = Narrator(), Story().started()
    statuses = []
    for event in story.phase(1).events:
        narrator.tell(event)
        statuses.append(narrator.status)
    assert "2/2 wave: 0 of 4 steps, 1 in flight" in statuses
    assert "2/2 wave: 3 of 4 steps" in statuses
    assert "2/2 wave: watching health, 2 samples" in statuses


def test_the_status_follows_the_task_from_evidence_to_its_end() -> None:
    narrator, story = Narrator(), Story().up_to_the_question()
    statuses = []
    for event in story.approved().completed().events:
        narrator.tell(event)
        statuses.append(narrator.status)
    assert list(dict.fromkeys(statuses)) == [
        "planning",
        "gathering evidence: 0 of 1 answers",
        "gathering evidence: 1 of 1 answers",
        "policy weighs the plan",
        "waiting for a decision",
        "starting",
        "",
    ]


def test_an_event_that_comes_twice_is_told_once() -> None:
    story = Story().up_to_the_plan()
    assert narrate([*story.events, *story.events]) == narrate(story.events)


def test_a_single_voice_is_told_by_its_decision_and_several_by_name() -> None:
    story = Story().up_to_the_question()
    required = story.events[-1].data
    assert isinstance(required, e.TaskApprovalRequired)
    two = required.model_copy(update={"quorum": 2})
    story.say(two)
    lines = told(story.approved("fine"))
    assert "wait approval: 2 people (approver) must decide, risk high (plan.production)" in lines
    assert lines[-2:] == ["info voice: approver says yes: fine", "good approved: by approver"]


def test_an_uncertain_call_says_what_settles_it() -> None:
    story = Story().started()
    call = story.call(Purpose.DO, "fleet.set_version", "web-01", outcome="uncertain")
    story.say(
        e.ToolCallSettled(
            call=call,
            task=TASK,
            requester="runner",
            requester_stream="s",
            applied=True,
            by="probe",
            note="version is 2.4.1",
        )
    )
    assert told(story)[1:] == [
        "warn uncertain: fleet.set_version on web-01: no answer in 5 s; a read will tell",
        "info settled: the uncertain call was applied: version is 2.4.1",
    ]


def test_an_escalation_says_what_is_to_be_done() -> None:
    story = Story()
    story.say(
        e.TaskEscalated(task=TASK, run=RUN, reason="undo failed", what_to_do="Look at web-01.")
    )
    assert told(story) == [
        "bad  escalated: a person must look: undo failed",
        "bad  to do: Look at web-01.",
    ]


def test_a_refused_plan_names_rules_and_paths() -> None:
    story = Story()
    problem = e.PlanProblem(
        stage="policy", rule="plan.canary", path="/header/phases/0", message="the canary is too big"
    )
    story.say(
        e.TaskPlanRefused(
            number=1,
            plan_hash=story.plan_hash,
            problems=(problem,) * 5,
            bundle=story.plan_hash,
            engine="regorus",
        )
    )
    assert told(story) == [
        *["bad  problem: plan.canary at /header/phases/0: the canary is too big"] * 3,
        "bad  problem: and 2 further ones",
        "bad  refused: policy does not allow this plan; nothing has run",
    ]


def test_an_event_of_a_newer_version_is_named_at_least() -> None:
    (event,) = Story().started().events
    newer = Event(
        **{
            **{name: getattr(event, name) for name in Event.__slots__},
            "id": uuid5(TASK, "newer"),
            "topic": "task.started.v9",
            "data": None,
        }
    )
    assert shown(narrate([newer])) == [
        "info news: task.started.v9, which a newer version of this command can tell"
    ]


def test_card_and_plan_are_asked_for_where_they_belong() -> None:
    story = Story().up_to_the_question()
    attached = [line.attachment for line in narrate(story.events) if line.attachment]
    assert attached == [Attachment("card", story.plan_hash)]
    by_itself = Story().up_to_the_plan().granted()
    attached = [line.attachment for line in narrate(by_itself.events) if line.attachment]
    assert attached == [Attachment("plan", by_itself.plan_hash)]


def test_each_mark_is_used_by_its_kind_of_fact() -> None:
    story = Story().up_to_the_question().approved().started().phase(0, healthy=False).rolled_back()
    assert {line.mark for line in narrate(story.events)} == set(Mark)


async def test_without_a_terminal_each_fact_is_one_plain_line() -> None:
    story = Story().up_to_the_question().approved().started().phase(0).phase(1).completed()
    lines = (await printed(story)).splitlines()
    assert lines[0] == (
        "09:30:00 · submitted    Fix drift on production web servers (task 3f2a91c4, production)"
    )
    assert len(lines) == 12
    assert not any("\x1b" in line for line in lines)


async def test_the_card_stands_below_the_question_with_a_hint() -> None:
    story = Story().up_to_the_question()
    text = await printed(story, Cards(story))
    assert text.index("must decide") < text.index("Plan 1 of task") < text.index("decide on 3f2a")


async def test_a_card_that_is_not_projected_yet_is_left_out() -> None:
    story = Story().up_to_the_question()
    assert "Plan 1 of task" not in await printed(story, Cards(story, behind=True))


async def test_a_card_that_does_not_verify_says_so_instead() -> None:
    story = Story().up_to_the_question()
    story.assessment = b"{}"
    text = await printed(story, Cards(story))
    assert "the plan is not shown" in text
    assert "What is decided on" not in text


async def test_a_terminal_shows_what_goes_on_and_leaves_facts_behind() -> None:
    written = io.StringIO()
    console = Console(file=written, width=60, force_terminal=True, color_system=None)
    story = Story().up_to_the_question()
    with Progress(console, zone=UTC) as progress:
        for event in story.events:
            await progress.show(event)
        await asyncio.sleep(0)
        with progress.quiet():
            console.print("a question")
    text = written.getvalue()
    assert "waiting for a decision" in text
    assert "a question" in text
    # The long line is continued below its words.
    assert "\n                        (task 3f2a91c4, production)" in text
