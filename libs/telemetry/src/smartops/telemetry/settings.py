"""The settings of telemetry, plain: whoever reads the environment fills them in."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TelemetrySettings"]


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """How a service tells of itself."""

    log_level: str = "INFO"
    """Least level that is written: DEBUG, INFO, WARNING, ERROR or CRITICAL, in any case."""

    log_format: str = "json"
    """`json` (one object per line, for collectors) or `text` (for terminals)."""

    traces: str = "off"
    """Where spans go: `off`, `console` (stdout), `file:<path>` (JSON lines) or `otlp`.

    `otlp` takes its endpoint and headers from the standard OTEL_EXPORTER_OTLP_* variables."""

    health_host: str = "127.0.0.1"
    """Address the health pages listen on; `0.0.0.0` in a container."""

    health_port: int = 0
    """Port of the health pages; 0 takes any free one."""
