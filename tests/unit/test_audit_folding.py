"""From a log to rows, without a database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest
from smartops.audit.adapters.cleaning import clean
from smartops.audit.folding import book_key, fold
from smartops.audit.read_models import ALL, FOLDED
from smartops.audit.read_models.actors import ACTORS
from smartops.audit.read_models.approvals import APPROVALS
from smartops.audit.read_models.book import Book
from smartops.audit.read_models.calls import CALLS
from smartops.audit.read_models.model import ReadModel
from smartops.audit.read_models.phases import PHASES
from smartops.audit.read_models.plans import PLANS
from smartops.audit.read_models.runs import RUNS
from smartops.audit.read_models.tasks import TASKS
from smartops.audit.read_models.unknown import UNKNOWN_TOPICS
from smartops.audit.reading import read
from smartops.contracts.canonical import digest
from smartops.contracts.catalogue import EVENTS
from smartops.contracts.events import AuditAppended
from smartops.contracts.wire import Purpose
from smartops.eventstore.rows import StoredRow
from support.audit_histories import OPERATOR, Story, log_of, many, ops_task

R = TypeVar("R", bound=tuple[Any, ...])

Books = dict[tuple[str, UUID | None], Book]


def folded(rows: Sequence[StoredRow], *, portion: int | None = None) -> Books:
    books: Books = {}
    for row in rows:
        for key in (book_key(row), (row.tenant, None)):
            books.setdefault(key, Book(*key))
    portion = portion or max(1, len(rows))
    for start in range(0, len(rows), portion):
        fold([read(row) for row in rows[start : start + portion]], books)
    return books


def everything(books: Books) -> dict[str, list[Any]]:
    return {
        model.name: sorted(row for book in books.values() for row in book.all(model))
        for model in ALL
    }


def the(books: Books, model: ReadModel[R]) -> R:
    (row,) = (row for book in books.values() for row in book.all(model))
    return row


def told(story: Story) -> Books:
    return folded(log_of([story]))


def begin(name: str = "t") -> Story:
    return Story("acme", name).submitted().planned()


def queued() -> Story:
    return begin().asked().approved()


def running() -> Story:
    return begin().asked().approved().started()


def back() -> Story:
    """Policy denied a step under way."""
    return running().denied(2).paused().came_back()


def test_a_plan_that_came_back_tells_why_and_keeps_its_run() -> None:
    books = told(back())
    assert the(books, TASKS).message == "stop it", "why it rests is hidden by the question"
    run = the(told(back().approved_again().resumed()), RUNS)
    assert (run.grant_number, run.phase_count, run.started_at is None) == (2, 1, False)


def test_what_came_back_waits_for_nobody_once_it_is_to_be_cancelled() -> None:
    """Though its run has yet to take back what it did, and may end with a person."""
    books = told(back().cancel_requested())
    assert the(books, APPROVALS).status == "cancelled"
    assert the(books, PLANS).state == "cancelled"
    books = told(running().cancel_requested())
    assert the(books, APPROVALS).status == the(books, PLANS).state == "approved"


def test_an_ops_task_is_folded_into_all_its_rows() -> None:
    rows = log_of([ops_task("acme", "done")])
    books = folded(rows)
    task = the(books, TASKS)
    assert (task.status, task.agent, task.task_type, task.risk_level) == (
        "completed",
        "noop",
        "drift",
        "medium",
    )
    assert (task.requester, task.requester_name) == (OPERATOR, "operator")
    assert (task.submitted_at, task.ended_at) == (rows[0].recorded_at, rows[-2].recorded_at)
    assert (task.last_position, task.updated_at) == (rows[-1].position, rows[-1].recorded_at)
    assert the(books, PLANS).state == "approved"
    approval = the(books, APPROVALS)
    assert (approval.status, approval.decided_by_names, approval.note) == (
        "approved",
        ("Ada",),
        "looks right",
    )
    run = the(books, RUNS)
    assert (run.status, run.phase_count, run.phases_completed) == ("completed", 1, 1)
    assert (run.steps_applied, run.calls, run.phase_name) == (3, 3, "canary")
    phase = the(books, PHASES)
    assert (phase.status, json.loads(phase.health)[0]["outcome"]) == ("completed", "healthy")
    calls = [call for book in books.values() for call in book.all(CALLS)]
    assert [call.status for call in calls] == ["succeeded"] * 3
    assert json.loads(calls[0].arguments or "") == {"target": "web-done", "retries": 1}
    assert (calls[0].rules, calls[0].grant_number) == (("granted",), 1)
    assert calls[0].requested_at is not None
    assert calls[0].ended_at is not None


@pytest.mark.parametrize("portion", [1, 3, 10])
def test_the_size_of_the_portions_does_not_matter(portion: int) -> None:
    rows = log_of(many("acme"))
    assert everything(folded(rows, portion=portion)) == everything(folded(rows))


def test_events_that_were_folded_before_change_nothing() -> None:
    rows = log_of(many("acme"))
    books = folded(rows)
    before = everything(books)
    fold([read(row) for row in rows], books)
    assert everything(books) == before


@pytest.mark.parametrize(
    ("story", "status", "plan", "approval", "run"),
    [
        (Story("acme", "t").submitted(), "running", None, None, None),
        (begin(), "running", "draft", None, None),
        (begin().refused(), "failed_terminal", "refused", None, None),
        (begin().asked(), "needs_approval", "awaiting_approval", "pending", None),
        (begin().asked().rejected(), "rejected", "rejected", "rejected", None),
        (begin().asked().expired(), "failed_terminal", "expired", "expired", None),
        (begin().asked().cancelled_at_the_gate(), "cancelled", "cancelled", "cancelled", None),
        (begin().asked().halted(), "escalated_to_human", "cancelled", "cancelled", None),
        (begin().asked().approved(), "executing", "approved", "approved", "queued"),
        (begin().let_run_by_itself(), "executing", "approved", "approved", "queued"),
        (queued().paused(), "paused", "approved", "approved", "paused"),
        (queued().paused().resumed(), "executing", "approved", "approved", "queued"),
        (queued().paused().resumed().started(), "executing", "approved", "approved", "executing"),
        (
            queued().halted().escalated(),
            "escalated_to_human",
            "approved",
            "approved",
            "escalated",
        ),
        (running(), "executing", "approved", "approved", "executing"),
        (running().failed(retryable=True), "failed_retryable", "approved", "approved", "failed"),
        (running().failed(), "failed_terminal", "approved", "approved", "failed"),
        (running().paused(), "paused", "approved", "approved", "paused"),
        (running().paused().resumed(), "executing", "approved", "approved", "executing"),
        (running().revoked(), "paused", "revoked", "revoked", "executing"),
        (queued().revoked(), "paused", "revoked", "revoked", "cancelled"),
        (queued().paused().revoked(), "paused", "revoked", "revoked", "cancelled"),
        (
            queued().revoked().cancel_requested().cancelled_by_the_runner(),
            "cancelled",
            "revoked",
            "revoked",
            "cancelled",
        ),
        (back(), "needs_approval", "awaiting_approval", "pending", "paused"),
        (back().approved_again(), "executing", "approved", "approved", "paused"),
        (back().approved_again().resumed(), "executing", "approved", "approved", "executing"),
        (back().revoked(), "paused", "revoked", "revoked", "paused"),
        (
            back().revoked().escalated(),
            "escalated_to_human",
            "revoked",
            "revoked",
            "escalated",
        ),
        (
            back().turned_down().rolling_back("cancelled").cancelled_by_the_runner(),
            "cancelled",
            "cancelled",
            "rejected",
            "cancelled",
        ),
        (running().rolling_back(), "executing", "approved", "approved", "rolling_back"),
        (
            running().rolling_back().rolled_back(),
            "rolled_back",
            "approved",
            "approved",
            "rolled_back",
        ),
        (
            running().cancel_requested().rolling_back("cancelled").cancelled_by_the_runner(),
            "cancelled",
            "cancelled",
            "approved",
            "cancelled",
        ),
        (
            running().halted().escalated(),
            "escalated_to_human",
            "approved",
            "approved",
            "escalated",
        ),
    ],
)
def test_plan_approval_and_run_follow_the_task(
    story: Story, status: str, plan: str | None, approval: str | None, run: str | None
) -> None:
    books = told(story)
    assert the(books, TASKS).status == status
    assert [p.state for b in books.values() for p in b.all(PLANS)] == ([plan] if plan else [])
    assert [a.status for b in books.values() for a in b.all(APPROVALS)] == (
        [approval] if approval else []
    )
    assert [r.status for b in books.values() for r in b.all(RUNS)] == ([run] if run else [])


def test_a_failure_says_why() -> None:
    task = the(told(begin().refused()), TASKS)
    assert (task.error_code, task.message) == ("plan_refused", "too_wide: a third of the fleet")
    task = the(told(begin().asked().rejected()), TASKS)
    assert (task.error_code, task.message) == ("rejected", "rejected by Ada: not today")
    task = the(told(begin().asked().expired()), TASKS)
    assert task.error_code == "approval_expired"
    task = the(told(running().failed()), TASKS)
    assert (task.error_code, task.message, task.ended_at is None) == ("step_refused", "no", False)
    run = the(told(running().failed()), RUNS)
    assert (run.reason, run.ended_at is None) == ("no", False)
    run = the(told(running().escalated()), RUNS)
    assert (run.reason, run.what_to_do, run.ended_at) == ("stuck", "look at the target", None)


def shown(story: Story) -> tuple[str, list[str], list[str]]:
    """Status of the task, states of its plans, statuses of its decisions."""
    books = told(story)
    [task] = [row for book in books.values() for row in book.all(TASKS)]
    plans = [row.state for book in books.values() for row in book.all(PLANS)]
    decisions = [row.status for book in books.values() for row in book.all(APPROVALS)]
    return task.status, plans, decisions


def test_an_edited_plan_is_superseded_and_the_task_waits_for_the_next_one() -> None:
    assert shown(begin().asked().edited()) == ("running", ["superseded"], ["superseded"])
    after = begin().asked().edited().planned(2)
    assert shown(after)[1] == ["superseded", "draft"]


def test_a_rejected_plan_that_is_wished_anew_leaves_the_task_running() -> None:
    story = begin().asked().rejected_to_be_planned_anew()
    assert shown(story) == ("running", ["rejected"], ["rejected"])


def test_a_plan_that_went_stale_is_superseded_with_its_grant_and_its_run_says_why() -> None:
    story = begin().asked().approved().gone_stale()
    assert shown(story) == ("running", ["superseded"], ["superseded"])
    [run] = [row for book in told(story).values() for row in book.all(RUNS)]
    assert run.status == "stale"
    assert "get_asset on web-01" in (run.reason or "")
    assert run.ended_at is not None


def test_a_plan_that_nobody_asked_for_changes_nothing_but_its_own_row() -> None:
    story = begin().asked().unasked()
    assert shown(story) == ("needs_approval", ["awaiting_approval", "refused"], ["pending"])


def test_a_plan_for_a_cancelled_task_is_cancelled_itself() -> None:
    books = told(Story("acme", "t").submitted().cancelled_at_the_gate().planned())
    assert (the(books, PLANS).state, the(books, TASKS).status) == ("cancelled", "cancelled")


def test_an_automatic_grant_has_an_approval_that_nobody_gave() -> None:
    approval = the(told(begin().let_run_by_itself()), APPROVALS)
    assert (approval.automatic, approval.decided_by, approval.quorum) == (True, (), None)
    assert (approval.summary, approval.requested_at) == ("Three steps", None)


def test_a_denied_call_tells_every_rule_and_the_bundle_and_grant_that_it_met() -> None:
    call = the(told(running().denied(1)), CALLS)
    assert (call.status, call.error_code, call.version) == ("denied", "denied", "1")
    assert (call.rules, call.message) == (("freeze", "night"), "a change freeze is on; it is night")
    assert (call.bundle, call.grant_number) == (digest(b"bundle"), 1)


def test_a_call_that_was_denied_before_that_was_noted_tells_what_it_can() -> None:
    call = the(told(running().denied_long_ago(1)), CALLS)
    assert (call.status, call.rules, call.message) == (
        "denied",
        ("freeze",),
        "a change freeze is on",
    )
    assert (call.bundle, call.grant_number) == (None, None)


def test_an_uncertain_call_stays_open_until_it_is_settled() -> None:
    story = running().dispatched(1).uncertain(1)
    call = the(told(story), CALLS)
    assert (call.status, call.send, call.ended_at) == ("uncertain", 1, None)
    assert call.dispatched_at is not None
    assert (call.settles_by, call.deadline is not None) == ("human", True)
    assert call.incarnation is not None
    call = the(told(story.settled_by_person(1, applied=False)), CALLS)
    assert (call.status, call.error_code) == ("settled", "not_applied")
    assert call.message == "settled by person: looked at it"
    assert (call.settles_by, call.settled_by, call.accept_double) == (None, "person", False)
    assert call.ended_at is not None


def test_an_escalated_run_and_its_phase_go_on_once_a_person_has_settled_what_was_open() -> None:
    story = running().dispatched(1).uncertain(1).escalated()
    books = told(story.settled_by_person(1, applied=True).resumed())
    assert (the(books, RUNS).status, the(books, PHASES).status) == ("executing", "executing")
    assert the(books, TASKS).status == "executing"


def test_phases_share_the_fate_of_the_run() -> None:
    assert the(told(running().rolling_back()), PHASES).status == "rolling_back"
    assert the(told(running().rolling_back().rolled_back()), PHASES).status == "rolled_back"
    assert the(told(running().escalated()), PHASES).status == "escalated"
    assert the(told(running().failed()), PHASES).status == "failed"
    assert the(told(running().cancelled_by_the_runner()), PHASES).status == "cancelled"


def test_health_samples_count_as_calls_but_not_as_steps() -> None:
    story = running()
    story.went_on(story.request(9, Purpose.OBSERVE))
    run = the(told(story), RUNS)
    assert (run.calls, run.steps_applied) == (2, 0)


def test_an_actor_is_replaced_as_a_whole() -> None:
    actor = the(told(Story("acme", "who").actor()), ACTORS)
    assert (actor.name, actor.principals, actor.disabled) == ("Olga Operator", (OPERATOR,), False)


def test_an_unknown_topic_is_counted_once_per_event() -> None:
    rows = [row._replace(topic="weather.changed.v1") for row in log_of([begin()])]
    books = folded(rows)
    fold([read(row) for row in rows], books)
    row = the(books, UNKNOWN_TOPICS)
    assert (row.topic, row.events, row.first_position, row.last_position) == (
        "weather.changed.v1",
        3,
        1,
        3,
    )


def test_every_projected_topic_is_a_fact_of_the_log() -> None:
    published = {spec.data for spec in EVENTS.values()}
    for model in FOLDED:
        assert set(model.reactions) <= published
        assert AuditAppended not in model.reactions


def test_all_times_but_deadlines_are_those_of_the_log() -> None:
    rows = log_of(many("acme"))
    day = timedelta(days=1)
    later = [row._replace(recorded_at=row.recorded_at + day) for row in rows]
    ours, theirs = everything(folded(rows)), everything(folded(later))
    seen = set()
    for model in ALL:
        for mine, other in zip(ours[model.name], theirs[model.name], strict=True):
            for column, value, moved in zip(model.columns, mine, other, strict=True):
                if isinstance(value, datetime) and column not in (
                    "expires_at",
                    "deadline",
                    "until",
                ):
                    assert moved - value == day
                    seen.add((model.name, column))
    assert len(seen) > 10


def test_what_the_database_cannot_hold_is_shown_as_such() -> None:
    task = the(told(Story("acme", "t").submitted("a\x00b")), TASKS)
    assert clean(TASKS, task).intent == "a\N{REPLACEMENT CHARACTER}b"
    assert clean(TASKS, task._replace(last_position=2**70)).last_position == 2**63 - 1
    call = the(told(running()), CALLS)._replace(output='{"k\\u0000":["\\u0000"]}')
    assert json.loads(clean(CALLS, call).output or "") == {"k�": ["�"]}
