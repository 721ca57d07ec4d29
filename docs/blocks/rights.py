"""Who may do what, on the bus and in the database."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from smartops.bus.topology import build_topology
from smartops.bus.users import BusUser, monitor_user, person_user, provisioner_user, service_users
from smartops.contracts.catalogue import SERVICES, categories_of

from blocks.markdown import code, codes, table

__all__ = ["bus", "categories", "functions", "sql_of", "vault_functions"]

_KEY = "U" + "A" * 55


def bus() -> str:
    """Each user of the server, with all that it may publish and hear."""
    topology = build_topology()
    users = [
        *service_users(dict.fromkeys(SERVICES, _KEY), topology),
        person_user("operator", _KEY, tenant="acme", principal="PRINCIPAL"),
        provisioner_user(_KEY, topology),
        monitor_user(_KEY),
    ]
    return "\n".join(_user(user) for user in users)


def categories() -> str:
    """Which streams a role may append to, and which of these the catalogue uses."""
    allowed: dict[str, list[str]] = {}
    rows = re.findall(r"\('smartops_(\w+)', '(\w+)'\)", sql_of("smartops.eventstore"))
    for role, category in rows:
        allowed.setdefault(role, []).append(category)
    return table(
        ["role", "may append to", "reserved for later"],
        [
            [
                code(f"smartops_{role}"),
                codes(f"{name}-…" for name in names if name in _used(role)),
                codes(f"{name}-…" for name in names if name not in _used(role)),
            ]
            for role, names in allowed.items()
        ],
    )


def functions() -> str:
    """The functions through which alone a service writes."""
    return _functions_of("smartops_log", {"parked": "Inbox: what was set aside"})


def vault_functions() -> str:
    """The functions through which alone anybody reaches the vault."""
    return _functions_of("smartops_vault", {})


def _functions_of(schema: str, told: dict[str, str]) -> str:
    text = sql_of("smartops.eventstore")
    found = re.findall(rf"create function {schema}\.(\w+)\(", text)
    told = {**told, **dict(_comments(text, schema))}
    rows = [[code(name), told.get(name, "")] for name in found if name != "refuse_change"]
    return table([f"function of `{schema}`", "for"], rows)


def sql_of(package: str) -> str:
    """The migrations of a package, in order."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{package} is not installed: run `make setup`")
    folder = Path(spec.origin).parent / "sql"
    return "\n".join(path.read_text("utf-8") for path in sorted(folder.glob("[0-9]*.sql")))


def _used(role: str) -> tuple[str, ...]:
    return categories_of(role) if role in SERVICES else ()


def _comments(text: str, schema: str) -> list[tuple[str, str]]:
    """The first sentence of the comment above each function."""
    found = []
    for block, name in re.findall(
        rf"((?:^--.*\n)+)create function {schema}\.(\w+)\(", text, re.MULTILINE
    ):
        lines = [line.removeprefix("--").strip() for line in block.splitlines()]
        first = " ".join(lines).partition(". ")[0].rstrip(".")
        found.append((name, first))
    return found


def _user(user: BusUser) -> str:
    return f"**{user.name}**, in the account `{user.account}`\n\n" + table(
        ["may", "subjects"],
        [
            ["publish", "<br>".join(code(subject) for subject in user.publish)],
            ["hear", "<br>".join(code(subject) for subject in user.subscribe)],
        ],
    )
