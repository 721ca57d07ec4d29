"""Composition root: the only place where audit's parts are made and joined."""

from __future__ import annotations

import asyncio

from smartops.audit.adapters.bus import Bus
from smartops.audit.adapters.connecting import connect
from smartops.audit.durations import Durations
from smartops.audit.service import AuditService
from smartops.audit.settings import AuditSettings
from smartops.audit.standing import Part
from smartops.contracts.catalogue import AUDIT
from smartops.contracts.subjects import Subjects
from smartops.eventstore.link import Link
from smartops.eventstore.pulse import Pulse
from smartops.runtime.process import settle_memory, start_telemetry, stop_on_signals, tell_ready
from smartops.telemetry.probes import Probe

__all__ = ["run"]


async def run(settings: AuditSettings) -> None:
    """Audit until SIGTERM or SIGINT.

    Raises:
        Exception: a defect of ours; the process ends, and its supervisor starts another.
    """
    stop = stop_on_signals()
    telemetry = start_telemetry(AUDIT, settings)
    bus = Bus(settings)
    service = AuditService(
        settings.database_url.get_secret_value(),
        bus.publish,
        settings.anchors_dir,
        subjects=Subjects(settings.prefix),
        options=settings.options(),
        durations=Durations(telemetry.metrics),
        tracer=telemetry.tracer,
    )
    telemetry.metrics.projection_lag.set_function(lambda: service.counters.lag)
    telemetry.metrics.read_counter(
        "projected_events", "Events verified and projected.", lambda: service.counters.events
    )
    pulse = Pulse(Link("pulse", lambda: connect(settings.database_url.get_secret_value())))
    pages = await telemetry.serve_health(_probes(service, bus, pulse))
    await bus.start()
    pulse.start()
    await service.start()
    settle_memory()
    tell_ready(settings, pages.url)
    try:
        await _first(stop, service)
    finally:
        await service.stop(settings.shutdown_grace)
        await bus.stop()
        await pulse.close()
        await telemetry.stop()


def _probes(service: AuditService, bus: Bus, pulse: Pulse) -> list[Probe]:
    def log() -> str | None:
        found = dict(service.trouble)
        found.pop("anchors", None)
        if found:
            return "; ".join(f"{part}: {text}" for part, text in found.items())
        if service.part in (Part.PROJECTING, Part.STANDBY):
            # A server that stands still answers nothing, the tail's last question included.
            return pulse.trouble
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
