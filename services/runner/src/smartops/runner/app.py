"""Composition root: the only place where the runner's parts are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from smartops.redact import Finder
from smartops.runner.handlers import register
from smartops.runner.runs import Runs
from smartops.runner.sandboxing import Sandboxing, limits_of
from smartops.runner.settings import RunnerSettings
from smartops.runtime.service import Service
from smartops.sandbox import Level

__all__ = ["wire"]


async def wire(service: Service) -> Callable[[], Awaitable[None]]:
    """Join the runner's reactions to a service."""
    settings = service.settings
    if not isinstance(settings, RunnerSettings):
        raise TypeError("the runner runs on RunnerSettings")
    limits = limits_of(
        settings.compute_time, settings.compute_cpu, settings.compute_memory_mib * 1024 * 1024
    )
    finder = Finder(region=settings.phone_region, with_addresses=settings.find_addresses)
    service.orders.finder = finder
    sandbox = Sandboxing(Level(settings.sandbox_level), limits, finder)
    sandbox.try_out()
    service.tells("sandbox", sandbox.note)
    service.telemetry.metrics.read_gauge(
        "sandbox_level", "1 for the level that code of plans runs at.", sandbox.levels, "level"
    )
    register(service, Runs(service), sandbox)
    return sandbox.close
