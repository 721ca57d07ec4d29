"""Composition root: the only place where audit's parts are made and joined."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal

from smartops.audit.adapters.bus import Bus
from smartops.audit.service import AuditService
from smartops.audit.settings import AuditSettings
from smartops.audit.standing import Part
from smartops.contracts.catalogue import AUDIT
from smartops.contracts.subjects import Subjects
from smartops.telemetry.bundle import Telemetry
from smartops.telemetry.probes import Probe
from smartops.telemetry.settings import TelemetrySettings

__all__ = ["run"]

_log = logging.getLogger(__name__)

_GC_THRESHOLD = 100_000
"""Objects made before the collector looks. Folding makes many, and none in cycles: at the default
of 700 a fifth of the time went into looking."""


async def run(settings: AuditSettings) -> None:
    """Audit until SIGTERM or SIGINT.

    Raises:
        Exception: a defect of ours; the process ends, and its supervisor starts another.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    telemetry = Telemetry.start(
        AUDIT,
        TelemetrySettings(
            log_level=settings.log_level,
            log_format=settings.log_format,
            traces=settings.traces,
            health_host=settings.health_host,
            health_port=settings.health_port,
        ),
    )
    bus = Bus(settings)
    service = AuditService(
        settings.database_url.get_secret_value(),
        bus.publish,
        settings.anchors_dir,
        subjects=Subjects(settings.prefix),
        options=settings.options(),
    )
    telemetry.metrics.projection_lag.set_function(lambda: service.counters.lag)
    pages = await telemetry.serve_health(_probes(service, bus))
    await bus.start()
    await service.start()
    if settings.health_file is not None:
        settings.health_file.write_text(pages.url, encoding="utf-8")
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 20)
    try:
        await _first(stop, service)
    finally:
        await service.stop(settings.shutdown_grace)
        await bus.stop()
        await telemetry.stop()


def _probes(service: AuditService, bus: Bus) -> list[Probe]:
    def log() -> str | None:
        found = dict(service.trouble)
        found.pop("anchors", None)
        if found:
            return "; ".join(f"{part}: {text}" for part, text in found.items())
        if service.part in (Part.PROJECTING, Part.STANDBY):
            return None
        return f"{service.part}: not projecting"

    return [
        Probe("log", log),
        Probe("anchors", lambda: dict(service.trouble).get("anchors")),
        Probe("bus", lambda: bus.trouble),
    ]


async def _first(stop: asyncio.Event, service: AuditService) -> None:
    """Until told to stop, or until the service has died of a defect."""
    stopped = asyncio.create_task(stop.wait())
    died = asyncio.create_task(service.wait())
    await asyncio.wait({stopped, died}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if died.done():
        died.result()
    died.cancel()
