"""What became of an agent's work so far: noted by outcome, asked for by scores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from smartops.contracts.autonomy import ANY
from smartops.contracts.events import TrackNoted, TrackTotals
from smartops.contracts.events.track import RECENT, TrackOutcome
from smartops.contracts.folds import TrackView, evolve_track, track_stream
from smartops.contracts.folds.track import COMPLETE_EVERY, lately
from smartops.contracts.wire import Environment
from smartops.eventstore.folds import Folded
from smartops.runtime.reactor import Reactor
from smartops.runtime.service import Service

__all__ = ["ENDS", "Outcome", "TrackRecord", "Tracks", "note", "record_of", "track_reactor"]

ENDS: frozenset[TrackOutcome] = frozenset({"completed", "rolled_back", "failed", "escalated"})
"""Outcomes of a run, not of a plan."""

STALE_AFTER = timedelta(seconds=5)
"""What other processes noted may be missing for so long. Scores may be that old: what an outcome
takes away at once is the agent's level, and that is a read condition of every automatic grant."""

_NOTHING = {
    "runs": 0,
    "succeeded": 0,
    "rolled_back": 0,
    "failed": 0,
    "escalated": 0,
    "rejected": 0,
    "approved": 0,
    "senior_approvals": 0,
}


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """An agent's past with a set of tools in one environment: that of its least proven tool."""

    runs: int = 0
    """Ends of runs; one that went on after an escalation ended twice."""
    succeeded: int = 0
    rolled_back: int = 0
    failed: int = 0
    escalated: int = 0
    rejected: int = 0
    """Plans that people turned down."""
    approved: int = 0
    """Runs that ended under a person's approval."""
    last_run_at: datetime | None = None
    last_approved_at: datetime | None = None
    environments_succeeded: frozenset[Environment] = frozenset()
    """Where each of the tools has been part of a run that succeeded."""
    senior_approvals: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a plan or its run."""

    kind: TrackOutcome
    agent: str
    version: str
    environment: Environment
    tools: frozenset[str]
    """Those that the plan writes with."""
    task: UUID
    run: UUID | None
    requester: str
    approved: bool
    """People approved it; else it ran by itself, or was turned down."""
    senior: bool
    """One of them as a senior approver."""
    at: datetime
    """When it was noted."""


def note(view: TrackView, outcome: Outcome, window: int, *, forget: bool = False) -> TrackNoted:
    """The note of an outcome, with the totals it leads to. Pure.

    Args:
        view: the record so far.
        outcome: what happened.
        window: how many ends of runs are remembered one by one.
        forget: begin these anew, as an anomaly was seen in them.
    """
    touched = {tool: _after(view, tool, outcome) for tool in (ANY, *sorted(outcome.tools))}
    number = view.notes + 1
    complete = number % COMPLETE_EVERY == 1
    told = {**view.totals, **touched} if complete else touched
    return TrackNoted(
        agent=outcome.agent,
        agent_version=outcome.version,
        environment=outcome.environment,
        number=number,
        outcome=outcome.kind,
        task=outcome.task,
        run=outcome.run,
        requester=outcome.requester,
        totals=tuple(told.values()),
        complete=complete,
        recent="" if forget else recent_after(view.recent, outcome.kind, window),
        requesters=lately(view.requesters, outcome.requester) if complete else (),
    )


def recent_after(recent: str, kind: TrackOutcome, window: int) -> str:
    """The last ends of runs with one more."""
    if kind not in ENDS:
        return recent
    return (recent + ("+" if kind == "completed" else "-"))[-min(window, RECENT) :]


def record_of(
    view: TrackView, tools: Iterable[str], elsewhere: Iterable[tuple[Environment, TrackView]] = ()
) -> TrackRecord:
    """The record of a set of tools: that of the one with the worst rate, or the fewest runs. Pure.

    Without tools, of all the agent's work.

    Args:
        view: of the environment asked about.
        tools: the tools.
        elsewhere: environments with their records, for where the tools have succeeded.
    """
    names = tuple(tools) or (ANY,)
    worst = min((_told(view, name) for name in names), key=_proven)
    return TrackRecord(
        **{name: getattr(worst, name) for name in _NOTHING},
        last_run_at=worst.last_run_at,
        last_approved_at=worst.last_approved_at,
        environments_succeeded=frozenset(
            where for where, there in elsewhere if all(_told(there, n).succeeded for n in names)
        ),
    )


def track_reactor(service: Service) -> Reactor[TrackView]:
    """The reactor on which outcomes are noted: it reads the newest notes only."""
    return service.reactor(TrackView(), evolve_track, newest=COMPLETE_EVERY)


class Tracks:
    """Answers what became of an agent's work.

    Args:
        service: whose loop tells the time.
        notes: where this process notes outcomes; what it noted itself is never missing.
    """

    def __init__(self, service: Service, notes: Reactor[TrackView]) -> None:
        self._service = service
        self._folds = notes.folds
        self._read_at: dict[str, datetime] = {}

    async def of(
        self,
        tenant: str,
        agent: str,
        version: str,
        tools: frozenset[str],
        environment: Environment,
        *,
        fresh: bool = False,
    ) -> tuple[TrackRecord, tuple[tuple[str, int], ...]]:
        """The record of these tools, and no versions that the answer would stand or fall with.

        Outcomes come all the time: were a grant to rest on them, it would never be given.

        Args:
            tenant: whose agent.
            agent: its name.
            version: its version; another version has another record.
            tools: those that the plan writes with.
            environment: where.
            fresh: read what other processes noted until now.
        """
        places = tuple(Environment)
        names = [track_stream(tenant, agent, version, place) for place in places]
        folded = await self._read(names, fresh=fresh)
        by_place = {place: one.state for place, one in zip(places, folded, strict=True)}
        return record_of(by_place[environment], tools, by_place.items()), ()

    async def view(self, name: str, *, fresh: bool = False) -> TrackView:
        """One stream's record, at most `STALE_AFTER` behind other processes."""
        return (await self._read([name], fresh=fresh))[0].state

    async def _read(self, names: list[str], *, fresh: bool) -> list[Folded[TrackView]]:
        """The folds; read on if that is wished, or one of them was not read for too long."""
        now = self._service.store.db_now()
        since = (now - self._read_at[name] if name in self._read_at else None for name in names)
        if not fresh and all(age is not None and age <= STALE_AFTER for age in since):
            return await self._folds.load_all(names, fresh=False)
        folded = await self._folds.load_all(names, fresh=True)
        # Noted once it was read: whoever asks meanwhile would be told what may be much older.
        for name in names:
            self._read_at[name] = now
            if len(self._read_at) > _MOST_REMEMBERED:
                self._read_at.pop(next(iter(self._read_at)))
        return folded


_MOST_REMEMBERED = 4000


def _told(view: TrackView, tool: str) -> TrackTotals:
    return view.totals.get(tool) or TrackTotals(tool=tool, **_NOTHING)


def _proven(totals: TrackTotals) -> tuple[float, int]:
    """Orders records by how much they speak for the tool: none at all comes first."""
    return (totals.succeeded / totals.runs if totals.runs else -1.0, totals.runs)


def _after(view: TrackView, tool: str, outcome: Outcome) -> TrackTotals:
    before = _told(view, tool)
    ended = outcome.kind in ENDS
    column: str = "succeeded" if outcome.kind == "completed" else outcome.kind
    more = {column: getattr(before, column) + 1}
    if ended:
        more["runs"] = before.runs + 1
    approved = ended and outcome.approved
    return before.model_copy(
        update={
            **more,
            "approved": before.approved + approved,
            "senior_approvals": before.senior_approvals + (approved and outcome.senior),
            "last_run_at": outcome.at if ended else before.last_run_at,
            "last_approved_at": outcome.at if approved else before.last_approved_at,
        }
    )
