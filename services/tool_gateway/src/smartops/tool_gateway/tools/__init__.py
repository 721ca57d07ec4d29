"""The typed registry: each tool is a descriptor, its models, and how a call is carried out."""

from __future__ import annotations

from smartops.tool_gateway.tools.base import Tool, descriptor
from smartops.tool_gateway.tools.fleet import fleet_tools
from smartops.tool_gateway.tools.noop import noop_tools

__all__ = ["Registry", "Tool", "descriptor", "fleet_tools", "noop_tools"]


class Registry:
    """Tools by name."""

    def __init__(self, tools: tuple[Tool, ...]) -> None:
        self._tools = {tool.descriptor.name: tool for tool in tools}
        for tool in tools:
            for other in (tool.descriptor.undo_tool, tool.descriptor.before):
                if other is not None and other not in self._tools:
                    raise ValueError(f"{tool.descriptor.name} names {other}, which is no tool")

    def get(self, name: str) -> Tool | None:
        """The tool called `name`."""
        return self._tools.get(name)

    def all(self) -> tuple[Tool, ...]:
        """All tools."""
        return tuple(self._tools.values())
