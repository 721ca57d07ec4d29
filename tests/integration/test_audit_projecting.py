"""The log projected into tables, on a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest
from smartops.audit.adapters.log import read_after
from smartops.audit.adapters.tables import Tables
from smartops.audit.checking import check, rebuild_into_scratch
from smartops.audit.checksum import checksum
from smartops.audit.errors import NewerEvent, PlaceLost, UnreadableEvent
from smartops.audit.heads import Heads
from smartops.audit.place import Place
from smartops.audit.projector import Projector
from smartops.audit.read_models import ALL, PROJECTOR
from smartops.audit.rebuild import replace as replace_read_models
from smartops.contracts.envelope import EventMeta, encode
from smartops.contracts.wire import EventData
from smartops.eventstore import NewEvent, Trigger, Unit, Write
from support.audit import AuditDatabase
from support.audit_histories import OPERATOR, Story, many, ops_task, registered

pytest_plugins = ["support.audit_fixtures"]


async def test_rows_have_the_columns_of_their_tables_in_order(
    audit_database: AuditDatabase,
) -> None:
    async with audit_database.connection() as conn:
        for model in ALL:
            columns = await conn.fetch(
                "select column_name from information_schema.columns "
                "where table_schema = 'smartops' and table_name = $1 order by ordinal_position",
                model.name,
            )
            assert tuple(column[0] for column in columns) == model.columns
            assert not any("now()" in str(d) for d in await _defaults(conn, model.name))


async def _defaults(conn: asyncpg.Connection, table: str) -> list[str | None]:
    rows = await conn.fetch(
        "select column_default from information_schema.columns "
        "where table_schema = 'smartops' and table_name = $1",
        table,
    )
    return [row[0] for row in rows]


async def test_a_task_can_be_read_through_every_view(audit_database: AuditDatabase) -> None:
    story = ops_task("acme", "done")
    await audit_database.tell([Story("acme", "who").actor(), story])
    position = await audit_database.project()
    assert position == 24
    async with audit_database.reader("acme") as conn:
        task = await conn.fetchrow("select * from smartops.v_tasks")
        assert (task["task"], task["status"], task["requester_name"]) == (
            story.task,
            "completed",
            "Olga Operator",
        )
        assert task["tags"] == ["drift", "web"]
        plan = await conn.fetchrow("select * from smartops.v_plans where task = $1", story.task)
        assert (plan["document"], plan["assessment"]) == (story.document, story.assessment)
        approval = await conn.fetchrow("select * from smartops.v_approvals")
        assert (approval["status"], approval["decided_by"], approval["decided_by_names"]) == (
            "approved",
            [story.approver.actor],
            ["Ada"],
        )
        run = await conn.fetchrow("select * from smartops.v_runs where run = $1", story.run)
        assert (run["status"], run["steps_applied"], run["calls"]) == ("completed", 3, 3)
        assert await conn.fetchval("select health #>> '{0,outcome}' from smartops.v_phases") == (
            "healthy"
        )
        calls = await conn.fetch("select * from smartops.v_tool_calls order by requested_at")
        assert [call["status"] for call in calls] == ["succeeded"] * 3
        assert (
            await conn.fetchval(
                "select count(*) from smartops.v_tool_calls where output @> '{\"changed\": true}'"
            )
            == 3
        )
        events = await conn.fetch("select * from smartops.v_events where task = $1", story.task)
        assert len(events) == 23
        tenant = await conn.fetchrow("select * from smartops.v_tenants")
        assert (tenant["events"], tenant["verified_position"]) == (24, 24)
        assert (tenant["head_position"], tenant["head_hash"]) == (24, max(events)["hash"])
        assert await conn.fetchval("select principals from smartops.v_actors") == [OPERATOR]


async def test_a_call_that_was_only_asked_for_is_not_shown(audit_database: AuditDatabase) -> None:
    story = Story("acme", "t").submitted().planned().asked().approved().started()
    await audit_database.tell([story])
    await audit_database.project()
    async with audit_database.reader("acme") as conn:
        assert await conn.fetchval("select count(*) from smartops.v_tool_calls") == 0
        assert await conn.fetchval("select calls from smartops.v_runs") == 1


async def test_batches_of_any_size_give_the_same_tables(audit_database: AuditDatabase) -> None:
    await audit_database.tell([*many("acme"), *many("globex"), registered()])
    sums = []
    for batch in (1, 7, 1000):
        async with audit_database.connection() as conn:
            await conn.execute(
                "truncate smartops.progress, "
                + ", ".join(f"smartops.{model.name}" for model in ALL)
            )
        await audit_database.project(batch)
        async with audit_database.audit() as conn:
            sums.append(await checksum(conn))
    assert sums[0] == sums[1] == sums[2]
    assert len(set(sums[0].values())) == len(ALL)


async def test_a_replay_from_the_first_event_gives_identical_tables(
    audit_database: AuditDatabase,
) -> None:
    await audit_database.tell(many("acme"))
    position = await audit_database.project(10)
    async with audit_database.audit() as conn:
        report = await check(conn)
        assert (report.ok, report.position) == (True, position)
    async with audit_database.connection() as conn:
        await conn.execute("update smartops.tasks set status = 'completed'")
    async with audit_database.audit() as conn:
        report = await check(conn)
        assert report.different == ("tasks",)
    assert await replace_read_models(audit_database.audit_dsn) == position
    async with audit_database.audit() as conn:
        assert (await check(conn)).ok


async def test_a_replay_stops_where_the_read_models_stand(told: AuditDatabase) -> None:
    async with told.audit() as conn:
        projector = await Projector.open(Tables(conn))
        await projector.project(await read_after(conn, projector.place, 23))
        report = await check(conn)
        assert (report.ok, report.position) == (True, 23)
        assert (await rebuild_into_scratch(conn)) != (await rebuild_into_scratch(conn, 23))


async def test_a_batch_applied_twice_changes_nothing(audit_database: AuditDatabase) -> None:
    await audit_database.tell(many("acme"))
    await audit_database.project()
    async with audit_database.audit() as conn:
        before = await checksum(conn)
        place = await Tables(conn).place()
        assert place is not None
        everything = await read_after(conn, Place(0, None, PROJECTOR), 10_000)
        again = Projector(Tables(conn), place._replace(position=0), Heads())
        # As after a crash that lost the answer of a commit: the place is put back, the rows stay.
        await conn.execute("update smartops.progress set position = 0, hash = null")
        await again.project(everything)
        assert await checksum(conn) == before


async def test_the_second_of_two_projectors_stores_nothing(told: AuditDatabase) -> None:
    async with told.audit() as mine, told.audit() as theirs:
        first, second = [await Projector.open(Tables(conn)) for conn in (mine, theirs)]
        rows = await read_after(mine, first.place, 10)
        await first.project(rows)
        before = await checksum(mine)
        with pytest.raises(PlaceLost):
            await second.project(rows)
        assert await checksum(mine) == before


async def test_rows_are_loaded_again_once_memory_is_full(audit_database: AuditDatabase) -> None:
    await audit_database.tell(many("acme"))
    async with audit_database.audit() as conn:
        tables = Tables(conn)
        projector = await Projector.open(tables)
        forgetful = Projector(tables, projector.place, projector.heads, books=1)
        while rows := await read_after(conn, forgetful.place, 3):
            await forgetful.project(rows)
        assert (await check(conn)).ok


async def test_a_nul_in_an_intent_does_not_stop_audit(audit_database: AuditDatabase) -> None:
    await audit_database.tell([Story("acme", "t").submitted("fix \x00 this")])
    await audit_database.project()
    async with audit_database.reader("acme") as conn:
        assert await conn.fetchval("select intent from smartops.v_tasks") == "fix \ufffd this"


class _Newer(EventData):
    topic = "task.planned"
    schema_version = 99


class _Unheard(EventData):
    topic = "weather.changed"


def _strange(data: EventData, state: bytes | None = None) -> Unit:
    story = Story("acme", "strange")
    meta = EventMeta(
        id=story.run,
        tenant="acme",
        stream=f"acme/task-{story.task}",
        version=1,
        entity=str(story.task),
        task=story.task,
        cause=story.run,
        party="-",
        time=datetime.now(UTC),
    )
    event = NewEvent(
        meta.id, data.type_key(), meta.task, meta.cause, "-", state or encode(meta, data), None
    )
    return Unit([Trigger("test", story.run)], [Write(meta.stream, 0, [event])])


async def test_an_unknown_topic_is_counted(audit_database: AuditDatabase) -> None:
    async with audit_database.store() as store:
        await store.append(_strange(_Unheard()))
    assert await audit_database.project() == 1
    async with audit_database.connection() as conn:
        row = await conn.fetchrow("select * from smartops.unknown_topics")
        assert tuple(row) == ("acme", "weather.changed.v1", 1, 1, 1)


async def test_an_event_of_a_newer_release_is_never_skipped(
    audit_database: AuditDatabase,
) -> None:
    await audit_database.tell([Story("acme", "t").submitted()])
    async with audit_database.store() as store:
        await store.append(_strange(_Newer()))
    with pytest.raises(NewerEvent, match=r"position 3 holds task.planned.v99"):
        await audit_database.project()
    async with audit_database.audit() as conn:
        place = await Tables(conn).place()
        assert place is not None
        assert place.position == 2


async def test_an_event_that_breaks_its_contract_is_never_skipped(
    audit_database: AuditDatabase,
) -> None:
    unit = _strange(_Unheard())
    event = unit.writes[0].events[0]
    broken = replace(
        event,
        topic="task.planned.v1",
        state=event.state.replace(b"weather.changed", b"task.planned"),
    )
    async with audit_database.store() as store:
        await store.append(Unit(unit.triggers, [replace(unit.writes[0], events=[broken])]))
    with pytest.raises(UnreadableEvent, match=r"data\.number: Field required"):
        await audit_database.project()
