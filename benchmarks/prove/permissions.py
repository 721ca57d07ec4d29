"""Least privilege: every credential and role tries everything, and gets just what it needs.

What each may do stands in tables written by hand. On a running stack, whose services stay down so
that nobody takes what is tried for work, each NATS credential says and hears every kind of subject,
each database role tries every table, function and trick, and a reader reads two tenants' rows by
every route.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smartops.devstack.stack import StackOptions, running_stack

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.permissions.bus_door import door_of
from benchmarks.lib.permissions.bus_try import try_bus
from benchmarks.lib.permissions.cells import Cell, figures_of, violations_of
from benchmarks.lib.permissions.database import database_of
from benchmarks.lib.permissions.db_appends import try_appends
from benchmarks.lib.permissions.db_try import try_database
from benchmarks.lib.permissions.forgotten import nothing_forgotten
from benchmarks.lib.permissions.rows import fill
from benchmarks.lib.permissions.rows_try import try_rows

__all__ = ["PERMISSIONS", "Plan", "permissions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is tried.

    Attributes:
        seed: of ids and of the order on the bus.
        strangers: subjects that those without a user try, each on a connection of its own; None:
            all.
        relations: of how many, chosen by the seed, a reader tries every route; None: all.
    """

    seed: int = 1
    strangers: int | None = None
    relations: int | None = None


async def permissions(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""
    options = StackOptions(services=(), servers=0)
    figures: dict[str, object] = {"seed": plan.seed, "machine": machine()}
    async with running_stack(home, options, handle_signals=False) as stack:
        figures["versions"] = await versions(stack)
        bus = await try_bus(door_of(stack), plan.seed, strangers=plan.strangers)
        parts = {"bus": [*bus.cells, *nothing_forgotten(bus.state)]}
        progress(f"bus: {len(parts['bus'])} cells")
        database = database_of(stack)
        parts["database"] = await try_database(database)
        parts["database"] += await try_appends(database, plan.seed)
        progress(f"database: {len(parts['database'])} cells")
        await fill(database, plan.seed)
        parts["rows"] = await try_rows(database, plan.seed, plan.relations)
        progress(f"rows: {len(parts['rows'])} cells")
    cells = [cell for part in parts.values() for cell in part]
    figures["n"] = len(cells)
    figures |= {name: figures_of(part) for name, part in parts.items()}
    return Outcome(figures, tuple(violations_of(cells)), _void(parts))


def _void(parts: dict[str, Sequence[Cell]] | dict[str, list[Cell]]) -> str | None:
    """A matrix in which nothing is allowed would be kept by servers that are down."""
    for name, cells in parts.items():
        if not any(cell.measured == "allowed" and cell.who != "the table" for cell in cells):
            return f"{name}: nobody was seen to be allowed anything"
    return None


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=Plan().seed)
    parser.add_argument("--strangers", type=int, help="subjects tried without a user; all")
    parser.add_argument("--relations", type=int, help="read by every route; all")
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


async def _main(options: Namespace) -> Outcome:
    plan = Plan(seed=options.seed, strangers=options.strangers, relations=options.relations)
    with scratch_home(options.home) as home:
        return await permissions(home, plan)


PERMISSIONS = Experiment(
    "permissions",
    "every credential tries every subject, every role every table: only the needed is allowed",
    _options,
    _main,
)
