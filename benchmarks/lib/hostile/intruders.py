"""What a service's credentials do not let it do: history of others, words of others, false acks."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from random import Random
from uuid import UUID

import nats
from smartops.bus.users import inbox_prefix
from smartops.contracts.catalogue import HANDLERS, PLANNER, RUNNER, categories_of
from smartops.contracts.streams import stream
from smartops.devstack.stack import Stack
from smartops.eventstore import NewEvent, Trigger, Unit, Write
from smartops.eventstore.errors import CategoryForbidden

from benchmarks.lib.hostile.adversary import Adversary

__all__ = ["foreign_history", "foreign_words"]

_PATIENCE_S = 5.0
_LONG_AGO = 1_700_000_000_000_000_000
"""Nanoseconds of the epoch: when the message came that is falsely said to be done with."""

_HISTORY = (
    ("gate", "task.approval.granted.v2"),
    ("gate", "task.approval.recorded.v2"),
    ("call", "tool.call.completed.v1"),
    ("call", "tool.call.dispatched.v1"),
    ("call", "tool.call.settled.v2"),
    ("actor", "actor.mapped.v1"),
    ("bundle", "policy.bundle.activated.v1"),
    ("autonomy", "autonomy.changed.v1"),
    ("tool", "tool.registered.v2"),
    ("task", "task.planned.v1"),
    ("run", "task.started.v1"),
)
"""Category and topic; whoever owns the category is not tried with it."""


async def foreign_history(
    adversary: Adversary, random: Random, task: UUID, count: int
) -> tuple[Counter[str], list[str]]:
    """Append so many events to streams of others; what was refused by kind, and what was not.

    Each behind the newest event of its stream: so nothing but the category stands against it.
    """
    refused: Counter[str] = Counter()
    let_through = []
    foreign = [one for one in _HISTORY if one[0] not in categories_of(adversary.service)]
    for _ in range(count):
        category, topic = random.choice(foreign)
        name = stream(adversary.tenant, category, task)
        version = len(await adversary.store.read_stream(name, 0))
        ident = UUID(int=random.getrandbits(128), version=4)
        event = NewEvent(ident, topic, task, ident, "-", b"{}", None)
        unit = Unit([Trigger(f"{adversary.service}.calls", ident)], [Write(name, version, [event])])
        kind = f"{adversary.service} writes {category}"
        try:
            done = await adversary.store.append(unit)
        except CategoryForbidden:
            refused[kind] += 1
        else:
            let_through.append(f"{kind}: {done}")
    return refused, let_through


async def foreign_words(
    stack: Stack, service: str, random: Random, count: int
) -> tuple[Counter[str], list[str]]:
    """Publish so many messages on subjects of others; the same of these."""
    subjects = _subjects(stack, service, random, count)
    complaints: list[str] = []
    heard = asyncio.Event()

    async def hear(error: Exception) -> None:
        complaints.append(str(error).lower())
        heard.set()

    connection = await nats.connect(
        stack.nats.url,
        nkeys_seed=str(stack.credentials.directory / f"{service}.nk"),
        inbox_prefix=inbox_prefix(service).encode(),
        error_cb=hear,
    )
    refused: Counter[str] = Counter()
    let_through = []
    try:
        for _, subject in subjects:
            await connection.publish(subject, b"{}")
        # A client's ping may overtake what it has yet to write; that of a second flush cannot.
        await connection.flush()
        await connection.flush()
        with contextlib.suppress(TimeoutError):  # Then what is missing was let through.
            async with asyncio.timeout(_PATIENCE_S):
                while len(complaints) < len(subjects):
                    heard.clear()
                    await heard.wait()
    finally:
        await connection.close()
    for kind, subject in subjects:
        if any(f'"{subject.lower()}"' in one for one in complaints):
            refused[kind] += 1
        else:
            let_through.append(f"{kind}: {subject} was let through")
    return refused, let_through


def _subjects(stack: Stack, service: str, random: Random, count: int) -> list[tuple[str, str]]:
    """Kind and subject; each subject once."""
    others = [spec for spec in HANDLERS if spec.service not in {service, ""} and spec.events]
    tenant = stack.options.tenant
    made: dict[str, str] = {}
    while len(made) < count:
        ident = UUID(int=random.getrandbits(128), version=4)
        spec = random.choice(others)
        principal = stack.principals["approver"]
        party = random.choice((PLANNER, RUNNER))
        kind, subject = random.choice(
            (
                (
                    "a false ack",
                    f"$JS.ACK.SMARTOPS.{spec.durable}.1.{ident.int % 10**6}.1.{_LONG_AGO}.0",
                ),
                (
                    "a vote",
                    stack.subjects.command(tenant, "approval.decide", 1, principal, str(ident)),
                ),
                (
                    "a settlement",
                    stack.subjects.command(tenant, "call.settle", 1, principal, str(ident)),
                ),
                (
                    "a grant",
                    stack.subjects.event(tenant, "task.approval.granted", 2, "-", ident),
                ),
                (
                    "an outcome",
                    stack.subjects.event(tenant, "tool.call.completed", 1, party, ident),
                ),
            )
        )
        made[subject] = f"{service} says {kind}"
    return [(kind, subject) for subject, kind in made.items()]
