"""What a grant stands on beyond its own gate."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from smartops.contracts.folds import GateView
from smartops.contracts.streams import stream
from smartops.runtime.views import Views

__all__ = ["borne_out"]


async def borne_out(views: Views, tenant: str, task: UUID, gate: GateView) -> GateView:
    """The gate, its grant by a standing word founded only if that word's own stream says so.

    Of all others the gate's stream says everything: they come back as they are, with nothing read.

    Args:
        views: of the log.
        tenant: whose.
        task: the gate's.
        gate: as folded from its stream.
    """
    grant = gate.grant
    if grant is None or grant.standing is None:
        return gate
    name = stream(tenant, "standing", grant.standing)
    word = (await views.standing.load(name)).state
    if not word.bears_out(task, grant):
        # Use and grant are written together, but what is remembered may be older than both.
        word = (await views.standing.load(name, fresh=True)).state
    return gate if word.bears_out(task, grant) else replace(gate, unfounded=True)
