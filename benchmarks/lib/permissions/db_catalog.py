"""What the database has, and what its catalog says of rights: whether the table knows it all."""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg

from benchmarks.lib.permissions.cells import ALLOWED, Cell, known, word
from benchmarks.lib.permissions.db_table import (
    FUNCTIONS,
    OWNER,
    PRIVILEGES,
    RELATIONS,
    ROLES,
    SCHEMAS,
)

__all__ = [
    "as_the_catalog_says",
    "functions_of",
    "nothing_left_out",
    "powers",
    "relations_of",
]

_CATALOG_ONLY = ("references", "trigger", "maintain")
"""Privileges that nobody but the owner has, and that are not tried."""


async def relations_of(superuser: asyncpg.Connection) -> dict[str, str]:
    """Each relation outside of PostgreSQL's own schemas, with a column that can be set."""
    rows = await superuser.fetch(
        "select n.nspname || '.' || c.relname as name, "
        "(select quote_ident(a.attname) from pg_attribute a where a.attrelid = c.oid "
        "    and a.attnum > 0 and a.attgenerated = '' order by a.attnum limit 1) as column "
        "from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_' "
        "and n.nspname <> 'information_schema'"
    )
    return {row["name"]: row["column"] for row in rows}


async def functions_of(superuser: asyncpg.Connection) -> list[tuple[str, str]]:
    """The same for functions, with a call that gives nulls."""
    rows = await superuser.fetch(
        "select n.nspname || '.' || p.proname as name, n.nspname || '.' || p.proname || '(' || "
        "coalesce((select string_agg('null::' || format_type(t.oid, null), ', ' order by t.n) "
        "    from unnest(p.proargtypes) with ordinality as t(oid, n)), '') || ')' as call "
        "from pg_proc p join pg_namespace n on n.oid = p.pronamespace "
        "where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1, 2"
    )
    return [(row["name"], row["call"]) for row in rows]


async def nothing_left_out(
    superuser: asyncpg.Connection, relations: Mapping[str, str], functions: list[tuple[str, str]]
) -> list[Cell]:
    schemas = await superuser.fetch(
        "select nspname from pg_namespace where nspname !~ '^pg_' "
        "and nspname <> 'information_schema'"
    )
    there = {
        "relation": set(relations),
        "function": {name for name, _ in functions},
        "schema": {row[0] for row in schemas},
    }
    table = {"relation": set(RELATIONS), "function": set(FUNCTIONS), "schema": set(SCHEMAS)}
    return [
        Cell(
            "the table",
            f"know the {kind} {name}",
            ALLOWED,
            known(name in there[kind], name in table[kind]),
        )
        for kind in table
        for name in sorted(there[kind] | table[kind])
    ]


async def as_the_catalog_says(
    superuser: asyncpg.Connection, relations: Mapping[str, str]
) -> list[Cell]:
    """The same once more as PostgreSQL computes it, down to single columns."""
    cells = []
    for role in ROLES:
        for name in sorted(RELATIONS.keys() & relations.keys()):
            given = RELATIONS[name].get(role, frozenset())
            for privilege in (*PRIVILEGES, *_CATALOG_ONLY):
                if role == OWNER and privilege in _CATALOG_ONLY:
                    continue
                held = await _holds(superuser, role, name, privilege)
                cells.append(
                    Cell(role, f"hold {privilege} on {name}", word(privilege in given), held)
                )
        for schema, rights in SCHEMAS.items():
            for privilege, roles in rights.items():
                held = await superuser.fetchval(
                    "select has_schema_privilege($1, $2, $3)", role, schema, privilege
                )
                cells.append(
                    Cell(role, f"hold {privilege} on {schema}", word(role in roles), word(held))
                )
    return cells


async def _holds(superuser: asyncpg.Connection, role: str, name: str, privilege: str) -> str:
    test = "has_table_privilege($1, $2, $3)"
    if privilege in {"select", "insert", "update", "references"}:
        test += " or has_any_column_privilege($1, $2, $3)"
    return word(await superuser.fetchval(f"select {test}", role, name, privilege))


async def powers(superuser: asyncpg.Connection) -> list[Cell]:
    """Attributes and memberships that pass every other right by."""
    cells = []
    for role in ROLES:
        row = await superuser.fetchrow(
            "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, "
            "exists (select from pg_auth_members m where m.member = r.oid) as member, "
            "rolcanlogin as login from pg_roles r where rolname = $1",
            role,
        )
        assert row is not None, "the role exists"
        for power, held in row.items():
            expected = word(power == "login" and role != OWNER)
            cells.append(Cell(role, f"have the power {power}", expected, word(held)))
    return cells
