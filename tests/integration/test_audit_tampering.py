"""What a superuser can do to the log, and how each of it is noticed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from smartops.audit.adapters.anchor_files import AnchorLog
from smartops.audit.adapters.tables import Tables
from smartops.audit.anchors import files_of, read_anchors
from smartops.audit.errors import AnchorsDamaged, LogTampered
from smartops.audit.projector import Projector
from smartops.audit.read_models.tenants import TENANTS
from smartops.audit.verify import Report, verify_all
from smartops.eventstore.chain import GENESIS, chain_hash
from smartops.eventstore.reader import COLUMNS
from smartops.eventstore.rows import StoredRow
from support.audit import AuditDatabase
from support.audit_histories import Story, ops_task

pytest_plugins = ["support.audit_fixtures"]

Attack = Callable[[asyncpg.Connection], Awaitable[object]]


async def _verify(database: AuditDatabase, anchors: Path | tuple[()] = ()) -> dict[str, Report]:
    async with database.audit() as conn:
        return {report.tenant: report for report in await verify_all(conn, anchors=anchors)}


async def _anchor(database: AuditDatabase, directory: Path) -> None:
    async with database.audit() as conn:
        ends = await Tables(conn).all_rows(TENANTS)
    log = AnchorLog(directory)
    log.open()
    log.append(ends)


async def test_an_untouched_log_is_sound_for_audit_and_for_a_reader(
    told: AuditDatabase, tmp_path: Path
) -> None:
    await told.project()
    await _anchor(told, tmp_path)
    reports = await _verify(told, tmp_path)
    assert {report.ok for report in reports.values()} == {True}
    assert {name: report.events for name, report in reports.items()} == {"acme": 23, "globex": 23}
    assert {report.anchors_checked for report in reports.values()} == {1}
    async with told.reader("globex") as conn:
        (theirs,) = await verify_all(conn, anchors=tmp_path)
    assert theirs == reports["globex"]
    async with told.audit() as conn:
        assert await verify_all(conn, "acme", tmp_path) == [reports["acme"]]


async def test_an_empty_log_is_sound(audit_database: AuditDatabase) -> None:
    assert await _verify(audit_database) == {}
    async with audit_database.reader("acme") as conn:
        (report,) = await verify_all(conn)
    assert (report.ok, report.events) == (True, 0)


def _edit(column: str, value: str) -> Attack:
    return lambda conn: conn.execute(
        f"update smartops_log.events set {column} = {value} where position = 5"
    )


async def _swap(conn: asyncpg.Connection) -> None:
    await conn.execute(
        "update smartops_log.events e set state = o.state, topic = o.topic, event_id = o.event_id "
        "from (select position, topic, state, gen_random_uuid() as event_id "
        "from smartops_log.events where position in (5, 6)) o "
        "where e.position in (5, 6) and o.position = 11 - e.position"
    )


async def _delete(conn: asyncpg.Connection) -> None:
    await conn.execute("delete from smartops_log.events where position = 5")


async def _delete_and_close_the_gap(conn: asyncpg.Connection) -> None:
    await conn.execute("delete from smartops_log.events where position = 5")
    for position in range(6, 47):
        await conn.execute(
            "update smartops_log.events set position = position - 1 where position = $1", position
        )


async def _insert(conn: asyncpg.Connection) -> None:
    await conn.execute(
        "insert into smartops_log.events (position, tenant, ordinal, stream, version, event_id, "
        "topic, task, cause, party, state, hash) select 47, tenant, 24, stream, 99, "
        "gen_random_uuid(), topic, task, cause, party, state, sha256(state) "
        "from smartops_log.events where position = 5"
    )


ATTACKS: dict[str, tuple[Attack, int]] = {
    "state edited": (_edit("state", "state || ' '"), 5),
    "hash edited": (_edit("hash", "sha256('x')"), 5),
    "version edited": (_edit("version", "77"), 5),
    "topic edited": (_edit("topic", "'task.failed.v1'"), 5),
    "id edited": (_edit("event_id", "gen_random_uuid()"), 5),
    "task edited": (_edit("task", "gen_random_uuid()"), 5),
    "cause edited": (_edit("cause", "gen_random_uuid()"), 5),
    "party edited": (_edit("party", "'runner'"), 5),
    "two swapped": (_swap, 5),
    "one deleted": (_delete, 5),
    "one deleted, gap closed": (_delete_and_close_the_gap, 5),
    "one inserted at the end": (_insert, 47),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_the_first_event_that_was_tampered_with_is_named_and_never_projected(
    told: AuditDatabase, attack: str
) -> None:
    tamper, position = ATTACKS[attack]
    async with told.breaking_in() as conn:
        await tamper(conn)
    bad = [report for report in (await _verify(told)).values() if not report.ok]
    assert min(report.first_bad_position or 0 for report in bad) == position
    assert all(report.problems for report in bad)
    with pytest.raises(LogTampered) as raised:
        await told.project()
    assert raised.value.position == position
    async with told.audit() as conn:
        place = await Tables(conn).place()
        assert place is not None
        assert place.position == position - 1


async def test_a_reader_s_check_sees_an_edit_too(told: AuditDatabase) -> None:
    await told.project()
    async with told.breaking_in() as conn:
        await ATTACKS["state edited"][0](conn)
        tenant = await conn.fetchval("select tenant from smartops_log.events where position = 5")
    async with told.reader(tenant) as conn:
        (report,) = await verify_all(conn)
    assert (report.ok, report.first_bad_position) == (False, 5)


async def _cut_off(conn: asyncpg.Connection, after: int) -> None:
    await conn.execute("delete from smartops_log.events where position > $1", after)
    await conn.execute("delete from smartops_log.outbox where position > $1", after)


async def _write_anew(conn: asyncpg.Connection, **changes: object) -> None:
    """A perfect forgery: one event changed, and every hash behind it computed again."""
    heads: dict[str, bytes] = {}
    for record in await conn.fetch(f"select {COLUMNS} from smartops_log.events order by position"):
        row = StoredRow._make(record)
        if row.position == 5:
            row = row._replace(**changes)
        hashed = heads[row.tenant] = chain_hash(heads.get(row.tenant, GENESIS), row)
        await conn.execute(
            "update smartops_log.events set state = $2, hash = $3 where position = $1",
            row.position,
            row.state,
            hashed,
        )


async def test_a_log_cut_off_behind_an_anchor_is_noticed(
    told: AuditDatabase, tmp_path: Path
) -> None:
    await told.project()
    await _anchor(told, tmp_path)
    async with told.breaking_in() as conn:
        await _cut_off(conn, 40)
        await conn.execute("truncate smartops.progress, smartops.tenants")
    assert {report.ok for report in (await _verify(told)).values()} == {True}
    reports = await _verify(told, tmp_path)
    assert {report.ok for report in reports.values()} == {False}
    assert "the log was cut off" in reports["acme"].problems[0]


async def test_a_log_written_anew_is_noticed_by_its_anchors_only(
    told: AuditDatabase, tmp_path: Path
) -> None:
    await told.project()
    await _anchor(told, tmp_path)
    async with told.connection() as conn:
        state = await conn.fetchval("select state from smartops_log.events where position = 5")
    async with told.breaking_in() as conn:
        await _write_anew(conn, state=state.replace(b"2026", b"2025", 1).replace(b"web", b"dbs"))
    assert {report.ok for report in (await _verify(told)).values()} == {True}
    reports = await _verify(told, tmp_path)
    assert [report.ok for report in reports.values()].count(False) == 1


async def test_a_log_cut_off_behind_the_read_models_stops_the_tail(told: AuditDatabase) -> None:
    await told.project()
    async with told.breaking_in() as conn:
        await _cut_off(conn, 40)
    with pytest.raises(LogTampered, match="the log ends before what was verified"):
        await told.project()


async def test_positions_given_out_again_stop_the_tail(told: AuditDatabase) -> None:
    await told.project()
    async with told.breaking_in() as conn:
        await _cut_off(conn, 40)
    await told.tell([Story("acme", "later").submitted().planned().asked().rejected()])
    with pytest.raises(LogTampered, match="another event stands where one was verified"):
        await told.project()


async def test_a_plan_whose_bytes_are_gone_is_noticed(told: AuditDatabase) -> None:
    await told.project()
    async with told.breaking_in() as conn:
        await conn.execute("delete from smartops_log.blobs where tenant = 'acme'")
    reports = await _verify(told)
    assert (reports["acme"].ok, reports["globex"].ok) == (False, True)
    assert len(reports["acme"].problems) == 2
    assert "named by an event, is gone" in reports["acme"].problems[0]
    async with told.reader("acme") as conn:
        (report,) = await verify_all(conn)
    assert sorted(report.problems) == sorted(reports["acme"].problems)


async def test_a_blob_whose_bytes_were_changed_is_noticed(told: AuditDatabase) -> None:
    async with told.breaking_in() as conn:
        await conn.execute("alter table smartops_log.blobs alter column digest drop expression")
        await conn.execute(
            "update smartops_log.blobs set content = content || 'x' where tenant = 'acme'"
        )
    reports = await _verify(told)
    assert (reports["acme"].ok, reports["globex"].ok) == (False, True)
    assert "has other bytes than its digest says" in reports["acme"].problems[0]


async def test_an_anchor_that_was_edited_is_noticed(told: AuditDatabase, tmp_path: Path) -> None:
    await told.project()
    await _anchor(told, tmp_path)
    (file,) = files_of(tmp_path)
    first, second = file.read_text().splitlines()
    forged = json.loads(first) | {"position": 1}
    file.write_text(f"{json.dumps(forged)}\n{second}\n")
    with pytest.raises(AnchorsDamaged, match="does not link"):
        list(read_anchors(tmp_path))
    reports = await _verify(told, tmp_path)
    assert not any(report.ok for report in reports.values())
    file.write_text(f"{second}\n{first}\n")
    assert not any(report.ok for report in (await _verify(told, tmp_path)).values())


async def test_projecting_goes_on_after_nothing_was_wrong(told: AuditDatabase) -> None:
    assert await told.project(5) == 46
    await told.tell([ops_task("acme", "next")])
    assert await told.project(5) == 69
    async with told.audit() as conn:
        projector = await Projector.open(Tables(conn))
        assert {end.events for end in projector.heads.ends} == {23, 46}
