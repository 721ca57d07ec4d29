"""Many writers at one log: no gap, no skip, no stale decision, nothing handled twice.

No services: writers of every role, each over connections of its own, offer sound units and such as
must be refused, while a reader follows the log by position. Afterwards the answers are held against
the log, and what the reader saw against all of it.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
from smartops.eventstore import EventStore, Head, StoredRow
from smartops.eventstore.chain import Verifier
from smartops.eventstore.reader import COLUMNS

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.machine import machine
from benchmarks.lib.rival_writers import Rivals, check_stored
from benchmarks.lib.scratch_log import ScratchLog, scratch_log

__all__ = ["CONCURRENT_WRITERS", "Plan", "concurrent_writers"]

_ROWS = f"select {COLUMNS} from smartops_log.events where position > $1 order by position"
_CATEGORIES = {"planner": "task", "policy": "gate", "runner": "run", "tool_gateway": "call"}
_LOOK_S = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is written.

    Attributes:
        seed: of what is offered when.
        writers: per role, each with connections of its own.
        units: that each offers.
    """

    seed: int = 1
    writers: int = 3
    units: int = 400


async def concurrent_writers(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""
    rivals, seen = Rivals(plan.seed), _Seen()
    async with scratch_log(home) as log:
        reader = await asyncpg.connect(log.server.dsn())
        progress("the log is up")
        following = asyncio.create_task(seen.follow(reader))
        try:
            await _contend(log, rivals, plan)
        finally:
            following.cancel()
            await asyncio.wait({following})
            await reader.close()
        rows = [StoredRow._make(row) for row in await log.admin.fetch(_ROWS, 0)]
        heads = [Head(*row) for row in await log.admin.fetch("select * from smartops_log.heads")]
    progress(f"{len(rows)} events")
    return Outcome(
        {
            "n": sum(rivals.answers.values()),
            "seed": plan.seed,
            "writers": plan.writers * len(_CATEGORIES),
            "answers": dict(rivals.answers),
            "events": len(rows),
            "events_seen_live": len(seen.positions),
            "machine": machine(),
        },
        (
            *rivals.wrong,
            *seen.skipped([row.position for row in rows]),
            *_chain(rows, heads),
            *check_stored(rows, rivals.stored),
        ),
        _void(rivals, seen),
    )


async def _contend(log: ScratchLog, rivals: Rivals, plan: Plan) -> None:
    async with AsyncExitStack() as leaving:
        writers = []
        for service, category in _CATEGORIES.items():
            for number in range(plan.writers):
                store = await EventStore.connect(log.dsn(service))
                leaving.push_async_callback(store.close, timedelta(seconds=1))
                writers.append(rivals.write(store, category, number, plan.units))
        await asyncio.gather(*writers)


class _Seen:
    """What somebody saw who follows the log by position, and never looks back."""

    def __init__(self) -> None:
        self.positions: list[int] = []

    async def follow(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """Follow until cancelled."""
        last = 0
        while True:
            rows = await connection.fetch(
                "select position from smartops_log.events where position > $1 order by position",
                last,
            )
            self.positions += [row[0] for row in rows]
            last = self.positions[-1] if self.positions else 0
            await asyncio.sleep(_LOOK_S)

    def skipped(self, positions: list[int]) -> list[str]:
        """Positions that became visible only after higher ones, and so were never seen."""
        last = self.positions[-1] if self.positions else 0
        seen = set(self.positions)
        return [
            f"position {position} became visible after a higher one: a reader skips it"
            for position in positions
            if position <= last and position not in seen
        ]


def _chain(rows: list[StoredRow], heads: list[Head]) -> list[str]:
    verifier = Verifier()
    broken = verifier.feed(rows) or verifier.finish(heads)
    found = [] if broken is None else [f"position {broken.position}: {broken.why}"]
    versions: dict[str, int] = {}
    for row in rows:
        due = versions.get(row.stream, 0) + 1
        if row.version != due:
            found.append(f"{row.stream} goes on with version {row.version}, not {due}")
        versions[row.stream] = row.version
    return found


def _void(rivals: Rivals, seen: _Seen) -> str | None:
    missing = {"committed", "conflict", "already"} - set(rivals.answers)
    if missing:
        return f"no unit was answered {', '.join(sorted(missing))}"
    return None if seen.positions else "nobody followed the log"


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--writers", type=int, default=standard.writers, help="per role")
    parser.add_argument("--units", type=int, default=standard.units, help="offered by each")
    parser.add_argument("--home", type=Path, help="keep the log there; must be new")


async def _main(options: Namespace) -> Outcome:
    plan = Plan(seed=options.seed, writers=options.writers, units=options.units)
    with scratch_home(options.home) as home:
        return await concurrent_writers(home, plan)


CONCURRENT_WRITERS = Experiment(
    "concurrent-writers",
    "writers of every role contend for the log; no gap, no skip, no stale decision, no repeat",
    _options,
    _main,
)
