"""Composition root: the only place where the gateway's parts are made."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from smartops.policy_engine import OpaAt
from smartops.redact import Finder
from smartops.runtime.people import People
from smartops.runtime.service import Service
from smartops.tool_gateway.adapters.backups import BackupDriver
from smartops.tool_gateway.adapters.clusters import ClusterDriver
from smartops.tool_gateway.adapters.config import ConfigDriver
from smartops.tool_gateway.adapters.egress import Egress, Place
from smartops.tool_gateway.adapters.fleet import FleetDriver
from smartops.tool_gateway.adapters.json_api import JsonApi
from smartops.tool_gateway.adapters.latency import LatencyDriver
from smartops.tool_gateway.adapters.prometheus import PrometheusDriver
from smartops.tool_gateway.bindings import check_bindings
from smartops.tool_gateway.bundle import engines_of
from smartops.tool_gateway.calls import Calls, Limits
from smartops.tool_gateway.handlers import register
from smartops.tool_gateway.privacy import Privacy
from smartops.tool_gateway.registration import register_tools
from smartops.tool_gateway.secrets import Secrets
from smartops.tool_gateway.settings import GatewaySettings
from smartops.tool_gateway.tending import Tending
from smartops.tool_gateway.tools import (
    Drivers,
    Registry,
    Tool,
    compute_tools,
    control_tools,
    noop_tools,
)
from smartops.tool_gateway.tools.observe import latency_tools, prometheus_tools
from smartops.vault import Keeper, Opener, Vault, read_token_key

__all__ = ["wire"]

_log = logging.getLogger(__name__)


async def wire(service: Service) -> Callable[[], Awaitable[None]]:
    """Make the tools, tell the log of them, and join the reactions to the service."""
    settings = service.settings
    if not isinstance(settings, GatewaySettings):
        raise TypeError("the gateway runs on GatewaySettings")
    endpoints = tuple(url for url in (settings.fleet_url, settings.prometheus_url) if url)
    egress = Egress(endpoints if settings.egress_hosts is None else settings.egress_hosts)
    tools: tuple[Tool, ...] = (*noop_tools(), *compute_tools())
    if settings.fleet_url is not None:
        tools += _control_api(settings, settings.fleet_url, egress)
    if settings.prometheus_url is not None:
        tools += _prometheus(settings, settings.prometheus_url, egress)
    egress.check(tools)
    registry = Registry(tools)
    check_bindings(settings.secret_bindings, [tool.descriptor.name for tool in tools])
    opa = OpaAt.of(settings.opa_url, settings.opa_token_file, settings.opa_timeout)
    engines = engines_of(service, settings.bundle, opa)

    async def alive() -> str | None:
        return service.store.incarnation.trouble

    await service.store.incarnation.start()
    opener = None if settings.vault_key_file is None else Opener.read(settings.vault_key_file)
    vault = Vault(service.store, opener)
    keeper = _keeper(service, settings, opener)
    if keeper.keeps:
        service.orders.keep_with(keeper)
    secrets = _secrets(settings, vault, keeper)
    limits = Limits(settings.reads_per_task, settings.tenant_rate)
    calls = Calls(service, registry, engines, secrets, limits)
    service.needs("policy", engines.trouble)
    service.needs("incarnation", alive)
    tending = Tending(vault)
    tending.start()
    privacy = Privacy(service, vault, People(service.store), settings.privacy_role)
    register(service, calls, privacy)
    await register_tools(service, registry)

    async def close() -> None:
        await tending.stop()
        await calls.permits.close()
        for driver in {id(tool.driver): tool.driver for tool in tools}.values():
            await driver.close()

    return close


def _keeper(service: Service, settings: GatewaySettings, opener: Opener | None) -> Keeper:
    finder = Finder(region=settings.phone_region, with_addresses=settings.find_addresses)
    if opener is None or settings.pii_key_file is None:
        _log.warning("no vault: personal data in answers is blanked, and lost")
        return Keeper(service.store, finder)
    return Keeper(service.store, finder, read_token_key(settings.pii_key_file), opener.sealer)


def _secrets(settings: GatewaySettings, vault: Vault, keeper: Keeper) -> Secrets:
    own, bindings = _credentials(settings), settings.secret_bindings
    secrets = Secrets(settings.secrets_dir, vault, keeper, own, bindings)
    if settings.secrets_dir is not None and not bindings:
        _log.warning("no secret is bound (SMARTOPS_SECRET_BINDINGS): no tool is told any")
    if missing := secrets.missing():
        _log.warning("bound, and not in the folder of secrets: %s", ", ".join(missing))
    return secrets


def _credentials(settings: GatewaySettings) -> tuple[str, ...]:
    """What drivers sign in with."""
    files = (settings.fleet_token_file, settings.prometheus_token_file)
    return tuple(file.read_text(encoding="utf-8").strip() for file in files if file is not None)


def _control_api(settings: GatewaySettings, url: str, egress: Egress) -> tuple[Tool, ...]:
    """The tools of one control API, which share its connections."""
    hosts = (Place.parse(url).host,)
    headers = _bearer(settings.fleet_token_file)
    api = JsonApi(egress.client(url, headers, hosts=hosts), settings.max_output_bytes)
    drivers = Drivers(FleetDriver(api), ConfigDriver(api), ClusterDriver(api), BackupDriver(api))
    return (*control_tools(drivers, hosts), *latency_tools(LatencyDriver(api), hosts))


def _prometheus(settings: GatewaySettings, url: str, egress: Egress) -> tuple[Tool, ...]:
    """Queries to one Prometheus server, which talk to nobody else."""
    hosts = (Place.parse(url).host,)
    headers = _bearer(settings.prometheus_token_file)
    api = JsonApi(egress.client(url, headers, hosts=hosts), settings.max_output_bytes)
    return prometheus_tools(PrometheusDriver(api), hosts)


def _bearer(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    return {"authorization": f"Bearer {file.read_text(encoding='utf-8').strip()}"}
