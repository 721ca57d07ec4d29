"""Looking at the log and the read models, as the reader: reachable, followed, digested, on time?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from smartops.sdk.cli.doctor_findings import Finding, in_words, problem, warning, well
from smartops.sdk.cli.text import count, duration, listing, one_line
from smartops.sdk.errors import Outdated, SdkError, Unauthorised, Unreachable
from smartops.sdk.profile import Profile
from smartops.sdk.reader import Reader
from smartops.sdk.short_id import short

__all__ = [
    "Lag",
    "judge_clocks",
    "judge_doubts",
    "judge_failure",
    "judge_lag",
    "judge_parked",
    "look_at_database",
]

PART = "database"

LATE = timedelta(seconds=5)
"""Age from which an event that is not projected says that nobody projects: audit looks at least
four times a second."""

SKEW = timedelta(seconds=1)
"""Difference of two clocks from which it shows in what people read."""

_PARKED_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the read models are behind the log, for one tenant."""

    events: int
    behind: int
    oldest: timedelta | None
    """Age of the first event that is not projected."""


async def look_at_database(profile: Profile) -> list[Finding]:
    """Ask the views."""
    reader = Reader(profile)
    try:
        async with reader:
            lag = await _lag(reader, profile.tenant)
            skew, round_trip = await _skew(reader)
            parked = await reader.parked(limit=_PARKED_LIMIT)
            doubts = await reader.newest_calls(status="uncertain", limit=_PARKED_LIMIT)
    except SdkError as error:
        return [judge_failure(error, urlsplit(profile.reader_dsn).netloc.rpartition("@")[2])]
    found = [
        *judge_lag(profile.tenant, lag),
        *judge_parked(parked),
        *judge_doubts(doubts),
        *judge_clocks(skew, round_trip),
    ]
    if not found:
        events = count(lag.events if lag is not None else 0, "event")
        text = f"{events} of {profile.tenant}, all projected; nothing parked; clocks agree"
        found.append(well(PART, "followed", text))
    return found


def judge_failure(error: SdkError, where: str) -> Finding:
    """Why the views could not be asked."""
    match error:
        case Unreachable():
            why = in_words(error.__cause__ or error)
            advice = "Start it (`smartops up`), or mend reader_dsn in profile.json."
            return problem(PART, "unreachable", f"{where} does not answer ({why})", advice)
        case Unauthorised():
            advice = "Take reader_dsn anew from whoever runs the database, or run `smartops up`."
            return problem(PART, "refused", str(error).partition(". ")[0], advice)
        case Outdated():
            advice = "Restart the services in this client's version: they migrate the schema."
            return problem(PART, "outdated", str(error).partition(". ")[0], advice)
        case _:
            return problem(PART, "failed", str(error), "See the database's own log.")


def judge_lag(tenant: str, lag: Lag | None) -> list[Finding]:
    """Whether audit follows the log."""
    if lag is None:
        text = f"there is not one event of tenant {tenant!r}"
        advice = "Submit an intent, or mend the tenant in profile.json: others are not shown."
        return [warning(PART, "no_events", text, advice)]
    if lag.behind and lag.oldest is not None and lag.oldest > LATE:
        events = count(lag.behind, "event")
        text = f"the views are {events} behind the log, the oldest {duration(lag.oldest)} old"
        advice = "Start audit, or see why it does not project: its /ready page and its log say so."
        return [problem(PART, "behind", text, advice)]
    return []


def judge_parked(rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """Whether triggers wait for a person."""
    if not rows:
        return []
    handlers = listing(sorted({str(row["handler"]) for row in rows}))
    text = (
        f"{count(len(rows), 'trigger')} parked, at {handlers}: {one_line(str(rows[0]['reason']))}"
    )
    advice = (
        "See `smartops parked`: each waits until its cause is mended; nothing else waits for it."
    )
    return [warning(PART, "parked", text, advice)]


def judge_doubts(rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """Whether calls of which nobody knows the outcome wait for a person."""
    waiting = [row for row in rows if row["settles_by"] == "human"]
    if not waiting:
        return []
    told = listing([f"{short(row['call'])} ({row['tool']} on {row['target']})" for row in waiting])
    text = f"{count(len(waiting), 'call')} of unknown outcome: {told}"
    advice = (
        "Look at the targets, then say what you found: "
        f"`smartops call settle {short(waiting[0]['call'])} --applied --note ...`, or "
        "--not-applied; `smartops call list --uncertain` lists them."
    )
    return [warning(PART, "uncertain", text, advice)]


def judge_clocks(skew: timedelta, round_trip: timedelta) -> list[Finding]:
    """Whether this machine and the database agree on the time.

    Args:
        skew: by how much the database is ahead.
        round_trip: of the question; half of it may be the network's.
    """
    if abs(skew) <= SKEW + round_trip / 2:
        return []
    side = "ahead of" if skew > timedelta(0) else "behind"
    text = f"the database's clock is {duration(abs(skew))} {side} this machine's"
    advice = "Set both by NTP: approvals and grants expire by the database's clock, not by yours."
    return [warning(PART, "clock", text, advice)]


async def _lag(reader: Reader, tenant: str) -> Lag | None:
    head = await reader.head()
    projected = 0 if head is None else head["verified_position"]
    [row] = await reader.rows(
        "select count(*) as behind, clock_timestamp() - min(recorded_at) as oldest"
        " from smartops.v_events where tenant = $1 and position > $2",
        tenant,
        projected,
    )
    if head is None and not row["behind"]:
        return None
    events = (0 if head is None else head["events"]) + row["behind"]
    return Lag(events, row["behind"], row["oldest"])


async def _skew(reader: Reader) -> tuple[timedelta, timedelta]:
    # The first question has opened the connection: this one takes a round trip, and no more.
    asked, began = datetime.now(UTC), perf_counter()
    [row] = await reader.rows("select clock_timestamp() as now")
    round_trip = timedelta(seconds=perf_counter() - began)
    return row["now"] - (asked + round_trip / 2), round_trip
