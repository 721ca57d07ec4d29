"""From settings to a running process, the same for every service."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Awaitable, Callable
from datetime import timedelta

import uvloop
from smartops.eventstore.store import EventStore
from smartops.runtime.service import Service
from smartops.runtime.settings import ServiceSettings
from smartops.telemetry.bundle import Telemetry
from smartops.telemetry.probes import Probe
from smartops.telemetry.settings import TelemetrySettings

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


def _settle_memory() -> None:
    """Let the collector look at what a service makes, not at what it is made of.

    Modules, models and the caches' long-lived entries would otherwise be walked again and again;
    the youngest generation is small by default, for programs that make cycles. Ours make few.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)


async def _run(name: str, settings: ServiceSettings, wire: Wire) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    telemetry = Telemetry.start(
        name,
        TelemetrySettings(
            log_level=settings.log_level,
            log_format=settings.log_format,
            traces=settings.traces,
            health_host=settings.health_host,
            health_port=settings.health_port,
        ),
    )
    probes = [Probe("start", lambda: "starting")]
    pages = await telemetry.serve_health(probes)
    store = await EventStore.connect(
        settings.database_url.get_secret_value(), patience=_DATABASE_PATIENCE
    )
    service = Service(name, settings, telemetry, store)
    close = await wire(service)
    await service.start()
    probes[:] = service.probes()
    _settle_memory()
    if settings.health_file is not None:
        settings.health_file.write_text(pages.url, encoding="utf-8")
    await stop.wait()
    await service.stop()
    if close is not None:
        await close()
    await telemetry.stop()
