"""The one status of a task, line by line."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from smartops.audit.read_models.status import ENDED, Status, next_status
from smartops.contracts.events import TaskEvidenceAttached, TaskFailed, TaskWaiting
from smartops.contracts.wire import EventData
from support.audit_histories import Story

_STORY = Story("acme", "status")


def _last(story: Story) -> EventData:
    return story.said[-1].events[-1]


def _failed(*, retryable: bool) -> TaskFailed:
    return TaskFailed(task=UUID(int=1), error_code="boom", message="it broke", retryable=retryable)


def _waiting() -> TaskWaiting:
    night = datetime(2026, 3, 1, 21, 0, tzinfo=UTC)
    return TaskWaiting(task=UUID(int=1), run=UUID(int=2), reason="not now", until=night)


def _story() -> Story:
    return Story("acme", "status")


S = Status
PLANNING = (S.QUEUED, S.RUNNING, S.NEEDS_APPROVAL)

TABLE: list[tuple[EventData, tuple[Status, ...], Status]] = [
    (_story().submitted().said[0].events[1], (S.QUEUED, S.RUNNING), S.RUNNING),
    (TaskEvidenceAttached.model_construct(evidence=()), (S.QUEUED, S.RUNNING), S.RUNNING),
    (_last(_story().planned()), (S.QUEUED, S.RUNNING), S.RUNNING),
    (_story().edited().said[-1].events[0], (S.NEEDS_APPROVAL,), S.RUNNING),
    (_story().superseded_event("stale"), (S.EXECUTING, S.PAUSED), S.RUNNING),
    (_last(_story().rejected_to_be_planned_anew()), (S.NEEDS_APPROVAL,), S.RUNNING),
    (_last(_story().refused()), PLANNING, S.FAILED_TERMINAL),
    (_last(_story().asked()), (*PLANNING, S.PAUSED, S.REJECTED), S.NEEDS_APPROVAL),
    (_story().granted_event(), (*PLANNING, S.PAUSED), S.EXECUTING),
    (_last(_story().rejected()), PLANNING, S.REJECTED),
    (_last(_story().expired()), PLANNING, S.FAILED_TERMINAL),
    (_last(_story().revoked()), (S.EXECUTING, S.PAUSED), S.PAUSED),
    (_last(_story().halted()), (*PLANNING, S.EXECUTING, S.PAUSED), S.ESCALATED_TO_HUMAN),
    (_story().started().said[1].events[0], (S.EXECUTING,), S.EXECUTING),
    (_story().stopping(), (S.EXECUTING, S.PAUSED), S.PAUSED),
    (_last(_story().paused()), (S.EXECUTING, S.PAUSED), S.PAUSED),
    (_waiting(), (S.EXECUTING, S.PAUSED), S.PAUSED),
    (_last(_story().resumed()), (S.PAUSED,), S.EXECUTING),
    (_last(_story().rolling_back()), (S.PAUSED, S.ESCALATED_TO_HUMAN), S.EXECUTING),
    (_last(_story().rolled_back()), (S.EXECUTING, S.ESCALATED_TO_HUMAN), S.ROLLED_BACK),
    (_last(_story().cancelled_by_the_runner()), (*PLANNING, S.EXECUTING), S.CANCELLED),
    (_last(_story().escalated()), (S.EXECUTING, S.PAUSED), S.ESCALATED_TO_HUMAN),
    (_story().completed().said[0].events[-1], (S.EXECUTING,), S.COMPLETED),
    (_failed(retryable=True), (S.RUNNING, S.EXECUTING), S.FAILED_RETRYABLE),
    (_failed(retryable=False), (S.RUNNING, S.EXECUTING), S.FAILED_TERMINAL),
]


@pytest.mark.parametrize(
    ("event", "origins", "to"), TABLE, ids=[type(event).__name__ for event, _, _ in TABLE]
)
def test_an_event_leads_from_its_origins_to_its_status(
    event: EventData, origins: tuple[Status, ...], to: Status
) -> None:
    assert {next_status(origin, event) for origin in origins} == {to}


def test_every_status_that_people_see_is_reached_by_something_that_is_said() -> None:
    assert {to for _, _, to in TABLE} | {S.QUEUED} == set(Status)


@pytest.mark.parametrize("status", [S.COMPLETED, S.ROLLED_BACK, S.CANCELLED])
def test_what_has_ended_for_good_stays_as_it_ended(status: Status) -> None:
    assert {next_status(status, event) for event, _, _ in TABLE} == {None}


def test_a_plan_refused_while_another_runs_does_not_fail_the_task() -> None:
    refused = _last(_story().refused())
    assert next_status(S.EXECUTING, refused) is None
    assert next_status(S.PAUSED, refused) is None


def test_a_stop_does_not_hide_that_a_person_was_called() -> None:
    assert next_status(S.ESCALATED_TO_HUMAN, _story().stopping()) is None
    assert next_status(S.ESCALATED_TO_HUMAN, _last(_story().paused())) is None


def test_a_run_goes_on_once_what_nobody_knew_is_settled() -> None:
    assert next_status(S.ESCALATED_TO_HUMAN, _last(_story().resumed())) is S.EXECUTING


def test_a_late_word_of_the_gate_does_not_restart_a_run() -> None:
    assert next_status(S.EXECUTING, _last(_story().asked())) is None
    assert next_status(S.EXECUTING, _last(_story().planned())) is None
    assert next_status(S.ESCALATED_TO_HUMAN, _story().granted_event()) is None


def test_waiting_for_a_person_is_no_end() -> None:
    assert S.ESCALATED_TO_HUMAN not in ENDED
    assert S.PAUSED not in ENDED
    assert S.NEEDS_APPROVAL not in ENDED


def test_an_event_of_no_importance_says_nothing() -> None:
    assert next_status(S.EXECUTING, _story().healthy()) is None
