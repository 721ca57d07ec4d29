"""Guards of the log, switched off: each must be missed by whoever contends for it or tampers."""

from __future__ import annotations

from benchmarks.lib.guards.append_edits import (
    APPEND,
    NO_INBOX,
    NO_READ_CONDITIONS,
    NO_VERSIONS,
)
from benchmarks.lib.guards.mutant import Edit, Mutant, Trial

__all__ = ["LOG_GUARDS"]

_SQL = "libs/eventstore/src/smartops/eventstore/sql"
_CONTEND = Trial("concurrent-writers", ("--units", "150"))
_TAMPER = Trial("tampering", ("--tasks", "20"))


LOG_GUARDS = (
    Mutant(
        "no-lock",
        "the advisory lock: one writer at a time",
        (Edit(APPEND, "perform pg_advisory_xact_lock(8317411231030800499);", "perform 1;"),),
        _CONTEND,
        "two writers take one position, so a sound unit fails",
    ),
    Mutant(
        "no-version-check",
        "the version that a write was decided on",
        (NO_VERSIONS,),
        _CONTEND,
        "a unit that was decided on another version is stored, or leaves a gap",
    ),
    Mutant(
        "no-read-condition",
        "the versions that a decision only read",
        (NO_READ_CONDITIONS,),
        _CONTEND,
        "a unit is stored though what it rests on has moved on",
    ),
    Mutant(
        "no-inbox",
        "the inbox: a trigger is handled once",
        NO_INBOX,
        _CONTEND,
        "a settled trigger is handled again",
    ),
    Mutant(
        "no-citation",
        "events that were taken from messages must stand in the log",
        (Edit(APPEND, "where x.digest is distinct from q.digest;", "where false;"),),
        _CONTEND,
        "a unit is stored that cites what the log does not hold",
    ),
    Mutant(
        "no-chain",
        "the hash chain: each hash covers the one before",
        (
            Edit(
                APPEND, "h := sha256(h || int8send(v_position)", "h := sha256(int8send(v_position)"
            ),
        ),
        _CONTEND,
        "the chain, computed anew, is another one",
    ),
    Mutant(
        "append-only-trigger",
        "the log is append-only for its owner and the superuser too",
        (
            Edit(
                f"{_SQL}/0001_log.sql",
                "raise exception '% on %.% is refused: the log is append-only', tg_op, "
                "tg_table_schema, tg_table_name",
                "return null;  raise exception '% % %', tg_op, tg_table_schema, tg_table_name",
            ),
        ),
        _TAMPER,
        "the owner may change what was appended",
    ),
    Mutant(
        "state-outside-chain",
        "the hash chain covers what an event says",
        (
            Edit(
                APPEND,
                "|| convert_to(p_event_topic[i], 'UTF8') || v_digests[i]);",
                "|| convert_to(p_event_topic[i], 'UTF8'));",
            ),
            Edit(
                "libs/eventstore/src/smartops/eventstore/chain.py",
                "                hashlib.sha256(row.state).digest(),\n",
                "",
            ),
        ),
        _TAMPER,
        "an edited state is not noticed",
    ),
    Mutant(
        "no-anchors",
        "heads kept outside the database",
        (
            Edit(
                "services/audit/src/smartops/audit/walk.py",
                "for anchor in read_anchors(anchors) if isinstance(anchors, Path) else anchors:",
                "for anchor in list[Anchor]():",
            ),
        ),
        _TAMPER,
        "an end that was cut off is not noticed",
    ),
)
