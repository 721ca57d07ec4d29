"""What nobody can obey harms nobody else: it is given up with its reason, and the rest goes on.

Malformed, impossible and forged messages reach every durable at a steady rate while ordinary tasks
run. Each must end as it should (see `End`), cause nothing, and slow nobody down.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path

from smartops.bus.topology import COMMANDS_STREAM
from smartops.bus.users import BusUser, person_user
from smartops.contracts.ids import principal
from smartops.devstack.secrets import Credentials
from smartops.devstack.stack import Stack, StackOptions

from benchmarks.lib.checks.history import check_history
from benchmarks.lib.checks.leftovers import settle
from benchmarks.lib.checks.projections import check_projections
from benchmarks.lib.dead_letters import read_dead_letters
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.monitor import stream_states
from benchmarks.lib.ordeal import Endured, read_evidence
from benchmarks.lib.poison import STRANGER, End
from benchmarks.lib.poison_kinds import STRANGERS_TENANT
from benchmarks.lib.poison_verdict import check_ends, check_latency, figures, refusals
from benchmarks.lib.poison_windows import Plan, Run, run_windows
from benchmarks.lib.superuser import bus_superuser, superuser
from benchmarks.lib.supervised import supervised_stack

__all__ = ["POISON", "Plan", "poison"]

_LOOK_S = 0.25


async def poison(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""
    options = StackOptions(servers=2, bus_users=(superuser(home), _stranger(home)))
    async with supervised_stack(home, options) as wards:
        stack = wards.stack
        progress(f"up: {', '.join(wards.names())}")
        about = {"machine": machine(), "versions": await versions(stack)}
        async with bus_superuser(stack) as nats:
            run = await run_windows(stack, plan, nats)
            left = await _ended(stack, plan, run)
            letters = await read_dead_letters(nats)
        progress("all has ended; checking")
        evidence, heads = await read_evidence(stack, Endured())
        refused = refusals(evidence.events)
        restarts = [text for _, text in wards.said]
        violations = [
            *left,
            *check_ends(run.sent, letters, refused),
            *check_latency(run, strict=plan.strict),
            *check_history(evidence, heads),
            *await check_projections(stack, len(evidence.events), plan.patience_s),
            *(f"poison reached the fleet: {request}" for request in evidence.requests),
            *(f"a process ended: {text}" for text in restarts),
        ]
        return Outcome({**figures(plan, run, letters, refused), **about}, tuple(violations))


def _stranger(home: Path) -> BusUser:
    """A person of another tenant."""
    key = Credentials(home).nats_users([STRANGER])[STRANGER].public_key
    who = principal("local", STRANGER)
    return person_user(STRANGER, key, tenant=STRANGERS_TENANT, principal=who)


async def _ended(stack: Stack, plan: Plan, run: Run) -> list[str]:
    """Wait until only what is too new is still with the durables; returns what else is."""
    loop = asyncio.get_running_loop()
    kept = Counter(
        durable for one, _ in run.sent if one.end is End.GIVEN_BACK for durable in one.listeners
    )
    commands = sum(
        one.end is End.GIVEN_BACK and one.stream == COMMANDS_STREAM for one, _ in run.sent
    )
    until = loop.time() + plan.patience_s
    while True:
        left, _ = await settle(stack, 0, await_bus=False)
        states = await stream_states(stack)
        for consumer in (one for state in states.values() for one in state["consumers"]):
            waiting = consumer["num_ack_pending"] + consumer["num_pending"]
            if waiting != kept[consumer["name"]]:
                left.append(f"{waiting} messages of {consumer['name']} have not ended")
        if (held := states[COMMANDS_STREAM]["messages"]) != commands:
            left.append(f"{held} commands are left, {commands} of them too new")
        if not left or loop.time() > until:
            return left
        await asyncio.sleep(_LOOK_S)


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--rate", type=float, default=standard.rate, help="messages a second")
    parser.add_argument("--windows", type=int, default=standard.windows, help="of each sort")
    parser.add_argument("--window", type=float, default=standard.window_s, help="seconds")
    parser.add_argument("--in-flight", type=int, default=standard.in_flight)
    parser.add_argument("--without", action="append", default=[], help="leave this kind out")
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


async def _main(options: Namespace) -> Outcome:
    plan = Plan(
        seed=options.seed,
        rate=options.rate,
        windows=options.windows,
        window_s=options.window,
        in_flight=options.in_flight,
        without=options.without,
    )
    with scratch_home(options.home) as home:
        return await poison(home, plan)


POISON = Experiment(
    "poison",
    "malformed and impossible messages on every durable; each is given up, none slows a task",
    _options,
    _main,
)
