"""The vault in the database: who may do what there, and what stays gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from smartops.eventstore import LOGIN_ROLES, EventStore
from smartops.redact import Finder
from smartops.tool_gateway.tending import Tending
from smartops.vault import CannotOpen, Keeper, Opener, Vault, new_key, public_half
from support.store import LogDatabase, event, unit

pytest_plugins = ["support.store_fixtures"]

GATEWAY = "smartops_tool_gateway"
MAIL = "ana@example.com"
OLD, NEW = new_key(), new_key()


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(log_database: LogDatabase) -> AsyncIterator[EventStore]:
    """The gateway's store on an empty vault."""
    async with log_database.connection() as conn:
        await conn.execute("delete from smartops_vault.entries; delete from smartops_vault.answers")
    async with log_database.store(GATEWAY) as store:
        yield store


def keeper(store: EventStore, key: bytes = OLD) -> Keeper:
    return Keeper(store, Finder(), b"t" * 32, Opener([key]).sealer)


async def kept(store: EventStore, task: UUID, *texts: str, tenant: str = "acme") -> list[str]:
    """Values put in; their tokens."""
    own = keeper(store)
    found = [one for text in texts for one in own.take_out(tenant, text).found]
    await own.keep(tenant, task, found)
    return [one.token for one in found]


async def test_the_planner_puts_in_and_only_the_gateway_takes_out(
    store: EventStore, gateway: EventStore
) -> None:
    task = uuid4()
    [token] = await kept(store, task, MAIL)
    assert (await Vault(gateway, Opener([OLD])).values("acme", task, [token]))[token].value == MAIL
    with pytest.raises(Exception, match="permission denied"):
        await store.vault_get("acme", task, [token])
    with pytest.raises(Exception, match="permission denied"):
        await store.vault_erase("acme", task=task)


async def test_nobody_reaches_the_tables_and_others_not_even_a_function(
    log_database: LogDatabase, gateway: EventStore
) -> None:
    await kept(gateway, uuid4(), MAIL)
    calls = {
        "put": "select smartops_vault.put('acme', gen_random_uuid(), '{}', '{}', 'k', '{}')",
        "get": "select smartops_vault.get('acme', null, '{}')",
        "erase": "select smartops_vault.erase('acme', null, gen_random_uuid())",
        "answer": "select smartops_vault.answer('acme', gen_random_uuid(), '{}', '')",
        "answer_to": "select smartops_vault.answer_to(gen_random_uuid())",
        "under_other_keys": "select smartops_vault.under_other_keys('k', 1)",
        "reseal": "select smartops_vault.reseal('a', gen_random_uuid(), 't', 'k', 'l', '')",
        "sweep": "select smartops_vault.sweep('1 hour')",
    }
    may = {
        "smartops_planner": {"put"},
        GATEWAY: set(calls) - {"answer_to"},
        "smartops_reader": {"answer_to"},
    }
    for role in LOGIN_ROLES:
        async with log_database.connection(role) as conn:
            for table in ("entries", "answers"):
                for change in (f"select * from {table}", f"delete from {table}"):
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await conn.execute(change.replace(table, f"smartops_vault.{table}"))
            held = set()
            for name, call in calls.items():
                try:
                    await conn.execute(call)
                except asyncpg.InsufficientPrivilegeError:
                    continue
                held.add(name)
            assert held == may.get(role, set()), role


async def test_a_value_belongs_to_its_task_and_its_tenant(gateway: EventStore) -> None:
    vault, task = Vault(gateway, Opener([OLD])), uuid4()
    [token] = await kept(gateway, task, MAIL)
    assert await vault.values("acme", uuid4(), [token]) == {}
    assert await vault.values("globex", task, [token]) == {}
    assert token in await vault.values("acme", None, [token])


async def test_rows_of_other_tenants_are_out_of_a_functions_sight(
    log_database: LogDatabase, gateway: EventStore
) -> None:
    """The second lock alone: the owner, with no condition on the tenant."""
    await kept(gateway, uuid4(), MAIL)
    await kept(gateway, uuid4(), MAIL, tenant="globex")
    async with log_database.connection() as conn:
        await conn.execute("set role smartops_owner")
        seen = {}
        for tenant in ("acme", "globex", "nobody", "*"):
            await conn.execute("select set_config('smartops.vault_tenant', $1, false)", tenant)
            seen[tenant] = await conn.fetchval("select count(*) from smartops_vault.entries")
        await conn.execute("reset smartops.vault_tenant")
        assert await conn.fetchval("select count(*) from smartops_vault.entries") == 0
    assert seen == {"acme": 1, "globex": 1, "nobody": 0, "*": 2}


async def test_what_was_erased_by_token_is_gone_for_all_tasks_and_stays_so(
    gateway: EventStore,
) -> None:
    vault, one, two = Vault(gateway, Opener([OLD])), uuid4(), uuid4()
    [token] = await kept(gateway, one, MAIL)
    await kept(gateway, two, MAIL)
    assert await vault.erase("acme", token=token, task=None) == 2
    assert await vault.erase("acme", token=token, task=None) == 2, "asked twice, the same"
    await kept(gateway, one, MAIL)  # The intent comes once more.
    assert await vault.values("acme", None, [token]) == {}
    three = uuid4()
    await kept(gateway, three, MAIL)  # A new task may know the person again.
    assert token in await vault.values("acme", three, [token])


async def test_erasing_a_task_leaves_what_others_know(gateway: EventStore) -> None:
    vault, one, two = Vault(gateway, Opener([OLD])), uuid4(), uuid4()
    [mail, phone] = await kept(gateway, one, MAIL, "+49 30 901820")
    await kept(gateway, two, MAIL)
    assert await vault.erase("acme", token=None, task=one) == 2
    assert await vault.values("acme", one, [mail, phone]) == {}
    assert set(await vault.values("acme", None, [mail, phone])) == {mail}


async def test_no_byte_of_an_erased_value_is_left_in_the_table(
    log_database: LogDatabase, gateway: EventStore
) -> None:
    task = uuid4()
    await kept(gateway, task, MAIL)
    await Vault(gateway, None).erase("acme", token=None, task=task)
    async with log_database.connection() as conn:
        row = await conn.fetchrow("select * from smartops_vault.entries")
    assert row is not None
    assert (row["sealed"], row["key_id"]) == (None, None)
    assert row["erased_at"] is not None


async def test_an_answer_is_for_its_tenant_for_minutes_and_goes_with_the_value(
    log_database: LogDatabase, gateway: EventStore
) -> None:
    vault, task, command = Vault(gateway, Opener([OLD])), uuid4(), uuid4()
    [token] = await kept(gateway, task, MAIL)
    asker = Opener([NEW])
    values = await vault.values("acme", None, [token])
    await vault.tell("acme", command, _public(NEW), values)
    async with log_database.connection("smartops_reader") as reader:

        async def answer(tenant: str) -> bytes | None:
            await reader.execute("select set_config('smartops.tenant', $1, false)", tenant)
            return await reader.fetchval("select smartops_vault.answer_to($1)", command)

        sealed = await answer("acme")
        assert sealed is not None
        assert MAIL.encode() in asker.open(asker.sealer.key_id, sealed)
        assert [await answer(other) for other in ("globex", "*", "")] == [None] * 3
        async with log_database.connection() as conn:
            await conn.execute(
                "update smartops_vault.answers set given_at = now() - interval '11 minutes'"
            )
            assert await answer("acme") is None
            await conn.execute("update smartops_vault.answers set given_at = now()")
        await vault.erase("acme", token=token, task=None)
        assert await answer("acme") is None


async def test_values_move_to_a_new_key_and_the_old_one_can_go(gateway: EventStore) -> None:
    task = uuid4()
    texts = [f"a{n}@example.com" for n in range(5)]
    tokens = await kept(gateway, task, *texts)
    with pytest.raises(CannotOpen):
        await Vault(gateway, Opener([NEW])).values("acme", task, tokens)
    assert await Vault(gateway, Opener([NEW, OLD])).reseal() == 5
    values = await Vault(gateway, Opener([NEW])).values("acme", task, tokens)
    assert [values[token].value for token in tokens] == texts
    assert await Vault(gateway, Opener([NEW])).reseal() == 0


async def test_a_gateway_that_starts_puts_values_under_its_current_key(
    gateway: EventStore,
) -> None:
    task = uuid4()
    [token] = await kept(gateway, task, MAIL)
    tending = Tending(Vault(gateway, Opener([NEW, OLD])))

    async def key() -> str | None:
        return (await gateway.vault_get("acme", task, [token]))[token].key_id

    tending.start()
    try:
        async with asyncio.timeout(10):
            while await key() != _id(NEW):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.02)
    finally:
        await tending.stop()
    values = await Vault(gateway, Opener([NEW])).values("acme", task, [token])
    assert values[token].value == MAIL


async def test_only_values_without_any_event_are_swept(
    store: EventStore, gateway: EventStore
) -> None:
    vault, told, orphan = Vault(gateway, Opener([OLD])), uuid4(), uuid4()
    [token] = await kept(gateway, told, MAIL)
    await kept(gateway, orphan, MAIL)
    await store.append(unit("acme/task-1", 0, [event(task=told)]))
    assert await vault.sweep() == 0, "too young to tell"
    await asyncio.sleep(0.01)
    assert await vault.sweep(timedelta(milliseconds=1)) == 1
    assert token in await vault.values("acme", told, [token])
    assert await vault.values("acme", orphan, [token]) == {}


def _public(private: bytes) -> bytes:
    return public_half(private)


def _id(private: bytes) -> str:
    return Opener([private]).sealer.key_id
