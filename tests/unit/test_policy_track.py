"""An agent's record: each outcome counts once, and the newest notes tell all of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from smartops.contracts.autonomy import ANY
from smartops.contracts.bounds import Limits
from smartops.contracts.events import AutonomyChanged, TrackNoted
from smartops.contracts.events.track import TrackOutcome
from smartops.contracts.folds import (
    AutonomyDefault,
    AutonomyView,
    TrackView,
    evolve_autonomy,
    evolve_track,
    track_stream,
)
from smartops.contracts.folds.track import COMPLETE_EVERY, MOST_REQUESTERS
from smartops.contracts.streams import parse_stream
from smartops.contracts.wire import Environment
from smartops.policy.agents.outcomes import Anomaly, Told, anomalous, drawn_closer, falls
from smartops.policy.agents.track import Outcome, TrackRecord, note, record_of
from smartops.policy.gate.bounds import envelope_of
from support.grants import grant_for
from support.plans import plan

NOW = datetime(2026, 11, 21, tzinfo=UTC)
WINDOW = 20
DEFAULT = AutonomyDefault(production=1, elsewhere=2)
KINDS: tuple[TrackOutcome, ...] = ("completed", "rolled_back", "failed", "escalated", "rejected")


def outcome(
    kind: TrackOutcome = "completed",
    *tools: str,
    day: int = 0,
    approved: bool = False,
    senior: bool = False,
    requester: str = "ana",
) -> Outcome:
    return Outcome(
        kind=kind,
        agent="drift",
        version="1.0.0",
        environment=Environment.STAGING,
        tools=frozenset(tools or ("restart",)),
        task=uuid4(),
        run=None if kind == "rejected" else uuid4(),
        requester=requester,
        approved=approved,
        senior=senior,
        at=NOW + timedelta(days=day),
    )


def noted(*outcomes: Outcome, view: TrackView | None = None) -> tuple[TrackView, list[TrackNoted]]:
    view = view or TrackView()
    notes = []
    for one in outcomes:
        notes.append(note(view, one, WINDOW))
        view = evolve_track(view, notes[-1])
    return view, notes


def test_an_agent_that_never_ran_has_no_record() -> None:
    assert record_of(TrackView(), ["restart"]) == TrackRecord()


def test_each_outcome_counts_in_its_own_column() -> None:
    view, _ = noted(*(outcome(kind, day=day) for day, kind in enumerate(KINDS)))
    assert record_of(view, ["restart"]) == TrackRecord(
        runs=4,
        succeeded=1,
        rolled_back=1,
        failed=1,
        escalated=1,
        rejected=1,
        last_run_at=NOW + timedelta(days=3),
    )


def test_a_run_that_people_approved_tells_when_and_whether_a_senior_did() -> None:
    view, _ = noted(
        outcome(approved=True, senior=True),
        outcome(approved=True, day=1),
        outcome(day=2),
        outcome("rejected", approved=True, day=3),
    )
    record = record_of(view, ["restart"])
    assert (record.approved, record.senior_approvals) == (2, 1)
    assert record.last_approved_at == NOW + timedelta(days=1)


def test_a_plan_is_as_proven_as_its_least_proven_tool() -> None:
    view, _ = noted(
        outcome("completed", "restart"),
        outcome("completed", "restart", "patch"),
        outcome("failed", "patch"),
    )
    assert record_of(view, ["restart"]).succeeded == 2
    assert record_of(view, ["restart", "patch"]).failed == 1
    assert record_of(view, ["restart", "drain"]).runs == 0
    assert record_of(view, []).runs == 3


def test_an_environment_counts_where_all_of_the_tools_succeeded() -> None:
    staging, _ = noted(outcome("completed", "restart"))
    sandbox, _ = noted(outcome("completed", "restart", "patch"))
    places = [(Environment.STAGING, staging), (Environment.SANDBOX, sandbox)]
    both = record_of(staging, ["restart", "patch"], places).environments_succeeded
    assert both == {Environment.SANDBOX}
    one = record_of(staging, ["restart"], places).environments_succeeded
    assert one == {Environment.SANDBOX, Environment.STAGING}


@drawn(
    st.lists(
        st.builds(
            outcome,
            st.sampled_from(KINDS),
            st.sampled_from(["restart", "patch", "drain"]),
            requester=st.sampled_from([f"p{n}" for n in range(MOST_REQUESTERS + 5)]),
        ),
        max_size=3 * COMPLETE_EVERY,
    )
)
def test_the_newest_notes_tell_what_all_of_them_tell(outcomes: list[Outcome]) -> None:
    view, notes = noted(*outcomes)
    short = TrackView()
    for one in notes[-COMPLETE_EVERY:]:
        short = evolve_track(short, one)
    assert short == view
    assert view.notes == len(outcomes)
    ends = [one for one in outcomes if one.kind != "rejected"]
    everything = record_of(view, [])
    assert everything.runs == len(ends)
    assert everything.rejected == len(outcomes) - len(ends)
    signs = "".join("+" if one.kind == "completed" else "-" for one in ends)
    assert view.recent == signs[-WINDOW:]
    assert len(view.requesters) <= MOST_REQUESTERS


def test_a_note_is_small_unless_it_is_complete() -> None:
    tools = [f"tool_{n}" for n in range(30)]
    _, notes = noted(*(outcome("completed", tools[n % 30]) for n in range(COMPLETE_EVERY + 1)))
    assert [one.complete for one in notes].count(True) == 2
    assert all(len(one.totals) == 2 for one in notes if not one.complete)
    assert len(notes[COMPLETE_EVERY].totals) == 31


def test_versions_of_an_agent_have_streams_of_their_own() -> None:
    name = track_stream("acme", "drift", "1.0.0+linux", Environment.STAGING)
    assert parse_stream(name).id == "drift/1.0.0_linux/staging"


# --- What an outcome takes away -------------------------------------------------------------


def told(kind: TrackOutcome | None) -> Told:
    return Told(kind, "so it was", uuid4(), plan(environment=Environment.STAGING))


def rules(kind: TrackOutcome | None, *, anomaly: bool = False) -> set[str]:
    found = falls(AutonomyView(), DEFAULT, told(kind), uuid4(), anomaly=anomaly)
    return {change.rule for change in found}


@pytest.mark.parametrize(
    ("kind", "anomaly", "rule"),
    [
        ("rolled_back", False, {"rollback"}),
        ("rolled_back", True, {"rollback"}),
        ("rejected", False, {"rejection"}),
        ("failed", False, set()),
        ("failed", True, {"anomaly"}),
        ("escalated", True, {"anomaly"}),
        ("completed", False, set()),
        ("completed", True, set()),
        (None, False, {"breach"}),
    ],
)
def test_what_an_outcome_costs(kind: TrackOutcome | None, anomaly: bool, rule: set[str]) -> None:  # noqa: FBT001
    assert rules(kind, anomaly=anomaly) == rule


def test_a_fall_names_what_happened_and_in_which_task() -> None:
    event, what = uuid4(), told("rolled_back")
    [change] = falls(AutonomyView(), DEFAULT, what, event, anomaly=False)
    assert (change.event, change.task) == (event, what.plan.header.task)
    assert (change.level, change.before, change.reason) == (1, 2, "so it was")


def test_a_run_that_met_the_limits_of_its_approvers_has_breached_nothing() -> None:
    made = plan(environment=Environment.STAGING)
    own, closer = envelope_of(made), envelope_of(made, [Limits(max_calls=1)])
    assert not drawn_closer(grant_for(made, envelope=own), made)
    assert drawn_closer(grant_for(made, envelope=closer), made)
    assert not drawn_closer(grant_for(made, envelope=None), made)


@drawn(st.lists(st.sampled_from([*KINDS, None]), max_size=30))
def test_no_outcome_ever_raises_a_level(kinds: list[TrackOutcome | None]) -> None:
    view, last = AutonomyView(), 2
    for kind in kinds:
        for change in falls(view, DEFAULT, told(kind), uuid4(), anomaly=True):
            assert isinstance(change, AutonomyChanged)
            assert change.before is not None
            assert change.level < change.before
            view = evolve_autonomy(view, change)
        levels = [c.level for c in view.said.values()]
        assert min(levels, default=2) <= last
        last = min(levels, default=2)


@pytest.mark.parametrize(
    ("recent", "found"),
    [
        ("", False),
        ("----", False),  # Too few to tell.
        ("-----", True),
        ("++++-", True),  # 80 %.
        ("+++++++++-", False),  # 90 %.
        ("-" * 5 + "+" * 20, False),  # Long ago.
    ],
)
def test_too_many_ends_without_success_are_an_anomaly(recent: str, found: bool) -> None:  # noqa: FBT001
    assert anomalous(recent, Anomaly(window=20, least=5, success_percent=90)) is found


def test_an_anomaly_is_held_against_the_agent_once() -> None:
    view, _ = noted(*(outcome("failed") for _ in range(5)))
    after = evolve_track(view, note(view, outcome("failed"), WINDOW, forget=True))
    assert after.recent == ""
    assert record_of(after, []).failed == 6


def test_the_record_of_everything_has_a_name_of_its_own() -> None:
    view, _ = noted(outcome())
    assert set(view.totals) == {ANY, "restart"}
    assert isinstance(view.totals[ANY].last_run_at, datetime)
