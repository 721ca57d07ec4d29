"""The running service: tailing, standing by, anchoring, and saying what is wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from smartops.audit.anchors import read_anchors
from smartops.audit.checking import check
from smartops.audit.options import AuditOptions
from smartops.audit.read_models import PROJECTOR
from smartops.audit.service import AuditService
from smartops.audit.standing import Part
from smartops.bus.relay import Outgoing
from smartops.contracts.envelope import read_data
from smartops.contracts.events import AuditAppended
from smartops.contracts.subjects import Subjects
from support.audit import AuditDatabase
from support.audit_histories import ops_task

pytest_plugins = ["support.audit_fixtures"]

_SOON = timedelta(milliseconds=20)
_QUICK = AuditOptions(
    busy_pause=timedelta(milliseconds=5),
    crowded_pause=_SOON,
    idle_pause=_SOON,
    standby_pause=_SOON,
    retry_pause=_SOON,
    anchor_interval=timedelta(milliseconds=50),
)


class Bus:
    """Takes messages, or is away."""

    def __init__(self) -> None:
        self.messages: list[Outgoing] = []
        self.is_away = False
        self.asked = asyncio.Event()

    async def publish(self, messages: Sequence[Outgoing]) -> int:
        self.asked.set()
        if self.is_away:
            raise ConnectionError("the bus is away")
        self.messages += messages
        return len(messages)


@asynccontextmanager
async def running(
    database: AuditDatabase,
    anchors: Path,
    bus: Bus | None = None,
    options: AuditOptions = _QUICK,
) -> AsyncIterator[AuditService]:
    service = AuditService(database.audit_dsn, (bus or Bus()).publish, anchors, options=options)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()
    assert service.part is Part.STOPPED


async def until(service: AuditService, position: int) -> None:
    async with asyncio.timeout(20):
        await service.until(lambda s: s.counters.position >= position)


async def until_trouble(service: AuditService, part: str) -> str:
    async with asyncio.timeout(20):
        await service.until(lambda s: any(found == part for found, _ in s.trouble))
    return dict(service.trouble)[part]


async def until_well(service: AuditService) -> None:
    async with asyncio.timeout(20):
        await service.until(lambda s: not s.trouble and s.part is Part.PROJECTING)


async def test_events_are_projected_as_they_come(told: AuditDatabase, tmp_path: Path) -> None:
    async with running(told, tmp_path) as service:
        await until(service, 46)
        await told.tell([ops_task("acme", "next")])
        await until(service, 69)
        assert (service.healthy, service.trouble) == (True, [])
        assert service.counters.events == 69
    async with told.audit() as conn:
        assert (await check(conn)).ok


async def test_each_batch_is_told_once_per_tenant(told: AuditDatabase, tmp_path: Path) -> None:
    bus = Bus()
    async with running(told, tmp_path, bus) as service:
        await until(service, 46)
    subjects = Subjects()
    read = {}
    for message in bus.messages:
        subject = subjects.read_event(message.subject)
        data = read_data("audit.appended.v1", message.payload)
        assert isinstance(data, AuditAppended)
        assert subject.topic == "audit.appended"
        assert subject.entity == f"{data.first}-{data.last}"
        assert message.position == data.last
        read[subject.tenant] = data
    assert {tenant: data.count for tenant, data in read.items()} == {"acme": 23, "globex": 23}
    async with told.audit() as conn:
        heads = await conn.fetch("select tenant, hash from smartops_log.heads")
    assert {tenant: hashed.hex() for tenant, hashed in heads} == {
        tenant: data.head for tenant, data in read.items()
    }


async def test_a_bus_that_is_away_stops_nothing(told: AuditDatabase, tmp_path: Path) -> None:
    bus = Bus()
    bus.is_away = True
    async with running(told, tmp_path, bus) as service:
        await until(service, 46)
        await bus.asked.wait()
    assert service.left_out == 2


async def test_heads_are_anchored_while_it_runs_and_when_it_stops(
    told: AuditDatabase, tmp_path: Path
) -> None:
    rarely = AuditOptions(anchor_interval=timedelta(hours=1))
    async with running(told, tmp_path, options=rarely) as service:
        await until(service, 46)
    assert {anchor.tenant for anchor in read_anchors(tmp_path)} == {"acme", "globex"}
    assert max(anchor.position for anchor in read_anchors(tmp_path)) == 46
    async with running(told, tmp_path) as service:
        await until_well(service)
    assert len(list(read_anchors(tmp_path))) == 2


async def test_one_projects_and_another_takes_over(told: AuditDatabase, tmp_path: Path) -> None:
    async with running(told, tmp_path) as first:
        await until(first, 46)
        async with running(told, tmp_path) as second:
            async with asyncio.timeout(20):
                await second.until(lambda s: s.part is Part.STANDBY)
            assert second.trouble == []
            await first.stop()
            await told.tell([ops_task("acme", "next")])
            await until(second, 69)
            assert second.part is Part.PROJECTING


async def test_a_lost_connection_is_made_again(told: AuditDatabase, tmp_path: Path) -> None:
    async with running(told, tmp_path) as service:
        await until(service, 46)
        sessions = service.counters.sessions
        async with told.connection() as conn:
            await conn.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where usename = 'smartops_audit' and datname = current_database()"
            )
        await told.tell([ops_task("acme", "next")])
        await until(service, 69)
        assert service.counters.sessions > sessions
    async with told.audit() as conn:
        assert (await check(conn)).ok


async def test_a_connection_told_to_end_but_still_open_is_lost_too(
    told: AuditDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ending(*_: object) -> list[object]:
        raise asyncpg.InternalClientError("cannot switch to state 12")

    async with running(told, tmp_path) as service:
        await until(service, 46)
        with monkeypatch.context() as patched:
            patched.setattr("smartops.audit.service.read_after", ending)
            assert "cannot switch" in await until_trouble(service, "database")
        await until_well(service)


async def test_a_database_that_is_away_is_waited_for(
    audit_database: AuditDatabase, tmp_path: Path
) -> None:
    dsn = audit_database.audit_dsn.replace(f":{audit_database.server.port}/", ":1/")
    service = AuditService(dsn, Bus().publish, tmp_path, options=_QUICK)
    await service.start()
    await until_trouble(service, "database")
    assert service.healthy
    await service.stop()


async def test_tampering_is_told_and_never_repaired(
    told: AuditDatabase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with told.breaking_in() as conn:
        true_hash = await conn.fetchval("select hash from smartops_log.events where position = 9")
        await conn.execute("update smartops_log.events set hash = sha256('x') where position = 9")
        with caplog.at_level(logging.ERROR):
            async with running(told, tmp_path) as service:
                text = await until_trouble(service, "log_tampered")
                assert "position 9" in text
                assert service.healthy
                assert (service.counters.events, service.counters.position) == (8, 8)
                assert "position 9" in caplog.text
                assert await conn.fetchval("select max(last_position) from smartops.tasks") <= 8
                # The evidence is put back by a person, and nobody has to restart anything.
                await conn.execute(
                    "update smartops_log.events set hash = $1 where position = 9", true_hash
                )
                await until_well(service)
                await until(service, 46)


async def test_a_log_that_lost_an_anchored_head_is_not_projected(
    told: AuditDatabase, tmp_path: Path
) -> None:
    async with running(told, tmp_path) as service:
        await until(service, 46)
    async with told.breaking_in() as conn:
        await conn.execute("delete from smartops_log.events where position > 30")
        await conn.execute("truncate smartops.progress, smartops.tenants")
        async with running(told, tmp_path) as service:
            text = await until_trouble(service, "log_tampered")
            assert "is not in the log" in text
            assert service.counters.events == 0


async def test_anchors_in_trouble_do_not_stop_the_projecting(
    told: AuditDatabase, tmp_path: Path
) -> None:
    no_directory = tmp_path / "a file"
    no_directory.write_text("")
    async with running(told, no_directory) as service:
        await until(service, 46)
        assert [part for part, _ in service.trouble] == ["anchors"]


async def test_read_models_of_an_older_projector_are_rebuilt(
    told: AuditDatabase, tmp_path: Path
) -> None:
    await told.project()
    async with told.connection() as conn:
        await conn.execute("update smartops.progress set projector = 0")
        await conn.execute("update smartops.tasks set status = 'strange'")
    async with running(told, tmp_path) as service:
        await until_well(service)
    async with told.audit() as conn:
        assert (await check(conn)).ok
        assert await conn.fetchval("select distinct status from smartops.tasks") == "completed"
        assert await conn.fetchval("select projector from smartops.progress") == PROJECTOR


async def test_read_models_of_a_newer_projector_are_left_alone(
    told: AuditDatabase, tmp_path: Path
) -> None:
    await told.project(10)
    async with told.connection() as conn:
        await conn.execute("update smartops.progress set projector = 99")
    async with running(told, tmp_path) as service:
        text = await until_trouble(service, "newer_read_models")
        assert "start the newer release" in text
        assert service.counters.events == 0
