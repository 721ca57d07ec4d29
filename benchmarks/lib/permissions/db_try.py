"""Trying the whole table of the database on a running server."""

from __future__ import annotations

import asyncpg

from benchmarks.lib.permissions.cells import ALLOWED, DENIED, Cell, word
from benchmarks.lib.permissions.database import Database
from benchmarks.lib.permissions.db_attempts import ATTEMPTS, Attempt
from benchmarks.lib.permissions.db_catalog import (
    as_the_catalog_says,
    functions_of,
    nothing_left_out,
    powers,
    relations_of,
)
from benchmarks.lib.permissions.db_table import FUNCTIONS, OWNER, RELATIONS, ROLES

__all__ = ["try_database"]

_DENIALS = ("42501", "28000")
"""Insufficient privilege; not permitted to be that one."""
_NOT_GRANTED = "01007"
"""A warning: nothing was granted, since who grants has no right to."""


async def try_database(database: Database) -> list[Cell]:
    """Everything with each role, on a database that is used for nothing else."""
    async with database.session() as superuser:
        relations = await relations_of(superuser)
        functions = await functions_of(superuser)
        cells = [
            *await nothing_left_out(superuser, relations, functions),
            *await as_the_catalog_says(superuser, relations),
            *await powers(superuser),
        ]
    async with database.owner_may_enter():
        for role in ROLES:
            async with database.session(role) as session:
                for name in sorted(RELATIONS.keys() & relations.keys()):
                    cells += await _try_relation(session, role, name, relations[name])
                for name, call in functions:
                    cells.append(await _try_function(session, role, name, call))
                for attempt in ATTEMPTS:
                    cells.append(await _try_attempt(session, role, attempt))
    return cells


async def _try_relation(
    session: asyncpg.Connection, role: str, name: str, column: str
) -> list[Cell]:
    """Each privilege by a statement that touches no row."""
    given = RELATIONS[name].get(role, frozenset())
    statements = {
        "select": f"select * from {name} limit 0",
        "insert": f"insert into {name} select where false",
        "update": f"update {name} set {column} = default where false",
        "delete": f"delete from {name} where false",
        "truncate": f"truncate {name}",
    }
    cells = []
    for privilege, statement in statements.items():
        if role == OWNER and ".v_" in name and privilege != "select":
            continue  # What a view writes through to is tried by itself.
        measured = await _outcome(session, statement)
        # What PostgreSQL cannot do with that relation it refuses before rights matter; the catalog
        # has told what they are.
        if measured in {ALLOWED, DENIED}:
            cells.append(Cell(role, statement, word(privilege in given), measured))
    return cells


async def _try_function(session: asyncpg.Connection, role: str, name: str, call: str) -> Cell:
    """Nothing but nulls: whoever may execute it is told so by the function itself."""
    measured = await _outcome(session, f"select {call}")
    expected = word(role in FUNCTIONS.get(name, ()))
    return Cell(role, f"execute {call}", expected, word(measured != DENIED))


async def _try_attempt(session: asyncpg.Connection, role: str, attempt: Attempt) -> Cell:
    expected = word(role in attempt.may or attempt.sql == f"set role {role}")
    if attempt.sql == f"set session authorization {role}":
        expected = ALLOWED
    measured = await _outcome(session, attempt.sql, apart=attempt.apart)
    return Cell(role, attempt.sql, expected, measured, attempt.why)


async def _outcome(session: asyncpg.Connection, statement: str, *, apart: bool = False) -> str:
    """Allowed, denied, or impossible for other reasons."""
    told: list[str] = []

    def hear(_: object, message: asyncpg.PostgresLogMessage) -> None:
        told.append(message.sqlstate)

    session.add_log_listener(hear)
    transaction = None if apart else session.transaction()
    if transaction is not None:
        await transaction.start()
    try:
        if transaction is not None:  # What looks at one tenant asks which.
            await session.execute("select set_config('smartops.tenant', 'acme', true)")
        await session.execute(statement)
    except asyncpg.PostgresError as error:
        if error.sqlstate in _DENIALS:
            return DENIED
        return f"{error.sqlstate} {error}".splitlines()[0]
    finally:
        if transaction is not None:
            await transaction.rollback()
        session.remove_log_listener(hear)
    return DENIED if _NOT_GRANTED in told else ALLOWED
