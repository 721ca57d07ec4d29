"""Telling the log which tools exist: an event per tool whose descriptor is new or changed."""

from __future__ import annotations

from smartops.contracts.events import ToolRegistered
from smartops.contracts.folds import ToolView, evolve_tool
from smartops.contracts.ids import named_id
from smartops.contracts.streams import PLATFORM, stream
from smartops.contracts.tools import ToolDescriptor
from smartops.eventstore.units import Trigger
from smartops.runtime.decision import NOTHING, Decision
from smartops.runtime.reactor import Reactor
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service
from smartops.tool_gateway.tools import Registry

__all__ = ["register_tools"]


async def register_tools(service: Service, registry: Registry) -> None:
    """Register every tool; those that the log already knows in this form cost nothing."""
    tools = service.reactor(ToolView(), evolve_tool)
    for tool in registry.all():
        await _register(tools, tool.descriptor)


async def _register(tools: Reactor[ToolView], described: ToolDescriptor) -> None:
    digest = described.digest()
    name = stream(PLATFORM, "tool", described.name)
    folded = await tools.folds.load(name, fresh=True)
    if folded.state.digest == digest:
        return
    registered = ToolRegistered(descriptor=described, digest=digest)
    # The version is part of the cause: a tool may return to what it once was.
    ident = named_id("tool", name, folded.version, digest)

    async def decide(view: ToolView, _fresh: bool) -> Decision:  # noqa: FBT001
        return NOTHING if view.digest == digest else Decision([registered])

    await tools.react(name, Cause(Trigger("tool_gateway.registry", ident), None), decide)
