"""The small form of `prove power-cut`, and what its cuts take from servers that do not flush."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import nats
import pytest
from nats.js.api import StreamConfig
from nats.js.errors import NotFoundError
from smartops.devstack.errors import ServerStartError
from smartops.devstack.nats import DEFAULT_NATS_CONFIG
from smartops.devstack.servers import NatsServer, PostgresServer

from benchmarks.lib.canary import Canary, Lost
from benchmarks.lib.checks.evidence import Evidence
from benchmarks.lib.experiment import Outcome
from benchmarks.lib.fates import Fates
from benchmarks.lib.log_tail import Said
from benchmarks.lib.loop_disk import LoopDisk, why_no_loop_disks
from benchmarks.lib.not_proven import not_proven
from benchmarks.lib.ordeal import Load
from benchmarks.lib.power import Cut
from benchmarks.prove.power_cut import Plan, gone, power_cut, void_because

SMALL = Plan(
    load=Load(tasks=5, servers=60, seed=5, delay_ms=250, lost_answers=0, patience_s=60),
    cuts=1,
    work_s=1.0,
)
MIB = 1 << 20
ROUNDS = 50


@cache
def reason() -> str | None:
    """Why nothing can be mounted here."""
    return why_no_loop_disks()


@pytest.fixture
def _mounting() -> None:
    if reason() is not None:
        pytest.skip(f"no power can be cut: {reason()}")


@contextmanager
def a_disk(tmp_path: Path) -> Iterator[LoopDisk]:
    place = tmp_path / "disk"
    place.mkdir()
    with LoopDisk.made(tmp_path / "image", place, 512 * MIB) as disk:
        yield disk


# ---- the whole house ---------------------------------------------------------------------------


@pytest.mark.timeout(240)  # On a crowded machine a stack takes a minute to come up.
@pytest.mark.usefixtures("_mounting")
async def test_no_promise_breaks_when_the_machine_goes_dark(tmp_path: Path) -> None:
    verdict = await power_cut(tmp_path, SMALL)

    assert verdict is not None
    assert verdict.violations == ()
    assert verdict.figures["events_gone"] == 0
    assert verdict.figures["events_missing_in_stream"] == 0
    assert verdict.figures["canaries"]["flushed_records_gone"] == 0  # type: ignore[index]
    assert verdict.figures["canaries"]["disks_without_loss"] == 0  # type: ignore[index]
    assert len(verdict.evidence.accepted) >= SMALL.load.tasks


# ---- what a cut takes, and what it leaves ------------------------------------------------------


@pytest.mark.usefixtures("_mounting")
@pytest.mark.parametrize(("fsync", "kept"), [("on", True), ("off", False)])
async def test_a_cut_takes_commits_only_from_a_database_without_fsync(
    tmp_path: Path, fsync: str, *, kept: bool
) -> None:
    with a_disk(tmp_path) as disk:
        server = PostgresServer(
            disk.place / "data", settings={"fsync": fsync}, log_path=tmp_path / "postgres.log"
        )
        await server.start()
        disk.flush()
        connection = await asyncpg.connect(server.dsn())
        await connection.execute("create table said (number int)")
        for number in range(ROUNDS):
            await connection.execute("insert into said values ($1)", number)
        disk.cut()
        server.kill_now()
        connection.terminate()
        await server.wait()
        await disk.come_back()
        assert await rows(server) == (ROUNDS if kept else 0)
        await server.stop()


@pytest.mark.usefixtures("_mounting")
@pytest.mark.parametrize(("interval", "kept"), [("always", True), ("2m", False)])
async def test_a_cut_takes_acknowledged_messages_only_from_a_bus_that_flushes_late(
    tmp_path: Path, interval: str, *, kept: bool
) -> None:
    config = DEFAULT_NATS_CONFIG.replace("sync_interval: always", f"sync_interval: {interval}")
    with a_disk(tmp_path) as disk:
        server = NatsServer(disk.place / "store", config_text=config, log_path=tmp_path / "log")
        await server.start()
        client = await nats.connect(server.url, allow_reconnect=False)
        stream = client.jetstream()
        await stream.add_stream(StreamConfig("SAID", subjects=["said"]))
        disk.flush()
        for number in range(ROUNDS):
            await stream.publish("said", b"%d" % number)
        disk.cut()
        server.kill_now()
        await client.close()
        await server.wait()
        await disk.come_back()
        assert await messages(server) == (ROUNDS if kept else 0)
        await server.stop()


@pytest.mark.usefixtures("_mounting")
async def test_canaries_lose_what_they_did_not_flush_and_nothing_else(tmp_path: Path) -> None:
    with a_disk(tmp_path) as disk:
        canary = Canary(disk.place)
        canary.start()
        while canary.written < 2 * ROUNDS:  # noqa: ASYNC110 - its thread tells nobody
            await asyncio.sleep(0.01)
        canary.note()
        disk.cut()
        canary.stop()
        await disk.come_back()
        lost = canary.lost()
        assert lost.flushed == 0
        # The kernel writes back by itself now and then, so a few of them may have been saved.
        assert 0 < lost.unflushed <= lost.written
        assert lost.written >= 2 * ROUNDS


# ---- would it be noticed? ----------------------------------------------------------------------


def cut(flushed: int, unflushed: int) -> Cut:
    return Cut("machine", [Lost(flushed, unflushed, 100)], 1.0)


def test_cuts_that_take_nothing_or_too_much_show_nothing() -> None:
    assert void_because([]) is not None
    assert void_because([cut(0, 100)] * 9 + [cut(0, 0)]) is None
    assert "only 8 of 10" in str(void_because([cut(0, 100)] * 8 + [cut(0, 0)] * 2))
    assert "does not keep its word" in str(void_because([cut(1, 100)] * 10))


def test_an_event_that_is_gone_or_another_one_is_noticed() -> None:
    def said(position: int, hashed: bytes) -> Said:
        row = SimpleNamespace(position=position, hash=hashed, task=None)
        return SimpleNamespace(row=row, data=None)  # type: ignore[return-value]

    def left(*events: Said) -> Evidence:
        return Evidence({}, events, Fates(), (), {}, {})

    before = [said(1, b"a"), said(2, b"b")]
    assert gone(before, left(*before, said(3, b"c"))) == 0
    assert gone(before, left(said(1, b"a"))) == 1
    assert gone(before, left(said(1, b"a"), said(2, b"x"))) == 1


def test_where_nothing_can_be_mounted_nothing_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALLOW_SKIP", raising=False)
    told = not_proven("mounting needs root")
    assert told.void == "not proven: mounting needs root"
    monkeypatch.setenv("ALLOW_SKIP", "1")
    allowed = not_proven("mounting needs root")
    assert allowed == Outcome({"kept": False, "skipped": "mounting needs root"})


# ---- help --------------------------------------------------------------------------------------


async def rows(server: PostgresServer) -> int:
    """How many are left; 0 too when the server cannot even start, or the table is gone."""
    try:
        await server.start()
        connection = await asyncpg.connect(server.dsn())
    except (ServerStartError, asyncpg.PostgresError):
        return 0
    try:
        return int(await connection.fetchval("select count(*) from said"))
    except asyncpg.PostgresError:
        return 0
    finally:
        await connection.close()


async def messages(server: NatsServer) -> int:
    """How many are left; 0 too when the stream is gone."""
    await server.start()
    client = await nats.connect(server.url, allow_reconnect=False)
    try:
        return int((await client.jetstream().stream_info("SAID")).state.messages)
    except NotFoundError:
        return 0
    finally:
        await client.close()
