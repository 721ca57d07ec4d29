"""How old an agent's record may be that scores are made of."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from smartops.contracts.folds import TrackView
from smartops.contracts.wire import Environment
from smartops.eventstore.folds import Folded
from smartops.policy.agents.track import STALE_AFTER, Tracks

AGENT = ("drift", "1.0.0")
ONE = timedelta(milliseconds=1)


class Notes:
    """The folds of records; counts who wants them read anew."""

    def __init__(self) -> None:
        self.folds = self
        self.asked: list[tuple[int, bool]] = []

    async def load_all(self, names: list[str], *, fresh: bool) -> list[Folded[TrackView]]:
        self.asked.append((len(names), fresh))
        await asyncio.sleep(0)
        return [Folded(TrackView(), 0, (), ()) for _ in names]


async def test_what_others_noted_is_read_again_before_it_is_too_old() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    notes = Notes()
    service = SimpleNamespace(store=SimpleNamespace(db_now=lambda: now))
    tracks = Tracks(service, notes)  # type: ignore[arg-type]

    async def ask(*, fresh: bool = False) -> bool:
        await tracks.of("acme", *AGENT, frozenset(), Environment.STAGING, fresh=fresh)
        count, read = notes.asked.pop()
        assert count == len(Environment)
        return read

    assert await ask(), "nothing is known yet"
    assert not await ask()
    now += STALE_AFTER
    assert not await ask(), "as old as it may be"
    now += ONE
    assert await ask()
    assert not await ask()
    assert await ask(fresh=True)
    now += STALE_AFTER
    assert not await ask(), "counted from the last reading, whoever wished for it"


async def test_who_asks_while_it_is_read_is_not_told_what_was_known_before() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    notes = Notes()
    service = SimpleNamespace(store=SimpleNamespace(db_now=lambda: now))
    tracks = Tracks(service, notes)  # type: ignore[arg-type]
    await asyncio.gather(tracks.view("acme/track-a"), tracks.view("acme/track-a"))
    assert [fresh for _, fresh in notes.asked] == [True, True]


async def test_one_record_that_is_too_old_has_all_of_them_read() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    notes = Notes()
    service = SimpleNamespace(store=SimpleNamespace(db_now=lambda: now))
    tracks = Tracks(service, notes)  # type: ignore[arg-type]
    await tracks.view("acme/track-other")
    await tracks.of("acme", *AGENT, frozenset(), Environment.STAGING)
    assert [fresh for _, fresh in notes.asked] == [True, True]
