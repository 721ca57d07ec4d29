"""The small form of `prove disk-full`, the bus that is cured, and what the judge lets pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import nats
import nats.errors
import pytest
from nats.js.api import StreamConfig
from smartops.contracts.catalogue import SERVICES
from smartops.devstack.servers import NatsServer
from smartops.devstack.supervisor import Supervisor

from benchmarks.lib.full_disks import Watched
from benchmarks.lib.loop_disk import LoopDisk, why_no_loop_disks
from benchmarks.lib.ordeal import Load
from benchmarks.lib.server_disks import BUS, DATA, WAL
from benchmarks.prove.disk_full import Plan, disk_full, judge_spell

SMALL = Plan(
    load=Load(tasks=4, servers=60, seed=5, delay_ms=250, lost_answers=0, patience_s=60),
    disks=(DATA,),
    rounds=1,
    full_s=3.0,
    work_s=0.5,
    await_bus=False,
)
"""The others take longer: services wait five seconds for the bus to answer, and PostgreSQL may rest
for ten before it is tried again."""


@cache
def reason() -> str | None:
    """Why nothing can be mounted here."""
    return why_no_loop_disks()


@pytest.mark.timeout(240)  # On a crowded machine a stack takes a minute to come up.
async def test_nothing_is_lost_and_all_heals_when_the_databases_disk_is_full(
    tmp_path: Path,
) -> None:
    if reason() is not None:
        pytest.skip(f"no disk can be filled: {reason()}")
    verdict = await disk_full(tmp_path, SMALL)

    assert verdict is not None
    assert verdict.violations == ()
    assert verdict.figures["faults"] == {DATA: 1}
    assert verdict.figures["restarts"] == {"nats-server": 0, "postgres": 0}


async def test_a_bus_whose_disk_was_full_is_restarted_once_there_is_room(tmp_path: Path) -> None:
    if reason() is not None:
        pytest.skip(f"no disk can be filled: {reason()}")
    place = tmp_path / "disk"
    place.mkdir()
    said: list[str] = []
    with LoopDisk.made(tmp_path / "image", place, 256 << 20) as disk:
        server = NatsServer(place / "store", log_path=tmp_path / "nats.log")
        async with Supervisor(report=said.append, handle_signals=False) as supervisor:
            await supervisor.start(server)
            async with commands(server) as give:
                assert await give()
                disk.fill()
                while await give():
                    pass
                illness = await server.illness()
                assert illness is not None
                assert "no space left on device" in illness.what
                assert "free some room" in str(illness.awaits)
                disk.free()
                assert not await give(), "it healed by itself: then nobody need restart it"
                while not await give():
                    pass
        assert "nats-server is restarted: only that makes it work again" in said


@asynccontextmanager
async def commands(server: NatsServer) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """Gives a command; says whether its stream has it."""
    client = await nats.connect(server.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    stream = client.jetstream(timeout=0.5)
    await stream.add_stream(StreamConfig("ASKED", subjects=["asked"]))

    async def give() -> bool:
        try:
            await stream.publish("asked", bytes(4096))
        except nats.errors.Error:
            return False
        return True

    try:
        yield give
    finally:
        await client.close()


# ---- would it be noticed? ----------------------------------------------------------------------


def calm(disk: str = WAL) -> Watched:
    """A spell in which all went as it should."""
    found = Watched(disk, noticed_s=0.1, healed_s=2.0, owing=set(SERVICES))
    found.requests_per_s = dict.fromkeys(SERVICES, 1.0)
    for name in SERVICES:
        found.ready.reasons[name].add("bus" if disk == BUS else "database")
    found.advice = {"home.disk_full": "make room", "bus.unhealthy": "make room"}
    return found


def test_a_calm_spell_passes() -> None:
    assert [judge_spell(calm(disk)) for disk in (DATA, WAL, BUS)] == [[], [], []]


def test_who_hammers_is_noticed() -> None:
    found = calm(BUS)
    found.requests_per_s["runner"] = 500.0
    assert judge_spell(found) == ["runner sent 500.0 requests a second at a full bus"]


def test_who_stays_ready_is_noticed() -> None:
    found = calm(BUS)
    found.ready.reasons["policy"] = {"consumers"}
    assert judge_spell(found) == ["policy did not say at /ready that bus is full"]


def test_a_doctor_who_finds_nothing_is_noticed() -> None:
    found = calm(DATA)
    found.advice = {}
    assert judge_spell(found) == ["the doctor did not find the full data"]


def test_what_does_not_heal_is_noticed() -> None:
    found = calm()
    found.healed_s = None
    assert judge_spell(found) == ["not all were ready 60 s after there was room for wal"]


def test_a_disk_that_was_not_really_full_is_noticed() -> None:
    found = calm()
    found.noticed_s, found.owing = None, set()
    assert judge_spell(found) == [
        "the full disk of wal was never noticed",
        "nobody was affected by a full wal",
    ]
