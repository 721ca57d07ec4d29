"""Whatever comes twice, late or out of order: it has no second effect, and leaves no second trace.

Every event and every command that the streams store is published again as it was, several times
and reordered: while tasks run, after they have ended, and after all services were killed.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg
from smartops.bus.topology import COMMANDS_STREAM, EVENTS_STREAM
from smartops.contracts.catalogue import EVENTS
from smartops.devstack.stack import Stack

from benchmarks.lib.checks.leftovers import settle
from benchmarks.lib.echo import Echo
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.load_options import add_load_options, load_of
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.monitor import stream_states
from benchmarks.lib.ordeal import Endured, Load, Scene, Verdict, endure, judge
from benchmarks.lib.playground_record import read_record
from benchmarks.lib.superuser import bus_superuser, superuser
from benchmarks.lib.supervised import Wards, supervised_stack

__all__ = ["DUPLICATES_AND_REPLAYS", "Plan", "duplicates_and_replays"]

_OLDER = 200
"""Of the earlier messages that each round repeats as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is said again.

    Attributes:
        load: the work in flight.
        rounds: of repeats while tasks run.
        pause_s: between two rounds.
        times: each message is repeated at most so often at a time.
        replays: of everything, after the end of the tasks, and again after a restart.
    """

    load: Load = field(default_factory=lambda: Load(servers=400))
    rounds: int = 20
    pause_s: float = 0.5
    times: int = 3
    replays: int = 2


async def duplicates_and_replays(home: Path, plan: Plan) -> Verdict:
    """Run it on a fresh home."""
    load = plan.load
    options = replace(load.stack(), bus_users=(superuser(home),))
    async with supervised_stack(home, options) as wards:
        stack = wards.stack
        progress(f"up: {', '.join(wards.names())}, {load.servers} servers")
        about = {"machine": machine(), "versions": await versions(stack)}
        async with bus_superuser(stack) as nats:
            echo = Echo(nats, stack.subjects, load.seed)
            await echo.listen()
            before = await _last(stack)
            endured = await endure(wards, load, _echoes(plan, echo))
            progress(f"all at rest; {len(echo.heard)} messages heard")
            replays = {"after_end": await _replay(stack, plan, echo, endured, "after the end")}
            await _restart(wards)
            replays["after_restart"] = await _replay(stack, plan, echo, endured, "after a restart")
            stored = await _last(stack)
        verdict = await judge(stack, load, endured)
        figures = {
            **verdict.figures,
            "heard": dict(Counter(message.kind for message in echo.heard)),
            "repeats": dict(echo.repeats),
            "repeats_in_all": echo.repeats.total(),
            "stored": {name: stored[name] - before[name] for name in stored},
            "replays": replays,
            **about,
        }
        missed = _missed(echo, verdict)
        return replace(verdict, figures=figures, void=verdict.void or missed)


def _echoes(plan: Plan, echo: Echo) -> Callable[[Scene], Coroutine[Any, Any, None]]:
    async def body(scene: Scene) -> None:
        for _ in range(plan.rounds):
            await asyncio.sleep(plan.pause_s)
            with scene.fault("echo") as fault:
                count = await echo.repeat_new(plan.times, _OLDER)
            progress(f"repeated {count} messages, {fault.in_flight} tasks in flight")

    return body


async def _replay(
    stack: Stack, plan: Plan, echo: Echo, endured: Endured, when: str
) -> dict[str, object]:
    """Say everything again while nothing is left to do; notes what came of it as broken."""
    patience = plan.load.patience_s
    await settle(stack, patience)
    head, requests = await _head(stack), len(read_record(stack.home / "playground.record.jsonl"))
    said = 0
    for _ in range(plan.replays):
        said += await echo.repeat_all(plan.times)
    left, took = await settle(stack, patience)
    progress(f"{when}: {said} messages said again, all settled after {took:.1f} s")
    more = len(read_record(stack.home / "playground.record.jsonl")) - requests
    topics = await _since(stack, head)
    endured.broken += [f"{when}: {one}" for one in left]
    if more:
        endured.broken.append(f"{when}: replays caused {more} requests to the fleet")
    if topics:
        endured.broken.append(f"{when}: replays of what was settled left {topics} in the log")
    return {"messages": said, "settled_after_s": round(took, 1), "new_events": topics}


async def _restart(wards: Wards) -> None:
    """Kill every service at once, and wait until all serve again."""
    restarts = {name: wards.kill(name) for name in wards.stack.services}
    for name, restart in restarts.items():
        await wards.back(name, restart)
    progress("all services were killed and serve again")


async def _head(stack: Stack) -> int:
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        head: int = await connection.fetchval("select max(position) from smartops_log.events")
    finally:
        await connection.close()
    return head


async def _since(stack: Stack, head: int) -> dict[str, int]:
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        rows = await connection.fetch(
            "select topic, count(*) from smartops_log.events where position > $1 group by topic",
            head,
        )
    finally:
        await connection.close()
    return dict(map(tuple, rows))


async def _last(stack: Stack) -> dict[str, int]:
    states = await stream_states(stack)
    return {name: int(states[name]["last_seq"]) for name in (EVENTS_STREAM, COMMANDS_STREAM)}


def _missed(echo: Echo, verdict: Verdict) -> str | None:
    """Whether every published event of the log was among those repeated."""
    heard = {message.payload for message in echo.heard}
    accepted = verdict.evidence.accepted
    missed = [
        said.row.position
        for said in verdict.evidence.events
        if EVENTS[said.row.topic].published
        and said.row.task in accepted
        and said.row.state not in heard
    ]
    return f"{len(missed)} events were never heard, so never repeated" if missed else None


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    add_load_options(parser, standard.load)
    parser.add_argument("--rounds", type=int, default=standard.rounds, help="while tasks run")
    parser.add_argument("--times", type=int, default=standard.times, help="each, at most")
    parser.add_argument("--replays", type=int, default=standard.replays, help="of everything")


async def _main(options: Namespace) -> Outcome:
    standard = Plan()
    plan = Plan(
        load=load_of(options, standard.load),
        rounds=options.rounds,
        times=options.times,
        replays=options.replays,
    )
    with scratch_home(options.home) as home:
        verdict = await duplicates_and_replays(home, plan)
    return verdict.outcome()


DUPLICATES_AND_REPLAYS = Experiment(
    "duplicates-and-replays",
    "every event and command is said again, reordered, also after restarts; nothing comes of it",
    _options,
    _main,
)
