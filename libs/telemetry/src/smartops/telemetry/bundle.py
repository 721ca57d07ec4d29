"""All of telemetry, started in one call by the composition root of a service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TextIO

from smartops.telemetry.health import health_app
from smartops.telemetry.logs import LogSetup, configure_logs
from smartops.telemetry.metrics import Metrics
from smartops.telemetry.probes import Probe
from smartops.telemetry.server import HealthServer
from smartops.telemetry.settings import TelemetrySettings
from smartops.telemetry.tracing import Tracer, start_tracer

__all__ = ["Telemetry"]


class Telemetry:
    """Logs, metrics and traces of one process, and its health pages once they are served."""

    def __init__(
        self,
        service: str,
        settings: TelemetrySettings,
        logs: LogSetup,
        metrics: Metrics,
        tracer: Tracer,
    ) -> None:
        self.service = service
        self.settings = settings
        self.logs = logs
        """In place until `logs.close()`: `stop` leaves them, for what is said last."""
        self.metrics = metrics
        self.tracer = tracer
        self._pages: HealthServer | None = None

    @classmethod
    def start(
        cls,
        service: str,
        settings: TelemetrySettings | None = None,
        *,
        stream: TextIO | None = None,
        scrub: Callable[[str], str] | None = None,
    ) -> Telemetry:
        """Configure logs, metrics and traces; needs no event loop yet.

        Args:
            service: the name in logs, metrics and traces, e.g. `tool_gateway`.
            settings: the defaults unless given.
            stream: where logs go; stderr unless given.
            scrub: replaces sensitive parts of each logged text.

        Raises:
            BadSetting: a setting means nothing.
            ExporterMissing: spans shall go to a collector, but no exporter is installed.
            OSError: spans shall go to a file that cannot be opened.
        """
        settings = settings or TelemetrySettings()
        tracer = start_tracer(service, settings.traces)
        logs = configure_logs(service, settings.log_level, settings.log_format, stream, scrub=scrub)
        return cls(service, settings, logs, Metrics(service), tracer)

    async def serve_health(self, probes: Sequence[Probe]) -> HealthServer:
        """Serve the health pages where the settings say, until `stop`.

        To be called before connections are made: `/ready` then tells what the start waits for.

        Args:
            probes: read at each request; parts may be added later.

        Raises:
            HealthPortTaken: the address cannot be listened on.
        """
        pages = HealthServer(
            health_app(probes, self.metrics), self.settings.health_host, self.settings.health_port
        )
        await pages.start()
        self._pages = pages
        return pages

    async def stop(self) -> None:
        """Stop the pages and send the last spans. Again is harmless."""
        pages, self._pages = self._pages, None
        if pages is not None:
            await pages.stop()
        await self.tracer.stop()
