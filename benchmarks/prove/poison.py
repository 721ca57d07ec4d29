"""What nobody can obey harms nobody else: it is given up with its reason, and the rest goes on.

Malformed, impossible and forged messages reach every durable at a steady rate while ordinary tasks
run. Each must end as it should (see `End`), cause nothing, and slow nobody down.
"""

from __future__ import annotations

import asyncio
import json
from argparse import ArgumentParser, Namespace
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nats.aio.msg import Msg
from smartops.bus.api import BusClient, api_request
from smartops.bus.topology import COMMANDS_STREAM
from smartops.bus.users import BusUser, person_user
from smartops.contracts.catalogue import HANDLERS, SERVICES, families
from smartops.contracts.events import CommandRefused
from smartops.contracts.ids import principal
from smartops.devstack.secrets import Credentials
from smartops.devstack.stack import Stack, StackOptions

from benchmarks.lib.checks.history import check_history
from benchmarks.lib.checks.leftovers import settle
from benchmarks.lib.checks.projections import check_projections
from benchmarks.lib.dead_letters import Place, read_dead_letters
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.figures import percentile, rounded
from benchmarks.lib.home import scratch_home
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.monitor import stream_states
from benchmarks.lib.ops_tasks import OpsTasks, noop_write_context
from benchmarks.lib.ordeal import Endured, read_evidence
from benchmarks.lib.poison import STRANGER, STRANGERS_TENANT, End, Poison, Poisoner
from benchmarks.lib.superuser import bus_superuser, on_the_bus, superuser
from benchmarks.lib.supervised import supervised_stack

__all__ = ["POISON", "Plan", "poison"]

SLOWER = 2.0
"""So many times longer, at the median, an ordinary task may take while there is poison."""
BLOCKED_S = 3.0
"""A task that takes longer than this stood behind some poison."""
_SAMPLES = 50
_LOOK_S = 0.25

Senders = Mapping[str, BusClient]
"""Connections by credential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of what.

    Attributes:
        seed: of poison and tasks.
        rate: poisonous messages a second, over all durables.
        windows: with poison, each after one without.
        window_s: length of each.
        in_flight: ordinary tasks at once.
        patience_s: until all poison must have ended.
        without: kinds that are left out.
        strict: hold tasks to their latency without poison, too; a crowded machine cannot.
    """

    seed: int = 1
    rate: float = 50.0
    windows: int = 4
    window_s: float = 15.0
    in_flight: int = 4
    patience_s: float = 60.0
    without: Sequence[str] = ()
    strict: bool = True


@dataclass(slots=True)
class _Run:
    sent: list[tuple[Poison, int]] = field(default_factory=list)
    """With the place in the stream."""
    quiet: list[float] = field(default_factory=list)
    """Seconds of tasks without poison."""
    poisoned: list[float] = field(default_factory=list)


async def poison(home: Path, plan: Plan, *, handle_signals: bool = True) -> Outcome | None:
    """Run it on a fresh home; None when interrupted."""
    options = StackOptions(servers=2, bus_users=(superuser(home), _stranger(home)))
    async with supervised_stack(home, options, handle_signals=handle_signals) as wards:
        stack = wards.stack
        progress(f"up: {', '.join(wards.names())}")
        about = {"machine": machine(), "versions": await versions(stack)}
        async with bus_superuser(stack) as nats:
            run = await _run(stack, plan, nats)
            left = await _ended(stack, plan, run)
            letters = await read_dead_letters(nats)
        progress("all has ended; checking")
        evidence, heads = await read_evidence(stack, Endured())
        refused = _refusals(evidence.events)
        restarts = [text for _, text in wards.said]
        violations = [
            *left,
            *_check_ends(run.sent, letters, refused),
            *_check_latency(run, strict=plan.strict),
            *check_history(evidence, heads),
            *await check_projections(stack, len(evidence.events), plan.patience_s),
            *(f"poison reached the fleet: {request}" for request in evidence.requests),
            *(f"a process ended: {text}" for text in restarts),
        ]
        return Outcome({**_figures(plan, run, letters, refused), **about}, tuple(violations))
    return None


def _stranger(home: Path) -> BusUser:
    """A person of another tenant."""
    key = Credentials(home).nats_users([STRANGER])[STRANGER].public_key
    who = principal("local", STRANGER)
    return person_user(STRANGER, key, tenant=STRANGERS_TENANT, principal=who)


async def _run(stack: Stack, plan: Plan, nats: BusClient) -> _Run:
    run, poisoner = _Run(), Poisoner(stack.subjects, plan.seed, plan.without)
    async with AsyncExitStack() as entered:
        load = await entered.enter_async_context(OpsTasks(stack, noop_write_context, plan.seed))
        senders = {
            name: await entered.enter_async_context(on_the_bus(stack, name))
            for name in (*SERVICES, STRANGER)
        }
        async with _samples_taken(stack, poisoner, nats):
            await _work(load, plan, plan.window_s / 3)
        run.sent += await _publish(senders, poisoner.too_new())
        for number in range(plan.windows):
            run.quiet += await _work(load, plan, plan.window_s)
            enough = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(_pour(senders, poisoner, plan, run, enough))
                run.poisoned += await _work(load, plan, plan.window_s)
                enough.set()
            progress(f"window {number + 1}: {len(run.sent)} poisonous messages so far")
    return run


@asynccontextmanager
async def _samples_taken(stack: Stack, poisoner: Poisoner, nats: BusClient) -> AsyncIterator[None]:
    """Genuine events are heard inside only: later there is poison among them."""

    async def hear(message: Msg) -> None:
        topic = json.loads(message.data)["type"].removeprefix("smartops.")
        party = message.subject.split(".")[-2]
        for key in (topic, f"{topic}/{party}"):
            samples = poisoner.samples.setdefault(key, [])
            samples.append(message.data)
            del samples[:-_SAMPLES]

    heard = [
        await nats.subscribe(subject, cb=hear) for subject in stack.subjects.all_events(families())
    ]
    await nats.flush()
    try:
        yield
    finally:
        for subscription in heard:
            await subscription.unsubscribe()


async def _work(load: OpsTasks, plan: Plan, seconds: float) -> list[float]:
    clock = asyncio.get_running_loop().time
    until, took = clock() + seconds, list[float]()

    async def work() -> None:
        while clock() < until:
            took.append((await load.one()).done)

    async with asyncio.TaskGroup() as group:
        for _ in range(plan.in_flight):
            group.create_task(work())
    return took


async def _pour(
    senders: Senders, poisoner: Poisoner, plan: Plan, run: _Run, enough: asyncio.Event
) -> None:
    clock = asyncio.get_running_loop().time
    began, said = clock(), 0
    while not enough.is_set():
        due = began + said / plan.rate
        await asyncio.sleep(max(0.0, due - clock()))
        run.sent += await _publish(senders, [poisoner.next()])
        said += 1


async def _publish(senders: Senders, poisons: Sequence[Poison]) -> list[tuple[Poison, int]]:
    sent = []
    for one in poisons:
        ack: dict[str, Any] = await api_request(senders[one.sender], one.subject, one.payload)
        if ack["stream"] != one.stream:
            raise ValueError(f"{one.subject} went to {ack['stream']}, not to {one.stream}")
        sent.append((one, int(ack["seq"])))
    return sent


async def _ended(stack: Stack, plan: Plan, run: _Run) -> list[str]:
    """Wait until only what is too new is still with the durables; returns what else is."""
    loop = asyncio.get_running_loop()
    kept = Counter(one.durable for one, _ in run.sent if one.end is End.GIVEN_BACK)
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


def _refusals(events: Sequence[Any]) -> Counter[str]:
    """By what the refused command's stream is called."""
    return Counter(
        said.row.stream
        for said in events
        if isinstance(said.data, CommandRefused) and said.row.tenant == STRANGERS_TENANT
    )


def _check_ends(
    sent: Sequence[tuple[Poison, int]],
    letters: dict[Place, list[str]],
    refused: Counter[str],
) -> list[str]:
    found = []
    ours = {(one.stream, place, one.durable) for one, place in sent if one.end is End.DEAD}
    for one, place in sent:
        reasons = letters.get((one.stream, place, one.durable), [])
        what = f"{one.kind!r} at {place} of {one.stream} for {one.durable}"
        if one.end is End.DEAD and (len(reasons) != 1 or not all(reasons)):
            found.append(f"{what}: {len(reasons)} dead letters {reasons}")
        if one.end is not End.DEAD and reasons:
            found.append(f"{what} was given up instead of {one.end}: {reasons}")
    found += [f"{place} was given up: {why}" for place, why in letters.items() if place not in ours]
    wanted = sum(one.end is End.REFUSED for one, _ in sent)
    if refused.total() != wanted or any(count > 1 for count in refused.values()):
        found.append(f"{refused.total()} refusals of {wanted} commands that cannot be read")
    return found


def _check_latency(run: _Run, *, strict: bool) -> list[str]:
    quiet, poisoned = percentile(run.quiet, 0.5), percentile(run.poisoned, 0.5)
    if quiet is None or poisoned is None:
        return ["no task was measured"]
    found = []
    if strict and poisoned > SLOWER * quiet:
        found.append(f"tasks take {poisoned:.4f} s with poison, {quiet:.4f} s without")
    if (worst := max(run.poisoned)) > BLOCKED_S:
        found.append(f"a task took {worst:.1f} s while there was poison")
    return found


def _figures(
    plan: Plan, run: _Run, letters: dict[Place, list[str]], refused: Counter[str]
) -> dict[str, object]:
    by_durable: dict[str, Counter[str]] = defaultdict(Counter)
    for one, _ in run.sent:
        by_durable[one.durable][one.end] += 1
    return {
        "n": len(run.sent),
        "seed": plan.seed,
        "rate_per_s": plan.rate,
        "tasks": {"quiet": len(run.quiet), "poisoned": len(run.poisoned)},
        "tasks_in_flight": plan.in_flight,
        "without": list(plan.without),
        "durables": len({spec.durable for spec in HANDLERS}),
        "poison": dict(Counter(one.kind for one, _ in run.sent)),
        "ends_wanted": {durable: dict(ends) for durable, ends in by_durable.items()},
        "dead_letters": sum(map(len, letters.values())),
        "refusals": refused.total(),
        "reasons": dict(
            Counter(why.partition(":")[0] for all_ in letters.values() for why in all_)
        ),
        "task_ms": {"quiet": _spread(run.quiet), "poisoned": _spread(run.poisoned)},
    }


def _spread(seconds: Sequence[float]) -> dict[str, float | None]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {
        name: rounded(None if (at := percentile(seconds, share)) is None else 1000 * at)
        for name, share in shares.items()
    }


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--rate", type=float, default=standard.rate, help="messages a second")
    parser.add_argument("--windows", type=int, default=standard.windows, help="of each sort")
    parser.add_argument("--window", type=float, default=standard.window_s, help="seconds")
    parser.add_argument("--in-flight", type=int, default=standard.in_flight)
    parser.add_argument("--without", action="append", default=[], help="leave this kind out")
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


async def _main(options: Namespace) -> Outcome | None:
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
