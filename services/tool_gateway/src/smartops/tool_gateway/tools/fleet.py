"""Tools for a fleet of servers behind an HTTP control API."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from smartops.contracts.wire import (
    Category,
    Environment,
    Idempotence,
    Risk,
    Scope,
    TargetName,
)
from smartops.tool_gateway.ports import Driver
from smartops.tool_gateway.tools.base import Arguments, Output, Tool, descriptor

__all__ = ["fleet_tools"]

Targets = Annotated[tuple[TargetName, ...], Field(min_length=1, max_length=5000)]


class QueryAssets(Arguments):
    """Which servers: by environment, role, names."""

    environment: Environment
    role: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")] | None = None
    ids: Annotated[tuple[TargetName, ...], Field(max_length=5000)] = ()


class Asset(Output):
    """A server, as the inventory knows it."""

    id: str
    role: str
    environment: str
    version: str
    healthy: bool
    region: str = ""
    platform: str = ""
    draining: bool = False


class Assets(Output):
    """Servers found."""

    assets: tuple[Asset, ...]


class GetAsset(Arguments):
    """One server."""

    asset: TargetName


class GetGoldenImage(Arguments):
    """Of a role."""

    role: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]


class GoldenImage(Output):
    """The version that a role's servers should run."""

    role: str
    version: str


class ApplyPatch(Arguments):
    """Which version onto which server."""

    asset: TargetName
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$")]


class Patched(Output):
    """Versions before and after."""

    id: str
    previous_version: str
    version: str


class RestartServer(Arguments):
    """Which server, and why."""

    asset: TargetName
    reason: Annotated[str, Field(min_length=1, max_length=200)] = "asked for by a plan"


class Restarted(Output):
    """How often it has been restarted."""

    id: str
    restarts: int


class DrainServer(Arguments):
    """Which server; taking this back leaves it out of traffic if it was so before."""

    asset: TargetName
    draining: bool = True


class UndrainServer(Arguments):
    """Which server; taking this back leaves it in traffic if it was so before."""

    asset: TargetName
    draining: bool = False


class Drained(Output):
    """Whether it takes traffic."""

    id: str
    draining: bool


class ProbeHttp(Arguments):
    """Which servers, on which path."""

    targets: Targets
    path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9/_.-]{0,199}$")] = "/health"


class Statuses(Output):
    """HTTP status per server; none where nobody answered."""

    results: dict[str, int | None]


class QueryErrorRate(Arguments):
    """Of which servers."""

    targets: Targets


class Rates(Output):
    """Share of failed requests per server, 0 to 1; none where unknown."""

    results: dict[str, float | None]


def fleet_tools(driver: Driver, hosts: tuple[str, ...] = ()) -> tuple[Tool, ...]:
    """All tools of the fleet, carried out by one driver."""
    reads: dict[str, Any] = {
        "category": Category.READ,
        "risk": Risk.READ_ONLY,
        "idempotence": Idempotence.IDEMPOTENT,
        "egress": hosts,
    }
    writes: dict[str, Any] = {
        "risk": Risk.STATE_CHANGE_PROD,
        "blast_radius": 1,
        "egress": hosts,
    }

    def tool(
        name: str,
        description: str,
        arguments: type[Arguments],
        output: type[Output],
        **traits: Any,
    ) -> Tool:
        made = descriptor(name, description, arguments, output, **traits)
        return Tool(made, arguments, output, driver)

    return (
        tool(
            "query_assets",
            "Lists servers with version and health.",
            QueryAssets,
            Assets,
            scope=Scope.ENVIRONMENT,
            **reads,
        ),
        tool("get_asset", "Shows one server.", GetAsset, Asset, **reads),
        tool(
            "get_golden_image",
            "Tells the version that a role's servers should run.",
            GetGoldenImage,
            GoldenImage,
            scope=Scope.ORGANIZATION,
            **reads,
        ),
        tool(
            "probe_http",
            "Asks servers for a path and tells their HTTP status.",
            ProbeHttp,
            Statuses,
            scope=Scope.ENVIRONMENT,
            **reads,
        ),
        tool(
            "query_error_rate",
            "Reads servers' error rates from their metrics.",
            QueryErrorRate,
            Rates,
            scope=Scope.ENVIRONMENT,
            **reads,
        ),
        tool(
            "apply_patch",
            "Puts a version onto a server. Dedupes by key; taken back by putting the old one on.",
            ApplyPatch,
            Patched,
            category=Category.REVERSIBLE,
            idempotence=Idempotence.IDEMPOTENT,
            undo_tool="apply_patch",
            before="get_asset",
            **writes,
        ),
        tool(
            "drain_server",
            "Takes a server out of traffic.",
            DrainServer,
            Drained,
            category=Category.REVERSIBLE,
            idempotence=Idempotence.IDEMPOTENT,
            undo_tool="undrain_server",
            before="get_asset",
            **writes,
        ),
        tool(
            "undrain_server",
            "Puts a server back into traffic.",
            UndrainServer,
            Drained,
            category=Category.REVERSIBLE,
            idempotence=Idempotence.IDEMPOTENT,
            undo_tool="drain_server",
            before="get_asset",
            **writes,
        ),
        tool(
            "restart_server",
            "Restarts a server, each time it is asked: a lost answer cannot be cleared up.",
            RestartServer,
            Restarted,
            category=Category.IRREVERSIBLE,
            idempotence=Idempotence.OPAQUE,
            **writes,
        ),
    )
