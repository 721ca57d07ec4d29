"""What the log's functions let a role do: append to its own categories, and see its own rows."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta

import asyncpg
from smartops.eventstore import (
    CategoryForbidden,
    Committed,
    EventStore,
    NewEvent,
    TenantMismatch,
    TimerSet,
    Trigger,
    Unit,
    Write,
)
from smartops.eventstore.admission import admit
from smartops.eventstore.batch import APPEND, Batch

from benchmarks.lib.permissions.cells import ALLOWED, DENIED, Cell, word
from benchmarks.lib.permissions.database import Database
from benchmarks.lib.permissions.db_table import CATEGORIES, SERVICES

__all__ = ["try_appends"]

_CHECK_FAILED = "23514"
_TENANTS = ("acme", "globex", "_platform")
_OWN_ROWS = {
    "outbox": "select count(*) from smartops_log.outbox_pending('0 s', 1000)",
    "parked triggers": "select count(*) from smartops_log.parked(1000)",
    "timers": "select count(*) from smartops_log.due_timers(1000) where o_timer_id is not null",
    "published places": "select count(*) from smartops_log.publications_before('infinity', 1000)",
    "tracking": "select count(smartops_log.tracked('x'))",
    "snapshots": "select count(*) from smartops_log.snapshot('acme/task-1', 'x')",
}
_MAKES = (
    "select smartops_log.park('x.x', gen_random_uuid(), 'poison', null, 'acme')",
    "select smartops_log.note_published(1, 'x', 1, gen_random_uuid(), '1 day')",
    "select smartops_log.track('x', 1)",
    "select smartops_log.put_snapshot('acme/task-1', 'x', 1, 1, sha256(''), '', sha256(''))",
)


async def try_appends(database: Database, seed: int) -> list[Cell]:
    """Each service with each category and tenant, and with the rows of the others."""
    dice = random.Random(f"appends {seed}")
    cells = []
    for role in SERVICES:
        store = await EventStore.connect(database.dsns[role])
        try:
            for category, roles in CATEGORIES.items():
                for tenant in _TENANTS:
                    measured = await _append(store, f"{tenant}/{category}-{_id(dice)}", dice)
                    what = f"append to {tenant}/{category}-"
                    cells.append(Cell(role, what, word(role in roles), measured))
            measured = await _append(store, f"acme/cmd-{_id(dice)}", dice, tenant="globex")
            cells.append(Cell(role, "append to acme's stream as globex", DENIED, measured))
            measured = await _append_unchecked(database, role, dice)
            what = "append to acme's stream as globex, past our own library"
            cells.append(Cell(role, what, DENIED, measured))
        finally:
            await store.close(timedelta(seconds=1))
    for role in SERVICES:
        cells += await _own_rows(database, role, dice)
    return cells


def _id(dice: random.Random) -> uuid.UUID:
    return uuid.UUID(int=dice.getrandbits(128))


async def _append(
    store: EventStore, stream: str, dice: random.Random, *, tenant: str | None = None
) -> str:
    try:
        result = await store.append(_unit(stream, dice, tenant=tenant))
    except (CategoryForbidden, TenantMismatch):
        return DENIED
    return ALLOWED if isinstance(result, Committed) else repr(result)


async def _append_unchecked(database: Database, role: str, dice: random.Random) -> str:
    """The same by the bare statement: whoever has the password need not use our library."""
    batch = Batch([admit(_unit(f"acme/cmd-{_id(dice)}", dice))])
    tenants, *others = batch.arguments()
    assert tenants == ["acme"]
    async with database.session(role) as session:
        try:
            answer = await session.fetchrow(APPEND, ["globex"], *others)
        except asyncpg.PostgresError as error:
            return DENIED if error.sqlstate in ("SO002", _CHECK_FAILED) else repr(error)
    return ALLOWED if answer is not None and answer["o_status"] == [0] else repr(answer)


def _unit(
    stream: str, dice: random.Random, *, tenant: str | None = None, complete: bool = False
) -> Unit:
    """One event; a complete unit is to be published, and has a timer."""
    event = NewEvent(
        event_id=_id(dice),
        topic="task.planned.v1",
        state=b"{}",
        party="-",
        task=None,
        cause=None,
        subject="x" if complete else None,
    )
    timer = TimerSet(_id(dice), "x.x", stream, "x", due=timedelta(0))
    return Unit(
        [Trigger("x.x", _id(dice))],
        [Write(stream, 0, [event])],
        timers=[timer] if complete else [],
        tenant=tenant,
    )


async def _own_rows(database: Database, role: str, dice: random.Random) -> list[Cell]:
    """One role makes a row of each kind; it sees one more, and nobody else does."""
    before = {name: await _seen(database, name) for name in SERVICES}
    store = await EventStore.connect(database.dsns[role])
    try:
        await store.append(_unit(f"acme/cmd-{_id(dice)}", dice, complete=True))
    finally:
        await store.close(timedelta(seconds=1))
    async with database.session(role) as session:
        for make in _MAKES:
            await session.execute(make)
    after = {name: await _seen(database, name) for name in SERVICES}
    return [
        Cell(
            name,
            f"see {kind} of {role}",
            word(name == role),
            word(after[name][kind] != before[name][kind]),
            "Rows belong to a role.",
        )
        for name in SERVICES
        for kind in _OWN_ROWS
    ]


async def _seen(database: Database, role: str) -> dict[str, int]:
    async with database.session(role) as session:
        return {kind: int(await session.fetchval(sql)) for kind, sql in _OWN_ROWS.items()}
