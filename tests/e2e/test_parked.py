"""What lies parked is tried again because a person asks for it, once, and its end is told."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from smartops.contracts.canonical import canonical
from smartops.contracts.commands import IntentSubmit, PolicyParkedRetry
from smartops.contracts.events import ParkedRetried, TaskCompleted, TaskPlanned, TaskSubmitted
from smartops.contracts.ids import command_key, task_id
from smartops.runtime.parking import ASIDE
from smartops.sdk.errors import NotFound, Refused
from support.stacks import House, intruder, store_of

DEFECT = "RuntimeError: a defect that was mended since"


def intent(note: str) -> IntentSubmit:
    return IntentSubmit.model_validate(
        {
            "intent": f"Measure nothing, {note}",
            "environment": "sandbox",
            "context": {"agent": "noop"},
        }
    )


async def parked_row(house: House, cause: UUID) -> dict[str, Any] | None:
    rows = [row for row in await house.reader.parked() if row["cause"] == cause]
    return rows[0] if rows else None


async def park_command(house: House, command: IntentSubmit, handler: str) -> UUID:
    """As the planner does when a command failed eight times; returns its key."""
    ident = uuid4().hex
    principal = house.operator.principal
    key = command_key(house.tenant, principal, command.name, ident)
    subject = house.stack.subjects.command(house.tenant, command.name, 1, principal, ident)
    raw = canonical(command.model_dump(mode="json"))
    payload = subject.encode() + b"\n" + raw
    async with store_of(house.stack, "planner") as store:
        assert await store.park(handler, key, DEFECT, payload, house.tenant)
    return key


async def test_a_parked_command_is_carried_out_after_all(house: House) -> None:
    key = await park_command(house, intent("late"), "planner.intents")
    row = await parked_row(house, key)
    assert row is not None
    assert (row["service"], row["handler"], row["reason"]) == ("planner", "planner.intents", DEFECT)
    assert row["topic"] is None

    done = await house.operator.retry_parked("planner", "planner.intents", key, "mended")

    assert (done.outcome, done.reason) == ("handled", "")
    assert isinstance(done.event.data, ParkedRetried)
    assert done.event.data.was == DEFECT
    assert done.event.data.principal == house.operator.principal
    task = task_id(key)  # type: ignore[arg-type]
    await house.until(task, TaskSubmitted)
    assert await house.outcome(task) == "completed"
    assert await parked_row(house, key) is None


async def test_a_parked_event_is_handled_after_all_and_a_repeat_tries_nothing(house: House) -> None:
    event = await park_event(house, "policy.plans")

    done = await house.operator.retry_parked("policy", "policy.plans", event, "mended", id="one")

    assert done.outcome == "handled"
    async with store_of(house.stack, "policy") as store:
        settled = await store.settled("policy.plans", event)
        assert settled is not None
        assert settled.outcome == "handled"
    # Parked again since: the same command, by a sender whose repeat the stream does not know.
    await park_again(house, "policy.plans", event)
    name = PolicyParkedRetry.name
    subject = house.stack.subjects.command(house.tenant, name, 1, house.operator.principal, "one")
    command = PolicyParkedRetry(handler="policy.plans", cause=event, reason="mended")
    async with intruder(house.stack, "operator") as sender:
        await sender.publish(subject, canonical(command.model_dump(mode="json")))
    # In their order: this one is answered after that one was.
    other = await house.operator.retry_parked("policy", "policy.plans", event, "now", id="two")
    assert isinstance(other.event.data, ParkedRetried)
    assert other.event.data.was == DEFECT


async def test_what_fails_again_is_parked_again_with_the_new_reason(house: House) -> None:
    task = (await house.operator.submit(intent("twice"))).task
    ended = await house.event(task, TaskCompleted)
    async with store_of(house.stack, "policy") as store:
        # No plan: whatever policy makes of it, it cannot be weighed.
        assert await store.park("policy.plans", ended.id, DEFECT)

    done = await house.operator.retry_parked("policy", "policy.plans", ended.id, "who knows")

    assert done.outcome == "parked"
    row = await parked_row(house, ended.id)
    assert row is not None
    assert row["reason"] == done.reason != DEFECT
    async with store_of(house.stack, "policy") as store:
        await store.unpark("policy.plans", ended.id)


async def test_what_is_not_parked_is_left_alone(house: House) -> None:
    with pytest.raises(Refused, match="has not parked") as nothing:
        await house.operator.retry_parked("runner", "runner.gate", uuid4(), "why not")
    assert nothing.value.code == "not_parked"
    key = await park_command(house, intent("other"), "planner.intents")
    with pytest.raises(Refused, match="has not parked"):
        await house.operator.retry_parked("planner", "planner.evidence", key, "why not")
    with pytest.raises(NotFound, match="planner, policy, runner, tool_gateway"):
        await house.operator.retry_parked("audit", "planner.intents", key, "why not")
    assert await parked_row(house, key) is not None
    assert (await house.operator.retry_parked("planner", "planner.intents", key, "ok")).reason == ""


async def test_a_command_whose_process_died_while_it_was_tried_is_not_lost(house: House) -> None:
    """Its bytes lie aside by then, and nowhere else."""
    key = await park_command(house, intent("aside"), "planner.intents" + ASIDE)

    done = await house.operator.retry_parked("planner", "planner.intents", key, "once more")

    assert done.outcome == "handled"
    assert await parked_row(house, key) is None
    await house.until(task_id(key), TaskSubmitted)  # type: ignore[arg-type]


async def park_event(house: House, handler: str) -> UUID:
    """Take back that a plan was handled, as if it had been parked; returns the event's id."""
    task = (await house.operator.submit(intent("parked"))).task
    assert await house.outcome(task) == "completed"
    planned = await house.event(task, TaskPlanned)
    await park_again(house, handler, planned.id)
    return planned.id


async def park_again(house: House, handler: str, event: UUID) -> None:
    connection = await asyncpg.connect(house.stack.postgres.dsn())
    try:
        await connection.execute(
            "update smartops_log.inbox set outcome = 'parked', reason = $1"
            " where cause = $2 and handler = $3",
            DEFECT,
            event,
            handler,
        )
    finally:
        await connection.close()
