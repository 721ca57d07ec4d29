"""A history of policy decisions of every kind, made by the real services."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing, suppress
from uuid import UUID

from smartops.contracts.commands import IntentContext, IntentSubmit, Scope, WantedStep
from smartops.contracts.wire import Environment
from smartops.devstack.stack import Stack
from smartops.sdk import Client, Profile
from smartops.sdk.course import fold
from smartops.sdk.errors import Refused, SdkError

from benchmarks.lib.experiment import progress

__all__ = ["PEOPLE", "make_history"]

PEOPLE = {
    # The operator is an approver as well: own requests are denied for being own, and nothing else.
    "operator": ("operator", "approver", "policy-admin"),
    "approver": ("approver", "senior-approver", "policy-admin"),
}

_TOGETHER = 8
"""Tasks under way at once."""
_STEPS = (4, 20)
"""Writes of a task, at least and at most."""
_PATIENCE_S = 120.0


async def make_history(stack: Stack, decisions: int, seed: int) -> int:
    """Have at least so many decisions recorded; returns how many tasks that took."""
    profile = Profile.load(stack.home)
    chance = random.Random(seed)
    fleet = [str(server["id"]) for server in await stack.fleet()]
    async with (
        await Client.connect(profile, "operator") as operator,
        await Client.connect(profile, "approver") as approver,
    ):
        tasks = 0
        while True:
            made = await _count(operator)
            progress(f"{made} decisions in {tasks} tasks")
            if made >= decisions:
                return tasks
            batch = [
                _drift(operator, chance.sample(fleet, chance.randint(2, len(fleet))))
                if number % _TOGETHER == 0
                else _writes(operator, approver, f"{tasks}-{number}", chance.randint(*_STEPS))
                for number in range(2 * _TOGETHER)
            ]
            await asyncio.gather(*batch)
            tasks += len(batch)


async def _count(client: Client) -> int:
    """Decisions recorded so far."""
    [row] = await client.reader.rows(
        "select count(*) as n from smartops.v_decisions where tenant = $1", client.tenant
    )
    return int(row["n"])


async def _drift(operator: Client, servers: list[str]) -> None:
    """A production plan of one size or another, never carried out; and a vote on one's own."""
    intent = IntentSubmit(
        intent="Fix drift on production web servers",
        environment=Environment.PRODUCTION,
        context=IntentContext(scope=Scope(asset_ids=tuple(servers))),
    )
    task = (await operator.submit(intent)).task
    await _vote(operator, task)
    with suppress(SdkError):  # A plan that policy refused has ended.
        await operator.cancel(task, "only its plan was wanted")


async def _writes(operator: Client, approver: Client, name: str, steps: int) -> None:
    """A task that is approved and carried out, after its requester tried to approve it."""
    wanted = tuple(
        WantedStep(tool="noop_write", target=f"noop-{name}", arguments={"n": number})
        for number in range(steps)
    )
    intent = IntentSubmit(
        intent="Do the usual in staging",
        environment=Environment.STAGING,
        context=IntentContext(agent="noop", steps=wanted, approval=True),
    )
    task = (await operator.submit(intent)).task
    await _vote(operator, task)
    await _vote(approver, task)
    async with asyncio.timeout(_PATIENCE_S), aclosing(operator.watch(task)) as events:
        outcome = fold([event async for event in events]).outcome
    if outcome != "completed":
        raise RuntimeError(f"task {task} ended {outcome}: this history is not what it should be")


async def _vote(client: Client, task: UUID) -> None:
    """Approve, or be told why not."""
    try:
        card = await client.card(task)
        await client.decide(task, card.plan_hash, card.assessment_hash, "approve")
    except Refused:
        return
