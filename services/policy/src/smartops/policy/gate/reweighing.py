"""A plan that waits while the policy changes: what the one now in force says to it.

The very questions that it was weighed by are asked again. They are stored, so nothing has to be
read anew; what has changed in the world since is for the dispatch to find. Of a plan that came back
from its run, the steps that were denied are asked about, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from smartops.contracts.canonical import raw_digest
from smartops.contracts.events import TaskApprovalRequired, TaskPlanReturned, TaskPlanValidated
from smartops.eventstore.store import EventStore
from smartops.policy_engine import Asked, PolicyEngine, ToolCallInput, ask, ask_again

__all__ = ["steps_again", "weigh_again", "withheld"]


async def weigh_again(
    store: EventStore, tenant: str, plan: TaskPlanValidated, engine: PolicyEngine
) -> tuple[Asked, ...]:
    """Ask the engine what another bundle was asked about a plan; nothing if it is the same bundle.

    Raises:
        BlobMissing: a question that was recorded is gone.
        BlobCorrupt: its bytes are others.
    """
    if plan.bundle == engine.bundle_digest:
        return ()
    return tuple(
        [
            ask_again(engine, one.entrypoint, await store.blob(tenant, raw_digest(one.input)))
            for one in plan.decisions
        ]
    )


async def steps_again(
    store: EventStore,
    tenant: str,
    returned: TaskPlanReturned,
    engine: PolicyEngine,
    now: datetime,
    expires_at: datetime,
) -> tuple[Asked, ...]:
    """Ask about the steps that were denied, as they would go out were the plan granted now.

    By people, until `expires_at`. Who approves what is denied again the next moment has decided
    nothing.

    Raises:
        BlobMissing: a question that was recorded is gone.
        BlobCorrupt: its bytes are others.
    """
    asked = []
    for step in returned.withheld:
        if step.input is None:
            continue
        content = await store.blob(tenant, raw_digest(step.input))
        before = ToolCallInput.model_validate_json(content)
        if before.grant is None:
            continue
        by_people = {"expires_at_ms": _milliseconds(expires_at), "automatic": False}
        grant = before.grant.model_copy(update=by_people)
        then = {"grant": grant, "now_ms": _milliseconds(now)}
        asked.append(ask(engine, "tool_call", before.model_copy(update=then)))
    return tuple(asked)


def withheld(
    plan: TaskPlanValidated,
    required: TaskApprovalRequired,
    engine: PolicyEngine,
    again: Sequence[Asked],
) -> tuple[str, ...]:
    """Why nobody may approve a plan any more, under the policy now in force; empty if they may."""
    if plan.bundle == engine.bundle_digest:
        return ()
    if not again:
        return ("it was weighed before another policy came into force: have it planned anew",)
    said = [
        f"under the policy now in force: {denial.message}"
        for asked in again
        for denial in asked.verdict.denials
    ]
    for asked in again:
        verdict = asked.verdict
        if verdict.quorum > required.quorum or not set(verdict.roles) <= set(required.roles):
            said.append(
                f"under the policy now in force {verdict.quorum} people must agree, as "
                f"{', '.join(verdict.roles)}: have it planned anew"
            )
    return tuple(said)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
