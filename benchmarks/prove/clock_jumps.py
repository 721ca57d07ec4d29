"""Wall clocks jump: those of services decide nothing, the database's decides what is due.

Under load, the clocks of services (each, all, each elsewhere), of the database, and of all together
jump by an hour or thirty days, ahead and back, while approvals are pending, runs wait for timers,
and calls are out. Services' own clocks must change nothing at all. By the database's clock, as it
shows it at that moment, nothing expires early, and nothing is granted or executed late.
"""

from __future__ import annotations

import asyncio
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import asyncpg
from smartops.contracts.catalogue import GATEWAY, RUNNER

from benchmarks.lib.checks.expiry import Expiries, check_expiry
from benchmarks.lib.checks.history import check_history
from benchmarks.lib.clock_history import ClockHistory
from benchmarks.lib.clocks import HOW_TO_GET_IT, clear_traces, find_library
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.jumps import Jump, StackClocks, jumps_of
from benchmarks.lib.load_options import add_load_options, load_of
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.monitor import monitor_page
from benchmarks.lib.not_proven import not_proven
from benchmarks.lib.ordeal import Load, Scene, Verdict, endure, judge
from benchmarks.lib.supervised import supervised_stack
from benchmarks.lib.timer_probe import TimerProbe

__all__ = ["CLOCK_JUMPS", "Plan", "clock_jumps"]

DELAYS = (timedelta(seconds=1), timedelta(minutes=30), timedelta(days=10), timedelta(days=45))
"""Of the timers that are set before each jump of the database's clock."""
STORM = 5.0
"""So many times the messages of undisturbed work are a storm."""
AT_LEAST = 1000.0
"""Messages a second below which nothing is one: what a house says in a calm moment is little, and
less on a crowded machine."""
PATIENCE = 4
"""So many times a hold is waited at most until so many approvals are pending."""
SWEPT_S = 20.0
"""For a restarted service to publish what the killed one left behind."""

_FROM_FUTURE = (
    "select count(*) from smartops_log.outbox o join smartops_log.events e using (position) "
    "where e.recorded_at > clock_timestamp() + interval '1 minute'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which clocks jump.

    Attributes:
        load: the work in flight.
        hold_s: from one jump to the next.
        pending: approvals that shall be pending at a jump of the database's clock.
        small: as for `jumps_of`.
        await_bus: as for `judge`.
    """

    load: Load = field(default_factory=lambda: Load(tasks=30, servers=1500, lost_answers=0))
    hold_s: float = 6.0
    pending: int = 4
    small: bool = False
    await_bus: bool = True


@dataclass(slots=True)
class _Observed:
    """What was seen while clocks were wrong."""

    clock: ClockHistory = field(default_factory=ClockHistory)
    calm_per_s: float = 0.0
    most_per_s: float = 0.0
    silences: list[str] = field(default_factory=list)
    left_from_future: int = 0
    """Events that killed services had not published when the clock was set back."""
    stuck: list[str] = field(default_factory=list)
    timers: Mapping[str, int] = field(default_factory=dict)
    pending: list[int] = field(default_factory=list)
    """Approvals that waited at each jump of the database's clock."""


async def clock_jumps(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""
    library = find_library()
    if library is None:
        return not_proven(HOW_TO_GET_IT)
    clocks, seen = StackClocks(library, home / "clocks"), _Observed()

    async def body(scene: Scene) -> None:
        seen.calm_per_s = await _rate(scene, plan.hold_s)
        async with TimerProbe.running(scene.stack) as probe:
            for jump in jumps_of(plan.load.seed, max(DELAYS), small=plan.small):
                await _jump(scene, plan, clocks, jump, seen, probe)
            scene.enough.set()
            if not await probe.all_fired(30):
                progress("not all timers have fired")
            seen.timers = await probe.judge(seen.clock)

    options = replace(
        plan.load.stack(),
        service_env={name: clock.environment() for name, clock in clocks.services.items()},
        postgres_launcher=clocks.database.launcher(),
    )
    async with AsyncExitStack() as cleanup:
        cleanup.callback(clear_traces)  # Last, when all of its processes have ended.
        supervised = supervised_stack(home, options)
        wards = await cleanup.enter_async_context(supervised)
        stack = wards.stack
        progress(f"up: {', '.join(wards.names())}, by {library}")
        told: dict[str, object] = {"machine": machine(), "versions": await versions(stack)}
        endured = await endure(wards, plan.load, body)
        progress("all at rest; checking")
        true_time = seen.clock.true_time
        verdict = await judge(
            stack, plan.load, endured, await_bus=plan.await_bus, true_time=true_time
        )
        expiries = check_expiry(verdict.evidence.events, seen.clock)
        return _outcome(verdict, expiries, seen, told)


async def _jump(
    scene: Scene, plan: Plan, clocks: StackClocks, jump: Jump, seen: _Observed, probe: TimerProbe
) -> None:
    crew = scene.crew
    moves = jump.database != clocks.database.offset
    if moves:
        await probe.set(DELAYS)
        crew.hesitating = True
        await scene.tail.until(lambda: crew.laid_aside >= plan.pending, PATIENCE * plan.hold_s)
        seen.pending.append(crew.laid_aside)
    heard = len(scene.tail.events)
    back = jump.database < clocks.database.offset
    with scene.fault(jump.kind):
        if back:
            await _set_back(scene, clocks, jump, seen)
        else:
            clocks.set(jump, seen.clock)
        if moves:
            # Half of them are voted on just now, the others wait until they expire, or for ever.
            crew.take_up(crew.laid_aside // 2)
            crew.forget()
            crew.hesitating = False
            await _shows(scene, jump.database)
        seen.most_per_s = max(seen.most_per_s, await _rate(scene, plan.hold_s))
    fresh = len(scene.tail.events) - heard
    if not fresh:
        seen.silences.append(f"nothing was recorded for {plan.hold_s:g} s: {jump.kind}")
    progress(f"{jump.kind}, database {jump.database}: {fresh} events, {crew.in_flight} in flight")


async def _set_back(scene: Scene, clocks: StackClocks, jump: Jump, seen: _Observed) -> None:
    """Kill two services just before the clock is set back: they leave work from the future.

    It must not lie there until the clock has caught up.
    """
    wards = scene.wards
    restarts = {name: wards.kill(name) for name in (RUNNER, GATEWAY)}
    clocks.set(jump, seen.clock)
    connection = await asyncpg.connect(scene.stack.postgres.dsn())
    try:
        seen.left_from_future += await connection.fetchval(_FROM_FUTURE)
        for name, restart in restarts.items():
            await wards.back(name, restart)
        end = time.monotonic() + SWEPT_S
        while left := await connection.fetchval(_FROM_FUTURE):
            if time.monotonic() > end:
                where = f"{jump.kind}, {jump.database}"
                seen.stuck.append(f"{left} events from the future are unpublished: {where}")
                return
            await asyncio.sleep(0.1)  # Nothing tells of rows that go.
    finally:
        await connection.close()


async def _shows(scene: Scene, offset: timedelta) -> None:
    """Make sure that the database goes by the clock that was set for it."""
    connection = await asyncpg.connect(scene.stack.postgres.dsn())
    try:
        shown = (await connection.fetchval("select clock_timestamp()")).timestamp()
    finally:
        await connection.close()
    if abs(shown - time.time() - offset.total_seconds()) > 60:
        raise RuntimeError(
            f"the database's clock did not jump to {offset}: its library is not ours"
        )


async def _rate(scene: Scene, seconds: float) -> float:
    """Messages to the bus per second, by everybody, over a while."""
    before, began = await _sent(scene), time.monotonic()
    await asyncio.sleep(seconds)
    return (await _sent(scene) - before) / (time.monotonic() - began)


async def _sent(scene: Scene) -> int:
    return int((await monitor_page(scene.stack, "/varz"))["in_msgs"])


def _outcome(
    verdict: Verdict, expiries: Expiries, seen: _Observed, told: Mapping[str, object]
) -> Outcome:
    order = check_history(verdict.evidence, verdict.heads)
    timers = [f"timers: {what} {seen.timers[what]}" for what in _MUST_BE_0 if seen.timers[what]]
    storm = seen.most_per_s > max(STORM * seen.calm_per_s, AT_LEAST)
    figures = {
        **told,
        **verdict.figures,
        "early_expiries": len(expiries.early),
        "late_grants": len(expiries.late_grants),
        "late_executions": len(expiries.late_executions),
        "order_violations": len(order),
        "timers": dict(seen.timers),
        "looked_at": {
            "expired": expiries.expired,
            "votes_refused_as_late": expiries.refused,
            "granted": expiries.granted,
            "dispatched": expiries.dispatched,
        },
        "pending_at_jump": seen.pending,
        "left_when_set_back": seen.left_from_future,
        "messages_per_s": {"calm": round(seen.calm_per_s), "most": round(seen.most_per_s)},
    }
    violations = [*verdict.violations, *expiries.violations, *timers, *seen.silences, *seen.stuck]
    if storm:
        violations.append(f"{seen.most_per_s:.0f} messages a second, {seen.calm_per_s:.0f} before")
    void = verdict.void
    if min(seen.pending[:-1], default=0) == 0:  # At the last, all may be waiting for timers.
        void = "no approval was pending at a jump of the database's clock"
    return Outcome(figures, tuple(violations), void)


_MUST_BE_0: Sequence[str] = ("fired_twice", "never_fired", "fired_early")


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    add_load_options(parser, standard.load)
    parser.add_argument("--hold", type=float, default=standard.hold_s, help="seconds per jump")


async def _main(options: Namespace) -> Outcome:
    plan = Plan(load=load_of(options, Plan().load), hold_s=options.hold)
    with scratch_home(options.home) as home:
        return await clock_jumps(home, plan)


CLOCK_JUMPS = Experiment(
    "clock-jumps",
    "wall clocks of services and the database jump by +-1 h and +-30 d; nothing early, late, twice",
    _options,
    _main,
)
