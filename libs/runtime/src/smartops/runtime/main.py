"""From settings to a running process, the same for every service."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

import uvloop
from smartops.runtime.counted import CountedStore
from smartops.runtime.process import (
    settle_memory,
    start_telemetry,
    stop_on_signals,
    tell_ready,
)
from smartops.runtime.service import Service
from smartops.runtime.settings import ServiceSettings
from smartops.telemetry.probes import Probe

__all__ = ["run_service"]

Wire = Callable[[Service], Awaitable[Callable[[], Awaitable[None]] | None]]
"""Registers handlers and makes adapters; may return what closes the adapters."""

_DATABASE_PATIENCE = timedelta(seconds=60)


def run_service(name: str, settings: ServiceSettings, wire: Wire) -> None:
    """Run a service until SIGTERM or SIGINT.

    Args:
        name: as the catalogue names it.
        settings: read from the environment.
        wire: see `Wire`.
    """
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_run(name, settings, wire))


async def _run(name: str, settings: ServiceSettings, wire: Wire) -> None:
    stop = stop_on_signals()
    telemetry = start_telemetry(name, settings)
    stage = "starting: connecting to the database"
    probes = [Probe("start", lambda: stage)]
    pages = await telemetry.serve_health(probes)
    store = await CountedStore.connect(
        settings.database_url.get_secret_value(), patience=_DATABASE_PATIENCE
    )
    store.count_in(telemetry.metrics)
    store.keep_pulse()
    service = Service(name, settings, telemetry, store)
    stage = "starting: telling the log what this process holds"
    close = await wire(service)
    stage = "starting: connecting to the bus"
    await service.start()
    probes[:] = service.probes()
    settle_memory()
    tell_ready(settings, pages.url)
    await stop.wait()
    await service.stop()
    if close is not None:
        await close()
    await telemetry.stop()
