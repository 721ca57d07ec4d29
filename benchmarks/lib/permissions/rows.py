"""Rows of two tenants in every table that views show, made by the kinds of their columns alone.

So a table or a column that is added tomorrow is filled too, and a view that forgets the tenant
shows it.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256

import asyncpg
from smartops.eventstore import EventStore, NewEvent, Trigger, Unit, Write

from benchmarks.lib.permissions.database import Database

__all__ = ["COUNTS", "fill"]

COUNTS: Mapping[str, int] = {"acme": 3, "globex": 5, "acmeter": 2}
"""Rows of each tenant, per table; the last begins like the first."""

_PLANNER, _POLICY = "smartops_planner", "smartops_policy"

_SHOWN: Mapping[str, tuple[str, str]] = {
    "autonomy.changed.v2": ("autonomy", '{"agent":"drift","level":1,"reason":"%s"}'),
    "task.plan.validated.v1": ("gate", '{"rules":["%s"],"bundle":"b","engine":"e"}'),
    "policy.shadow.compared.v1": ("bundle", '{"digest":"%s","after":0,"through":1,"told":[]}'),
}
"""Events that views over the log itself show: the category of their stream, and their data."""


async def fill(database: Database, seed: int) -> None:
    """Make the rows: history by the append, read models past all guards."""
    dice = random.Random(f"rows {seed}")
    store = await EventStore.connect(database.dsns[_PLANNER])
    try:
        for tenant, count in COUNTS.items():
            await _history(store, tenant, count, dice)
    finally:
        await store.close(timedelta(seconds=2))
    policy = await EventStore.connect(database.dsns[_POLICY])
    try:
        for tenant, count in COUNTS.items():
            for number in range(count):
                await _told(policy, tenant, number, dice)
    finally:
        await policy.close(timedelta(seconds=2))
    async with database.session() as superuser:
        tables = await superuser.fetch(
            "select relname from pg_class where relnamespace = 'smartops'::regnamespace "
            "and relkind = 'r' and relname <> 'progress' order by 1"
        )
        for tenant, count in COUNTS.items():
            for table in tables:
                keyed_by_tenant = table["relname"] == "tenants"
                for number in range(1 if keyed_by_tenant else count):
                    await _row(superuser, table["relname"], tenant, number, dice)


async def _history(store: EventStore, tenant: str, count: int, dice: random.Random) -> None:
    for number in range(count):
        task = uuid.UUID(int=dice.getrandbits(128))
        event = NewEvent(
            event_id=uuid.UUID(int=dice.getrandbits(128)),
            topic="task.planned.v1",
            state=f'{{"of":"{tenant}","number":{number}}}'.encode(),
            party="-",
            task=task,
            cause=None,
            subject=None,
        )
        unit = Unit(
            [Trigger("planner.evidence", uuid.UUID(int=dice.getrandbits(128)))],
            [Write(f"{tenant}/task-{task}", 0, [event])],
            blobs=[_document(tenant, number)],
        )
        await store.append(unit)
        await store.park("planner.evidence", event.event_id, f"poison of {tenant}")
        await store.park(
            "planner.intents", uuid.UUID(int=dice.getrandbits(128)), "poison", b"{}", tenant
        )


async def _told(store: EventStore, tenant: str, number: int, dice: random.Random) -> None:
    for topic, (category, data) in _SHOWN.items():
        said = data % f"{number} of {tenant}"
        event = NewEvent(
            event_id=uuid.UUID(int=dice.getrandbits(128)),
            topic=topic,
            state=f'{{"data":{said}}}'.encode(),
            party="-",
            task=None,
            cause=None,
            subject=None,
        )
        name = f"{tenant}/{category}-{uuid.UUID(int=dice.getrandbits(128))}"
        trigger = Trigger("policy.plans", uuid.UUID(int=dice.getrandbits(128)))
        await store.append(Unit([trigger], [Write(name, 0, [event])]))


def _document(tenant: str, number: int) -> bytes:
    return f"plan {number} of {tenant}".encode()


async def _row(
    superuser: asyncpg.Connection, table: str, tenant: str, number: int, dice: random.Random
) -> None:
    columns = await superuser.fetch(
        "select attname, format_type(atttypid, null) as kind from pg_attribute "
        "where attrelid = ('smartops.' || $1)::regclass and attnum > 0 and not attisdropped "
        "order by attnum",
        table,
    )
    # A plan of one tenant that names the bytes of another shows none.
    whose = tenant if number else "globex"
    values = [_value(one["attname"], one["kind"], tenant, whose, number, dice) for one in columns]
    names = ", ".join(one["attname"] for one in columns)
    await superuser.execute(f"insert into smartops.{table} ({names}) values ({', '.join(values)})")


def _value(name: str, kind: str, tenant: str, whose: str, number: int, dice: random.Random) -> str:
    """A literal."""
    if name == "tenant":
        return f"'{tenant}'"
    if name.endswith(("_digest", "_hash")) and kind == "text":
        return f"'sha256:{sha256(_document(whose, number)).hexdigest()}'"
    if kind == "text" and name in {"topic", "status"}:
        return f"'{name}{number}'"
    literals = {
        "text": f"'{name} {number} of {tenant}'",
        "uuid": f"'{uuid.UUID(int=dice.getrandbits(128))}'",
        "bigint": str(number + 1),
        "integer": str(number + 1),
        "boolean": "false",
        "double precision": "1.5",
        "text[]": f"array['{name} of {tenant}']",
        "uuid[]": f"array['{uuid.UUID(int=dice.getrandbits(128))}'::uuid]",
        "jsonb": f"""'{{"of": "{tenant}"}}'""",
        "bytea": "decode(repeat('ab', 32), 'hex')",
        "timestamp with time zone": "clock_timestamp()",
    }
    return literals[kind]
