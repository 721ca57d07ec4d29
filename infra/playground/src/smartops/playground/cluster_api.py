"""Clusters over HTTP: who leads, what a failover would do, and doing it."""

from __future__ import annotations

from typing import Any

from smartops.playground.changes import FailedOver
from smartops.playground.errors import Conflict, InvalidField, NotFound
from smartops.playground.http import Act, Answer, Request, json_answer
from smartops.playground.operations import Operation
from smartops.playground.parsing import fields_of, idempotency_key, query_of
from smartops.playground.world import World

__all__ = ["REASON_CODES", "prepare_cluster"]

REASON_CODES = ("primary_unhealthy", "maintenance", "region_outage", "drill")
"""Why a lead is handed over."""


def prepare_cluster(
    world: World, request: Request, operation: Operation, cluster: str, n: int
) -> Act:
    """Check a request about a cluster; what carries it out.

    Raises:
        Problem: it cannot be carried out as it is.
    """
    if cluster not in world.fleet.clusters:
        raise NotFound(f"There is no cluster {cluster!r}.", field="cluster")
    match operation:
        case Operation.FAIL_OVER:
            query_of(request, ())
            key = idempotency_key(request.headers)
            fields = fields_of(request, ("primary", "reason_code"))
            primary, reason = fields.text("primary"), fields.text("reason_code")
            if reason not in REASON_CODES:
                raise InvalidField("reason_code", f"must be one of {', '.join(REASON_CODES)}")
            return lambda: _fail_over(world, FailedOver(n, cluster, primary, reason, key))
        case Operation.SIMULATE_FAILOVER:
            query = query_of(request, ("primary",))
            if "primary" not in query:
                raise NotFound("Name a member, as in ?primary=orders-db-2.", field="primary")
            return lambda: json_answer(_rehearse(world, cluster, query["primary"]))
        case _:
            query_of(request, ())
            fleet = world.fleet
            return lambda: json_answer(fleet.clusters[cluster].view(fleet.passes))


def _rehearse(world: World, cluster: str, primary: str) -> dict[str, Any]:
    """What a failover would do now.

    Raises:
        Conflict: it could not be done.
    """
    found = world.fleet.clusters[cluster]
    if primary not in found.members:
        raise Conflict(f"{primary!r} is no member of {cluster!r}.", field="primary")
    if not world.fleet.passes(primary):
        raise Conflict(f"{primary!r} is unhealthy and cannot lead.", field="primary")
    return {
        "id": cluster,
        "primary": primary,
        "previous_primary": found.primary,
        "lost_s": 0.0 if primary == found.primary else found.members[primary],
    }


def _fail_over(world: World, change: FailedOver) -> Answer:
    # A repetition is no new failover: it gets its answer even where a new one could not be done.
    if (first := world.recall(change)) is not None:
        return json_answer(first)
    _rehearse(world, change.server, change.primary)
    return json_answer(world.write(change))
