"""Guards at the doors of the database, switched off: who may write and read what."""

from __future__ import annotations

from benchmarks.lib.guards.mutant import Edit, Mutant, Trial

__all__ = ["DOOR_GUARDS"]

_SQL = "libs/eventstore/src/smartops/eventstore/sql"
_TRY = Trial("permissions", ("--strangers", "1", "--relations", "4"))

DOOR_GUARDS = (
    Mutant(
        "category",
        "a role appends to its own categories only",
        (Edit(f"{_SQL}/0003_append.sql", "if v_allowed[s] is not true then", "if false then"),),
        _TRY,
        "a service writes history of another",
    ),
    Mutant(
        "tenant-of-stream",
        "an event stands in a stream of its tenant: by the append, and by the table",
        (
            Edit(
                f"{_SQL}/0003_append.sql",
                "if starts_with(p_streams[s], p_tenants[t] || '/') is not true then",
                "if false then",
            ),
            Edit(
                f"{_SQL}/0001_log.sql",
                "    constraint events_tenant   check (starts_with(stream, tenant || '/')),\n",
                "",
            ),
        ),
        _TRY,
        "an event of one tenant stands in a stream of another",
    ),
    Mutant(
        "append-only-grants",
        "nobody but the append writes to the log",
        (
            Edit(
                f"{_SQL}/0005_grants.sql",
                "grant select on smartops_log.events,",
                "grant select, insert, update, delete on smartops_log.events,",
            ),
        ),
        _TRY,
        "a service inserts into the log",
    ),
    Mutant(
        "row-security",
        "a reader sees the rows of the tenant that it named",
        (
            Edit(
                "services/audit/src/smartops/audit/sql/0001_read_models.sql",
                "'using (tenant = (select smartops.current_tenant()))', v_table);",
                "'using (true)', v_table);",
            ),
        ),
        _TRY,
        "a reader sees the rows of others",
    ),
)
