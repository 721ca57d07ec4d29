"""Who may do what in the database: a table written by hand from the design.

What the database has and this page does not is a violation, so a new table or function is not
forgotten, and the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "AUDIT",
    "CATEGORIES",
    "FUNCTIONS",
    "LOGINS",
    "LOG_FUNCTIONS",
    "OWNER",
    "PRIVILEGES",
    "READER",
    "RELATIONS",
    "ROLES",
    "SCHEMAS",
    "SERVICES",
]

PLANNER, POLICY, RUNNER, GATEWAY = (
    f"smartops_{name}" for name in ("planner", "policy", "runner", "tool_gateway")
)
AUDIT, READER, OWNER = "smartops_audit", "smartops_reader", "smartops_owner"
SERVICES = (PLANNER, POLICY, RUNNER, GATEWAY, AUDIT)
LOGINS = (*SERVICES, READER)
ROLES = (*LOGINS, OWNER)
"""`smartops_owner` cannot log in: a superuser tries in its place."""

PRIVILEGES = ("select", "insert", "update", "delete", "truncate")

Rights = Mapping[str, frozenset[str]]
"""Privileges by role; a role that is not named has none."""

_READ = frozenset({"select"})
_ADD = frozenset({"select", "insert"})
_WRITE = frozenset({"select", "insert", "update", "delete"})
_ALL = frozenset(PRIVILEGES)


def _rights(*given: tuple[tuple[str, ...], frozenset[str]]) -> Rights:
    return MappingProxyType({role: rights for roles, rights in given for role in roles})


# The log itself: every service reads it, nobody writes it but by append_units(), as the owner. Even
# the owner has only what that function needs.
_LOG = _rights((SERVICES, _READ), ((OWNER,), _ADD))
_ENDS_OF_CHAINS = _rights((SERVICES, _READ), ((OWNER,), _ALL))
# Work in progress: by functions only, which show each role its own rows.
_WORK = _rights(((OWNER,), _ALL))
# Read models: audit folds them. TRUNCATE is not among its rights: it passes row level security by.
_MODEL = _rights(((AUDIT,), _WRITE), ((OWNER,), _ALL))
# A view that runs with the rights of who looks needs the reader's right on the model beneath; row
# level security then shows one tenant.
_MODEL_SEEN = _rights(((AUDIT,), _WRITE), ((READER,), _READ), ((OWNER,), _ALL))
_VIEW = _rights(((AUDIT, READER), _READ), ((OWNER,), _ALL))

RELATIONS: Mapping[str, Rights] = MappingProxyType(
    {
        "smartops_log.events": _LOG,
        "smartops_log.blobs": _LOG,
        "smartops_log.heads": _ENDS_OF_CHAINS,
        "smartops_log.inbox": _WORK,
        "smartops_log.outbox": _WORK,
        "smartops_log.timers": _WORK,
        "smartops_log.handlers": _WORK,
        "smartops_log.publications": _WORK,
        "smartops_log.tracking": _WORK,
        "smartops_log.snapshots": _WORK,
        "smartops_log.writers": _WORK,
        "smartops_log.migrations": _WORK,
        "smartops_vault.entries": _WORK,
        "smartops_vault.answers": _WORK,
        "smartops.progress": _MODEL,
        "smartops.tenants": _MODEL,
        "smartops.plans": _MODEL,
        "smartops.unknown_topics": _MODEL,
        "smartops.actors": _MODEL_SEEN,
        "smartops.tasks": _MODEL_SEEN,
        "smartops.approvals": _MODEL_SEEN,
        "smartops.runs": _MODEL_SEEN,
        "smartops.phases": _MODEL_SEEN,
        "smartops.tool_calls": _MODEL_SEEN,
        "smartops.tools": _MODEL_SEEN,
        "smartops.track": _MODEL_SEEN,
        "smartops.delegations": _MODEL_SEEN,
        "smartops.standings": _MODEL_SEEN,
        "smartops.standing_uses": _MODEL_SEEN,
        "smartops.mandate_ends": _MODEL_SEEN,
        "smartops.v_tenants": _VIEW,
        "smartops.v_actors": _VIEW,
        "smartops.v_tasks": _VIEW,
        "smartops.v_plans": _VIEW,
        "smartops.v_approvals": _VIEW,
        "smartops.v_runs": _VIEW,
        "smartops.v_phases": _VIEW,
        "smartops.v_tool_calls": _VIEW,
        "smartops.v_tools": _VIEW,
        "smartops.v_autonomy": _VIEW,
        "smartops.v_track": _VIEW,
        "smartops.v_delegations": _VIEW,
        "smartops.v_standings": _VIEW,
        "smartops.v_decisions": _VIEW,
        "smartops.v_bundles": _VIEW,
        "smartops.v_shadow": _VIEW,
        "smartops.v_events": _VIEW,
        "smartops.v_parked": _VIEW,
    }
)

LOG_FUNCTIONS = (
    *("append_units", "outbox_done", "outbox_pending", "outbox_backlog"),
    *("park", "parked", "settled", "unpark", "due_timers", "register_handlers", "unhandled"),
    *("note_published", "publications_before", "track", "tracked"),
    *("snapshot", "put_snapshot", "drop_snapshots"),
)
"""Each is limited to the caller's own rows and categories."""

INCARNATIONS = ("incarnation_begin", "incarnations_alive")
"""By the first a process shows that it lives, by the other it is told of others."""

VAULT_FUNCTIONS = ("get", "erase", "answer", "under_other_keys", "reseal", "sweep")
"""They take values out of the vault, or delete them."""

GENERATIONS = ("begin_generation", "keep_generation", "switch_generation", "drop_generation")
"""They let audit build new read models beside the old ones, and put them in their place."""

FUNCTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **{f"smartops_log.{name}": (*SERVICES, OWNER) for name in LOG_FUNCTIONS},
        **{f"smartops_log.{name}": (GATEWAY, OWNER) for name in INCARNATIONS},
        # Only the two before call it.
        "smartops_log.incarnation_key": (OWNER,),
        # Who brings personal data into the log puts it away first; nobody else takes it out.
        "smartops_vault.put": (PLANNER, GATEWAY, OWNER),
        **{f"smartops_vault.{name}": (GATEWAY, OWNER) for name in VAULT_FUNCTIONS},
        # Sealed to who asked, so the reader is welcome to it.
        "smartops_vault.answer_to": (READER, OWNER),
        # A trigger's function: nobody calls it.
        "smartops_log.refuse_change": (OWNER,),
        "smartops.current_tenant": (AUDIT, READER, OWNER),
        **{f"smartops.{name}": (AUDIT, OWNER) for name in GENERATIONS},
    }
)
"""Who may execute what."""

SCHEMAS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "smartops_log": {"usage": (*SERVICES, OWNER), "create": (OWNER,)},
        "smartops_vault": {"usage": (PLANNER, GATEWAY, READER, OWNER), "create": (OWNER,)},
        "smartops": {"usage": (AUDIT, READER, OWNER), "create": (OWNER,)},
        # Audit fills the tables there; only the owner's functions make, move and drop them.
        "smartops_next": {"usage": (AUDIT, OWNER), "create": (OWNER,)},
        "smartops_last": {"usage": (OWNER,), "create": (OWNER,)},
        # PostgreSQL's own; empty, and nobody of ours can put anything there.
        "public": {"usage": ROLES, "create": ()},
    }
)

CATEGORIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "task": (PLANNER,),
        "agent": (PLANNER,),
        "budget": (PLANNER,),
        "gate": (POLICY,),
        "actor": (POLICY,),
        "autonomy": (POLICY,),
        "track": (POLICY,),
        "bundle": (POLICY,),
        "run": (RUNNER,),
        "target": (RUNNER,),
        "call": (GATEWAY,),
        "tool": (GATEWAY,),
        "limit": (GATEWAY,),
        "session": (GATEWAY,),
        # Refused commands: each service answers those that are addressed to it.
        "cmd": SERVICES,
        # Nobody's yet.
        "notification": (),
        "house": (),
    }
)
"""Which category of stream each role may append to."""
