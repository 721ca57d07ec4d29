"""Tools for clusters with a primary: look, rehearse a failover, carry it out."""

from __future__ import annotations

from enum import StrEnum

from smartops.contracts.wire import Category, Idempotence, Risk, TargetName
from smartops.tool_gateway.ports import Driver
from smartops.tool_gateway.tools.base import Arguments, Output, Tool, descriptor

__all__ = ["FailoverReason", "cluster_tools"]


class FailoverReason(StrEnum):
    """Why a cluster's lead is handed over."""

    PRIMARY_UNHEALTHY = "primary_unhealthy"
    MAINTENANCE = "maintenance"
    REGION_OUTAGE = "region_outage"
    DRILL = "drill"


class GetCluster(Arguments):
    """Which cluster."""

    asset: TargetName


class Member(Output):
    """A member, and how far it is behind."""

    name: str
    healthy: bool
    lag_s: float


class Cluster(Output):
    """Who leads, and who could."""

    id: str
    primary: str
    members: tuple[Member, ...]
    failovers: int


class SimulateFailover(Arguments):
    """Which cluster, to which member."""

    asset: TargetName
    primary: TargetName


class Rehearsed(Output):
    """What a failover would do now; it is refused where it could not be carried out."""

    id: str
    primary: str
    previous_primary: str
    lost_s: float


class ExecuteFailover(Arguments):
    """Which cluster, to which member, and why."""

    asset: TargetName
    primary: TargetName
    reason_code: FailoverReason


class FailedOver(Output):
    """Who leads now, and who did."""

    id: str
    primary: str
    previous_primary: str


def cluster_tools(driver: Driver, hosts: tuple[str, ...] = ()) -> tuple[Tool, ...]:
    """All tools of the clusters, carried out by one driver."""
    read = descriptor(
        "get_cluster",
        "Shows a cluster's members and which of them leads.",
        GetCluster,
        Cluster,
        category=Category.READ,
        risk=Risk.READ_ONLY,
        idempotence=Idempotence.IDEMPOTENT,
        egress=hosts,
    )
    rehearsal = descriptor(
        "simulate_failover",
        "Rehearses a failover without doing it; fails where the failover would.",
        SimulateFailover,
        Rehearsed,
        category=Category.READ,
        risk=Risk.PLAN_ONLY,
        idempotence=Idempotence.IDEMPOTENT,
        egress=hosts,
    )
    write = descriptor(
        "execute_failover",
        "Makes another member of a cluster its primary. Dedupes by key; taken back by the same.",
        ExecuteFailover,
        FailedOver,
        category=Category.REVERSIBLE,
        risk=Risk.STATE_CHANGE_PROD,
        idempotence=Idempotence.IDEMPOTENT,
        undo_tool="execute_failover",
        before="get_cluster",
        simulate="simulate_failover",
        reason_code=True,
        blast_radius=1,
        concurrency=1,
        rate={"calls": 10, "window_ms": 3_600_000},
        egress=hosts,
    )
    return (
        Tool(read, GetCluster, Cluster, driver),
        Tool(rehearsal, SimulateFailover, Rehearsed, driver),
        Tool(write, ExecuteFailover, FailedOver, driver),
    )
