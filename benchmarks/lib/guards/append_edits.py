"""Edits of the append that more than one proof must notice."""

from __future__ import annotations

from benchmarks.lib.guards.mutant import Edit

__all__ = ["APPEND", "NO_INBOX", "NO_READ_CONDITIONS", "NO_VERSIONS"]

APPEND = "libs/eventstore/src/smartops/eventstore/sql/0003_append.sql"

_VERSION = "if v_ok and v_versions[p_check_stream[c]] is distinct from p_check_version[c] then"

NO_VERSIONS = Edit(APPEND, _VERSION, _VERSION.replace(" then", " and p_check_events[c] = 0 then"))
NO_READ_CONDITIONS = Edit(
    APPEND, _VERSION, _VERSION.replace(" then", " and p_check_events[c] > 0 then")
)

_ROWS = """\
                      p_trigger_reason) as q(unit, handler, cause, outcome, reason)
         where v_whole or o_status[q.unit] = 0"""

NO_INBOX = (
    Edit(
        APPEND,
        "x.cause = q.cause and x.handler = q.handler and x.role = v_role limit 1) x);",
        "false limit 1) x);",
    ),
    Edit(APPEND, f"{_ROWS};", f"{_ROWS} on conflict do nothing;"),
)
"""Both layers: that it is asked, and that a row can stand there but once."""
