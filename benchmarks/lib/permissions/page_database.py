"""The tables of the database, as a page shows them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.lib.permissions.db_attempts import ATTEMPTS, Attempt
from benchmarks.lib.permissions.db_table import (
    AUDIT,
    CATEGORIES,
    FUNCTIONS,
    OWNER,
    PRIVILEGES,
    READER,
    RELATIONS,
    ROLES,
    SCHEMAS,
    SERVICES,
)
from benchmarks.lib.permissions.markdown import codes, table

__all__ = ["attempts", "categories", "functions", "relations"]


def relations() -> str:
    """Who holds what on relations and schemas."""
    kinds: dict[tuple[str, ...], list[str]] = {}
    for name, rights in RELATIONS.items():
        shown = tuple(_privileges(rights.get(role, frozenset())) for role in ROLES)
        kinds.setdefault(shown, []).append(name)
    for name, given in SCHEMAS.items():
        shown = tuple(
            ", ".join(right for right, roles in given.items() if role in roles) or "-"
            for role in ROLES
        )
        kinds.setdefault(shown, []).append(f"schema {name}")
    return table(
        ["of", *(_short(role) for role in ROLES)],
        [[codes(names), *shown] for shown, names in kinds.items()],
    )


def _privileges(held: frozenset[str]) -> str:
    if held == frozenset(PRIVILEGES):
        return "all"
    return ", ".join(right for right in PRIVILEGES if right in held) or "-"


def functions() -> str:
    """Who may execute what."""
    kinds: dict[tuple[str, ...], list[str]] = {}
    for name, roles in FUNCTIONS.items():
        kinds.setdefault(tuple(roles), []).append(name)
    return table(
        ["may execute", *(_short(role) for role in ROLES)],
        [
            [codes(names), *("yes" if role in roles else "-" for role in ROLES)]
            for roles, names in kinds.items()
        ],
    )


def categories() -> str:
    """Who may append where."""
    return table(
        ["through `append_units`", "streams of any tenant"],
        [
            [
                _short(role),
                codes(f"{name}-" for name, roles in CATEGORIES.items() if role in roles),
            ]
            for role in SERVICES
        ],
    )


def attempts() -> str:
    """What was tried besides."""
    groups: dict[tuple[str, tuple[str, ...], str], list[Attempt]] = {}
    for one in ATTEMPTS:
        groups.setdefault((one.group, one.may, one.why), []).append(one)
    rows = [
        [f"{group} ({_statements(len(tried))})", *_may(may), why]
        for (group, may, why), tried in groups.items()
    ]
    return table(["tried besides", "services", "audit", "reader", "owner", "because"], rows)


def _statements(count: int) -> str:
    return "1 statement" if count == 1 else f"{count} statements"


def _may(may: Sequence[str]) -> list[str]:
    groups = [[role for role in ROLES if role not in {AUDIT, READER, OWNER}]]
    groups += [[AUDIT], [READER], [OWNER]]
    return ["yes" if set(group) <= set(may) else "-" for group in groups]


def _short(role: str) -> str:
    return role.removeprefix("smartops_")
