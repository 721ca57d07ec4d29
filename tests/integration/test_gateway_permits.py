"""Several gateways lease permits from one log, and together never spend more than there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from smartops.contracts.subjects import Subjects
from smartops.contracts.tools import Rate
from smartops.eventstore import EventStore
from smartops.runtime.reactor import Reactor
from smartops.runtime.recording import Recorder
from smartops.tool_gateway.leases import Leases, evolve
from smartops.tool_gateway.permits import Permits
from support.bus import eventually
from support.store import LogDatabase

pytest_plugins = ["support.store_fixtures"]

GATEWAY = "smartops_tool_gateway"
HOUR = Rate(calls=40, window_ms=3_600_000)
LONGEST = timedelta(seconds=5)


def permits_on(store: EventStore) -> Permits:
    reactor = Reactor(
        store, Recorder("tool_gateway", Subjects("smartops")), initial=Leases(), evolve=evolve
    )
    ident = uuid4()

    async def holder() -> UUID:
        return ident

    return Permits(reactor, store.db_now, holder)


@asynccontextmanager
async def gateways(log_database: LogDatabase, count: int) -> AsyncIterator[list[Permits]]:
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            store = await stack.enter_async_context(log_database.store(GATEWAY))
            permits = permits_on(store)
            stack.push_async_callback(permits.close)
            found.append(permits)
        yield found


def fresh_tenant() -> str:
    return f"t{uuid4().hex[:10]}"


async def test_gateways_together_spend_a_window_and_no_more(log_database: LogDatabase) -> None:
    tenant = fresh_tenant()

    async def spend(permits: Permits) -> int:
        spent = 0
        while (wait := await permits.spend(tenant, "tenant", HOUR)) is None:
            spent += 1
        assert timedelta(0) < wait <= timedelta(hours=1)
        return spent

    async with gateways(log_database, 3) as all_three:
        spent = await asyncio.gather(*(spend(one) for one in all_three))
    assert sum(spent) == HOUR.calls


async def test_what_a_gateway_had_left_when_it_died_is_lost_not_granted_again(
    log_database: LogDatabase,
) -> None:
    tenant = fresh_tenant()
    async with gateways(log_database, 2) as (dead, alive):
        assert await dead.spend(tenant, "tenant", HOUR) is None
        spent = 0
        while await alive.spend(tenant, "tenant", HOUR) is None:
            spent += 1
    block = HOUR.calls // 8
    assert spent == HOUR.calls - block


async def test_slots_are_never_taken_twice_and_return_when_idle(log_database: LogDatabase) -> None:
    tenant = fresh_tenant()
    under_way = most = served = 0

    async def call(permits: Permits) -> None:
        nonlocal under_way, most, served
        await eventually(lambda: permits.occupy(tenant, "tool/x", 3, LONGEST), 20)
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        served += 1
        permits.free(tenant, "tool/x")

    async with gateways(log_database, 2) as (one, two):
        await asyncio.gather(*(call(permits) for permits in (one, two) for _ in range(15)))
        assert (served, most <= 3) == (30, True)
        # Each has let go of what it does not need, so one alone can have all.
        for _ in range(3):
            await eventually(lambda: two.occupy(tenant, "tool/x", 3, LONGEST))
        assert not await one.occupy(tenant, "tool/x", 3, LONGEST)


async def test_many_that_wait_for_a_slot_do_not_each_ask_the_log(
    log_database: LogDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = fresh_tenant()
    async with gateways(log_database, 2) as (one, two):
        assert await one.occupy(tenant, "tool/x", 1, LONGEST)
        asked = 0
        react = two._react

        async def counted(name: str, decide: Any) -> None:
            nonlocal asked
            asked += 1
            await react(name, decide)

        monkeypatch.setattr(two, "_react", counted)
        began = two._now()
        for _ in range(50):
            assert not await two.occupy(tenant, "tool/x", 1, LONGEST)
        assert asked <= 1 + (two._now() - began) / timedelta(milliseconds=200)
