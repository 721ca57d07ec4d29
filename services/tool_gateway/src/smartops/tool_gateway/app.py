"""Composition root: the only place where the gateway's parts are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from smartops.contracts.streams import PLATFORM
from smartops.policy_engine import RegorusEngine, default_bundle_path
from smartops.runtime.service import Service
from smartops.tool_gateway.adapters.fleet import FleetDriver
from smartops.tool_gateway.bundle import ActiveBundle
from smartops.tool_gateway.calls import Calls
from smartops.tool_gateway.handlers import register
from smartops.tool_gateway.registration import register_tools
from smartops.tool_gateway.secrets import Secrets
from smartops.tool_gateway.settings import GatewaySettings
from smartops.tool_gateway.tools import Registry, Tool, fleet_tools, noop_tools

__all__ = ["wire"]


async def wire(service: Service) -> Callable[[], Awaitable[None]]:
    """Make the tools, tell the log of them, and join the reactions to the service."""
    settings = service.settings
    if not isinstance(settings, GatewaySettings):
        raise TypeError("the gateway runs on GatewaySettings")
    tools: tuple[Tool, ...] = noop_tools()
    drivers = []
    if settings.fleet_url is not None:
        token = (
            settings.fleet_token_file.read_text(encoding="utf-8").strip()
            if settings.fleet_token_file is not None
            else None
        )
        driver = FleetDriver(settings.fleet_url, token, settings.max_output_bytes)
        drivers.append(driver)
        tools += fleet_tools(driver)
    registry = Registry(tools)
    bundle = ActiveBundle(RegorusEngine.load(settings.bundle or default_bundle_path()))

    async def policy() -> str | None:
        active = await service.views.bundle.load(f"{PLATFORM}/bundle-default", fresh=True)
        return bundle.trouble(active.state.digest)

    calls = Calls(service, registry, bundle, Secrets(settings.secrets_dir))
    service.needs("policy", policy)
    register(service, calls)
    await register_tools(service, registry)

    async def close() -> None:
        for driver in drivers:
            await driver.close()

    return close
