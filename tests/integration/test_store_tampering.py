"""The chain that the database writes is the chain that the verifier recomputes."""

from __future__ import annotations

import asyncio
import random
from uuid import uuid4

import asyncpg
import pytest
from smartops.eventstore import Committed, Head
from smartops.eventstore.__main__ import main
from smartops.eventstore.chain import Broken, Verifier, verify
from support.store import LogDatabase, event, unit

pytest_plugins = ["support.store_fixtures"]


async def fill(database: LogDatabase) -> None:
    async with database.store() as store:
        for tenant in ("acme", "umbrella", "_platform"):
            results = await asyncio.gather(
                *(
                    store.append(
                        unit(
                            f"{tenant}/task-é"[:-1] + f"{n}",
                            0,
                            [
                                event(f"töpic.{n}", state=random.randbytes(n * 100 + 1))
                                for _ in range(3)
                            ],
                        )
                    )
                    for n in range(5)
                )
            )
            assert all(isinstance(result, Committed) for result in results)


async def test_the_verifier_recomputes_what_the_database_wrote(log_database: LogDatabase) -> None:
    await fill(log_database)
    async with log_database.store() as store:
        rows = await store.read_log(0)
        heads = await store.heads()
    assert len(rows) == 45
    verifier = Verifier(anchors=heads)
    assert verifier.feed(rows[:20]) is None
    assert verifier.feed(rows[20:]) is None
    assert verifier.finish(heads) is None
    assert sorted(verifier.heads.values(), key=lambda head: head.tenant) == heads


@pytest.mark.parametrize(
    ("tampering", "position"),
    [
        ("update smartops_log.events set state = state || 'x' where position = 7", 7),
        ("update smartops_log.events set topic = 'other' where position = 7", 7),
        ("update smartops_log.events set event_id = gen_random_uuid() where position = 7", 7),
        ("update smartops_log.events set version = 99 where position = 7", 7),
        ("update smartops_log.events set stream = 'acme/task-x' where position = 7", 7),
        ("update smartops_log.events set hash = sha256('') where position = 7", 7),
        ("delete from smartops_log.events where position = 7", 8),
        (
            """delete from smartops_log.events where position = 7;
            -- In two steps: the key is checked row by row, in whatever order they lie.
            update smartops_log.events set position = position + 1000 where position > 7;
            update smartops_log.events set position = position - 1001 where position > 1000""",
            7,
        ),
        (
            """update smartops_log.events set position = 1000 where position = 7;
            update smartops_log.events set position = 7 where position = 8;
            update smartops_log.events set position = 8 where position = 1000""",
            7,
        ),
    ],
)
async def test_a_superusers_edit_is_found_at_its_place(
    log_database: LogDatabase, tampering: str, position: int
) -> None:
    await fill(log_database)
    async with log_database.connection() as conn:
        await conn.execute("alter table smartops_log.events disable trigger events_append_only")
        await conn.execute(tampering)
    async with log_database.store() as store:
        broken = verify(await store.read_log(0))
    assert isinstance(broken, Broken)
    assert broken.position == position
    assert await asyncio.to_thread(main, ["verify", "--dsn", log_database.dsn]) == 1


async def test_a_cut_off_tail_is_found_by_an_anchor(log_database: LogDatabase) -> None:
    await fill(log_database)
    async with log_database.store() as store:
        anchors = await store.heads()
    async with log_database.connection() as conn:
        await conn.execute("alter table smartops_log.events disable trigger events_append_only")
        await conn.execute("delete from smartops_log.events where position > 40")
    async with log_database.store() as store:
        rows = await store.read_log(0)
    assert verify(rows) is None
    verifier = Verifier(anchors=anchors)
    assert verifier.feed(rows) is None
    broken = verifier.finish()
    assert broken is not None
    assert broken.why == "the log ends before this anchored head"


async def test_a_rewritten_log_is_found_by_an_anchor(log_database: LogDatabase) -> None:
    await fill(log_database)
    async with log_database.store() as store:
        rows = await store.read_log(0)
        [acme, *_] = [head for head in await store.heads() if head.tenant == "acme"]
    other = Head(acme.tenant, acme.position, acme.count, b"\x01" * 32)
    broken = Verifier(anchors=[other]).feed(rows)
    assert broken == Broken(
        acme.position, "acme", "the anchored head differs: the log was written anew"
    )


async def test_the_chain_cannot_fork_even_without_the_append(log_database: LogDatabase) -> None:
    await fill(log_database)
    async with log_database.connection() as conn:
        with pytest.raises(asyncpg.UniqueViolationError):
            await conn.execute(
                "insert into smartops_log.events select 46, tenant, ordinal, 'acme/task-fork', 1, "
                "$1, topic, task, cause, party, state, hash from smartops_log.events "
                "where position = 3",
                uuid4(),
            )
