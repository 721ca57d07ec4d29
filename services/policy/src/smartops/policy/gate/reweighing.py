"""A plan that waits while the policy changes: what the one now in force says to it.

The very questions that it was weighed by are asked again. They are stored, so nothing has to be
read anew; what has changed in the world since is for the dispatch to find.
"""

from __future__ import annotations

from collections.abc import Sequence

from smartops.contracts.canonical import raw_digest
from smartops.contracts.events import TaskApprovalRequired, TaskPlanValidated
from smartops.eventstore.store import EventStore
from smartops.policy_engine import Asked, PolicyEngine, ask_again

__all__ = ["weigh_again", "withheld"]


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
