"""When watching ends, and what short ids name."""

from __future__ import annotations

from uuid import UUID

import pytest
from smartops.contracts import events as e
from smartops.contracts.wire import EventData
from smartops.sdk.course import Course, follow
from smartops.sdk.effects import CANCEL, PAUSE, RESUME
from smartops.sdk.short_id import uuid_range
from support.sdk_story import RUN, TASK, Story

REJECTED = e.TaskApprovalRejected(
    number=1, plan_hash=Story().plan_hash, by=Story().voice(), then="archive"
)
HALTED = e.TaskHalted(principal="p", reason="stop", run=RUN)
CANCEL_ASKED = e.TaskCancelRequested(principal="p", reason="enough")
ESCALATED = e.TaskEscalated(task=TASK, run=RUN, reason="stuck", what_to_do="look")
COMPLETED = e.TaskCompleted(task=TASK, run=RUN, changed=1, calls=1)
CANCELLED = e.TaskCancelled(task=TASK, reason="enough")


def course_of(*said: EventData | None) -> Course:
    course = Course()
    for data in said:
        course = follow(course, data)
    return course


def test_a_good_task_waits_and_then_completes() -> None:
    story = Story().up_to_the_question()
    assert course_of(*(event.data for event in story.events)).waiting
    story.approved().started().phase(0).phase(1).completed()
    assert course_of(*(event.data for event in story.events)).outcome == "completed"


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (REJECTED, "rejected"),
        (e.TaskApprovalExpired(number=1, plan_hash=Story().plan_hash, late_ms=0), "rejected"),
        (e.TaskFailed(task=TASK, error_code="x", message="y", retryable=True), "failed_retryable"),
        (e.TaskFailed(task=TASK, error_code="x", message="y"), "failed_terminal"),
        (e.TaskRolledBack(task=TASK, run=RUN, reason="ill", undone=1), "rolled_back"),
        (CANCELLED, "cancelled"),
        (ESCALATED, "escalated_to_human"),
    ],
)
def test_each_end_has_its_outcome(data: EventData, outcome: str) -> None:
    assert course_of(data).outcome == outcome


def test_a_halt_ends_a_task_that_has_no_run() -> None:
    without = HALTED.model_copy(update={"run": None})
    assert course_of(without).outcome == "escalated_to_human"


def test_a_halt_of_a_run_begun_or_queued_ends_when_the_runner_says_so() -> None:
    assert course_of(HALTED).outcome is None
    assert course_of(HALTED, ESCALATED).outcome == "escalated_to_human"


def test_cancelling_an_escalated_run_sets_it_in_motion_again() -> None:
    assert course_of(ESCALATED, CANCEL_ASKED).outcome is None
    assert course_of(ESCALATED, CANCEL_ASKED, CANCELLED).outcome == "cancelled"


def test_a_cancel_that_came_too_late_does_not_wake_a_completed_task() -> None:
    assert course_of(COMPLETED, CANCEL_ASKED).outcome == "completed"


def test_an_event_of_a_newer_version_changes_nothing() -> None:
    assert course_of(None) == Course()


def test_an_effect_stands_until_it_is_undone() -> None:
    story = Story().started()
    paused = story.say(e.TaskPaused(task=TASK, run=RUN, reason="wait"))
    assert PAUSE.standing(story.events) == paused
    assert RESUME.standing(story.events) is None
    resumed = story.say(e.TaskResumed(task=TASK, run=RUN, principal="p"))
    assert PAUSE.standing(story.events) is None
    assert RESUME.standing(story.events) == resumed
    assert CANCEL.standing(story.events) is None


@pytest.mark.parametrize("text", ["3f2a", "3F2A91", "3f2a91c4-0000", str(TASK), TASK.hex])
def test_the_beginning_of_an_id_names_its_range(text: str) -> None:
    first, last = uuid_range(text)
    assert first <= TASK <= last


def test_a_whole_id_names_itself() -> None:
    assert uuid_range(str(TASK)) == (TASK, TASK)


def test_a_range_ends_where_the_next_beginning_begins() -> None:
    first, last = uuid_range("3f2a")
    assert first == UUID("3f2a0000-0000-0000-0000-000000000000")
    assert last == UUID("3f2affff-ffff-ffff-ffff-ffffffffffff")


@pytest.mark.parametrize("text", ["3f2", "", "web-01", "3f2a%", str(TASK) + "0"])
def test_what_names_no_task_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no task id|too short"):
        uuid_range(text)
