"""The vault is tended as long as the process lives, whatever the database does meanwhile."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from smartops.eventstore.errors import StoreClosed, StoreUnavailable
from smartops.tool_gateway import tending
from smartops.tool_gateway.tending import Tending
from smartops.vault import Vault


class Moody:
    """A vault whose database is away at first."""

    def __init__(self, *moods: Exception | None) -> None:
        self.moods = list(moods)
        self.resealed = self.swept = 0
        self.twice = asyncio.Event()

    async def reseal(self) -> int:
        if self.moods and (mood := self.moods.pop(0)) is not None:
            raise mood
        self.resealed += 1
        return 0

    async def sweep(self) -> int:
        if self.moods and (mood := self.moods.pop(0)) is not None:
            raise mood
        self.swept += 1
        if self.swept == 2:
            self.twice.set()
        return 1


async def test_an_outage_ends_neither_the_sweeping_nor_a_change_of_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tending, "_EVERY", timedelta(0))
    away = StoreUnavailable("away")
    vault = Moody(away, None, away, None)
    tended = Tending(cast("Vault", vault))
    tended.start()
    await asyncio.wait_for(vault.twice.wait(), 5)
    await tended.stop()
    assert vault.resealed == 1, "once is enough"


async def test_a_process_that_goes_down_tends_nothing_more() -> None:
    vault: Any = Moody(StoreClosed())
    tended = Tending(vault)
    tended.start()
    task = tended._task
    assert task is not None
    await asyncio.wait_for(task, 5)
    await tended.stop()
    assert (vault.resealed, vault.swept) == (0, 0)
