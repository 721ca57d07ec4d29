"""The typed registry: each tool is a descriptor, its models, and how a call is carried out."""

from __future__ import annotations

from typing import NamedTuple

from smartops.tool_gateway.ports import Driver
from smartops.tool_gateway.tools.backups import backup_tools
from smartops.tool_gateway.tools.base import Tool, descriptor
from smartops.tool_gateway.tools.clusters import cluster_tools
from smartops.tool_gateway.tools.compute import compute_tools
from smartops.tool_gateway.tools.config import config_tools
from smartops.tool_gateway.tools.fleet import fleet_tools
from smartops.tool_gateway.tools.noop import noop_tools
from smartops.tool_gateway.tools.rules import BadTools, Contradiction, check_tools

__all__ = [
    "BadTools",
    "Drivers",
    "Registry",
    "Tool",
    "compute_tools",
    "control_tools",
    "descriptor",
    "noop_tools",
]


class Drivers(NamedTuple):
    """Who carries out the tools of the control API, by what they are about."""

    fleet: Driver
    config: Driver
    clusters: Driver
    backups: Driver


def control_tools(drivers: Drivers, hosts: tuple[str, ...] = ()) -> tuple[Tool, ...]:
    """All tools of the control API.

    Args:
        drivers: for their calls.
        hosts: where the API is; declared by each of them as all that it talks to.
    """
    return (
        *fleet_tools(drivers.fleet, hosts),
        *config_tools(drivers.config, hosts),
        *cluster_tools(drivers.clusters, hosts),
        *backup_tools(drivers.backups, hosts),
    )


class Registry:
    """Tools by name.

    Raises:
        BadTools: what they declare contradicts itself.
    """

    def __init__(self, tools: tuple[Tool, ...]) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            name = tool.descriptor.name
            if name in self._tools:
                raise BadTools((Contradiction(name, "name", "two tools have it"),))
            self._tools[name] = tool
        check_tools({name: tool.descriptor for name, tool in self._tools.items()})

    def get(self, name: str) -> Tool | None:
        """The tool called `name`."""
        return self._tools.get(name)

    def all(self) -> tuple[Tool, ...]:
        """All tools."""
        return tuple(self._tools.values())
