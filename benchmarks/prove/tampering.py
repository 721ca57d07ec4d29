"""History shows what was done to it: every kind of tampering, at many places, is found.

A log of real tasks, projected and anchored. Its superuser, who has first switched the triggers off,
alters it in one of many ways at a random place; audit's own verification must say so. Before that,
with the triggers on, owner and superuser must be refused.
"""

from __future__ import annotations

import asyncio
import random
from argparse import ArgumentParser, Namespace
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from smartops.audit.adapters.anchor_files import AnchorLog
from smartops.audit.adapters.connecting import connect
from smartops.audit.adapters.log import read_after
from smartops.audit.adapters.tables import Connection, Tables
from smartops.audit.projector import Projector
from smartops.audit.read_models.tenants import TENANTS
from smartops.audit.verify import verify_all
from smartops.contracts.catalogue import AUDIT
from smartops.eventstore.roles import OWNER

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.histories import append_crowd, mixed
from benchmarks.lib.home import scratch_home
from benchmarks.lib.machine import machine
from benchmarks.lib.scratch_log import ScratchLog, scratch_log
from benchmarks.lib.tamperers import ATTACKS, REFUSED

__all__ = ["TAMPERING", "Plan", "tampering"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much.

    Attributes:
        seed: of the places.
        tasks: in the log.
        rounds: of every kind of tampering.
    """

    seed: int = 1
    tasks: int = 100
    rounds: int = 5


async def tampering(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""
    chance, anchors = random.Random(plan.seed), home / "anchors"
    broken: list[str] = []
    tries: Counter[str] = Counter()
    async with scratch_log(home) as log:
        async with log.stores() as stores:
            await append_crowd(stores, mixed(plan.tasks))
        await _project(log, anchors)
        events = await log.head()
        progress(f"{events} events, projected and anchored")
        conn = await connect(log.server.dsn())
        try:
            broken += [f"the untouched log: {one}" for one in await _problems(conn, anchors)]
            broken += await _changes(log.admin, tries)
            for name, attack in ATTACKS.items():
                for _ in range(plan.rounds):
                    tries["attacks"] += 1
                    trying = conn.transaction()
                    await trying.start()
                    try:
                        await _open(conn)
                        await attack(conn, chance, events)
                        if not await _problems(conn, anchors):
                            broken.append(f"{name}, and nobody notices")
                    finally:
                        await trying.rollback()
        finally:
            await conn.close()
    figures = {
        "n": tries.total(),
        "seed": plan.seed,
        "events": events,
        **tries,
        "kinds": len(ATTACKS),
        "machine": machine(),
    }
    return Outcome(figures, tuple(broken))


async def _project(log: ScratchLog, anchors: Path) -> None:
    conn = await connect(log.dsn(AUDIT))
    try:
        projector = await Projector.open(Tables(conn))
        while rows := await read_after(conn, projector.place, 2000):
            await projector.project(rows)
        ends = await Tables(conn).all_rows(TENANTS)
    finally:
        await conn.close()
    await asyncio.to_thread(anchors.mkdir)
    files = AnchorLog(anchors)
    files.open()
    files.append(ends)


async def _problems(conn: Connection, anchors: Path) -> list[str]:
    return [it for walked in await verify_all(conn, anchors=anchors) for it in walked.problems]


async def _open(conn: Connection) -> None:
    for table in ("events", "blobs"):
        await conn.execute(f"alter table smartops_log.{table} disable trigger all")


async def _changes(admin: Connection, tries: Counter[str]) -> list[str]:
    """Try to change the log with its guards on, as owner and as superuser."""
    found = []
    for role in (None, OWNER):
        for statement in REFUSED:
            tries["forbidden_changes"] += 1
            trying = admin.transaction()
            await trying.start()
            try:
                if role is not None:
                    await admin.execute(f"set local role {role}")
                await admin.execute(statement)
            except asyncpg.PostgresError:
                continue
            else:
                found.append(f"{role or 'the superuser'} was let: {statement}")
            finally:
                await trying.rollback()
    return found


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--tasks", type=int, default=standard.tasks, help="in the log")
    parser.add_argument("--rounds", type=int, default=standard.rounds, help="of every kind")
    parser.add_argument("--home", type=Path, help="keep the log there; must be new")


async def _main(options: Namespace) -> Outcome:
    plan = Plan(seed=options.seed, tasks=options.tasks, rounds=options.rounds)
    with scratch_home(options.home) as home:
        return await tampering(home, plan)


TAMPERING = Experiment(
    "tampering",
    "the superuser alters the log in every way; audit's verification notices each",
    _options,
    _main,
)
