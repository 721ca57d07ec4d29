"""What the database's superuser can do to the log, once its guards against change are off."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from smartops.audit.adapters.tables import Connection
from smartops.eventstore.chain import GENESIS, chain_hash
from smartops.eventstore.reader import COLUMNS
from smartops.eventstore.rows import StoredRow

__all__ = ["ATTACKS", "REFUSED", "Attack"]

Attack = Callable[[Connection, random.Random, int], Awaitable[object]]
"""Tampers with a log of so many events, somewhere."""

REFUSED = (
    "update smartops_log.events set party = party where position = 1",
    "delete from smartops_log.events where position = 1",
    "truncate smartops_log.events cascade",
    "update smartops_log.blobs set tenant = tenant",
    "delete from smartops_log.blobs",
    "truncate smartops_log.blobs",
)
"""What nobody may do, the tables' owner and the superuser included."""


def _edit(column: str, value: str) -> Attack:
    async def attack(conn: Connection, chance: random.Random, events: int) -> None:
        await conn.execute(
            f"update smartops_log.events set {column} = {value} where position = $1",
            chance.randint(1, events),
        )

    return attack


async def _reword(conn: Connection, chance: random.Random, events: int) -> None:
    """Another year somewhere: well-formed, and canonical as ever."""
    place = chance.randint(1, events)
    state = await conn.fetchval("select state from smartops_log.events where position = $1", place)
    await conn.execute(
        "update smartops_log.events set state = $2 where position = $1",
        place,
        state.replace(b"20", b"21", 1),
    )


async def _delete(conn: Connection, chance: random.Random, events: int) -> None:
    # Not the last one: only an anchor could tell of that.
    place = chance.randint(1, events // 2)
    await conn.execute("delete from smartops_log.events where position = $1", place)


async def _delete_and_close(conn: Connection, chance: random.Random, events: int) -> None:
    place = chance.randint(1, events // 2)
    await conn.execute("delete from smartops_log.events where position = $1", place)
    # By way of negative numbers: the key must hold for every row on the way.
    for statement in (
        "alter table smartops_log.events drop constraint events_place",
        "update smartops_log.events set position = -position where position > $1",
        "update smartops_log.events set position = -position - 1 where position < 0 and $1 > 0",
    ):
        await conn.execute(statement, *((place,) if "$1" in statement else ()))


async def _swap(conn: Connection, chance: random.Random, events: int) -> None:
    place = chance.randint(1, events - 1)
    await conn.execute(
        "update smartops_log.events e set state = o.state, topic = o.topic, "
        "event_id = gen_random_uuid() from smartops_log.events o "
        "where e.position in ($1::bigint, $1 + 1) and o.position = 2 * $1 + 1 - e.position",
        place,
    )


async def _insert(conn: Connection, chance: random.Random, events: int) -> None:
    await conn.execute(
        "insert into smartops_log.events (position, tenant, ordinal, stream, version, event_id, "
        "topic, task, cause, party, state, hash) "
        "select $2::bigint + 1, tenant, (select max(m.ordinal) + 1 from smartops_log.events m "
        "where m.tenant = e.tenant), stream, 9999, gen_random_uuid(), topic, task, cause, party, "
        "state, sha256(state) from smartops_log.events e where position = $1",
        chance.randint(1, events),
        events,
    )


async def _cut_off(conn: Connection, chance: random.Random, events: int) -> None:
    last = events - chance.randint(1, 5)
    await conn.execute("delete from smartops_log.events where position > $1", last)


async def _write_anew(conn: Connection, chance: random.Random, events: int) -> None:
    """A perfect forgery: one event changed, and every hash behind it computed again."""
    place = chance.randint(1, events)
    heads: dict[str, bytes] = {}
    for record in await conn.fetch(f"select {COLUMNS} from smartops_log.events order by position"):
        row = StoredRow._make(record)
        if row.position == place:
            row = row._replace(state=row.state.replace(b"20", b"21", 1))
        hashed = heads[row.tenant] = chain_hash(heads.get(row.tenant, GENESIS), row)
        await conn.execute(
            "update smartops_log.events set state = $2, hash = $3 where position = $1",
            row.position,
            row.state,
            hashed,
        )


async def _alter_blob(conn: Connection, chance: random.Random, events: int) -> None:
    del events
    await conn.execute("alter table smartops_log.blobs alter column digest drop expression")
    digests = await conn.fetch("select digest from smartops_log.blobs order by digest")
    await conn.execute(
        "update smartops_log.blobs set content = content || ' '::bytea where digest = $1",
        chance.choice(digests)[0],
    )


async def _drop_blob(conn: Connection, chance: random.Random, events: int) -> None:
    del events
    digests = await conn.fetch("select digest from smartops_log.blobs order by digest")
    digest = chance.choice(digests)[0]
    await conn.execute("delete from smartops_log.blobs where digest = $1", digest)


ATTACKS: dict[str, Attack] = {
    "the state is edited": _edit("state", "state || ' '::bytea"),
    "a word of the state is edited": _reword,
    "the hash is edited": _edit("hash", "sha256('x')"),
    "the version is edited": _edit("version", "9999"),
    "the topic is edited": _edit("topic", "topic || 'x'"),
    "the id is edited": _edit("event_id", "gen_random_uuid()"),
    "the task is edited": _edit("task", "gen_random_uuid()"),
    "the cause is edited": _edit("cause", "gen_random_uuid()"),
    "the party is edited": _edit("party", "'somebody'"),
    "two are swapped": _swap,
    "one is deleted": _delete,
    "one is deleted and the gap closed": _delete_and_close,
    "one is added": _insert,
    "the end is cut off": _cut_off,
    "all is written anew": _write_anew,
    "a blob is altered": _alter_blob,
    "a blob is deleted": _drop_blob,
}
