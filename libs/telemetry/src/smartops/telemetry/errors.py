"""What can be wrong with the telemetry of a service. All of it is found when the service starts.

TelemetryError
├── BadSetting        a setting has a value that means nothing
├── ExporterMissing   traces go to a collector, but the package that speaks to it is absent
└── HealthPortTaken   the health pages cannot listen where they were told to
"""

from __future__ import annotations

from typing import ClassVar

__all__ = ["BadSetting", "ExporterMissing", "HealthPortTaken", "TelemetryError"]


class TelemetryError(Exception):
    """The root. `code` is stable, `retryable` says whether the same call may work later."""

    code: ClassVar[str] = "telemetry"
    retryable: ClassVar[bool] = False


class BadSetting(TelemetryError):
    """A setting has a value that means nothing."""

    code = "telemetry.setting"

    def __init__(self, setting: str, value: str, expected: str) -> None:
        super().__init__(f"{setting} is {value!r}: set it to {expected}.")
        self.setting = setting


class ExporterMissing(TelemetryError):
    """The package that sends spans to a collector is not installed."""

    code = "telemetry.exporter_missing"

    def __init__(self, traces: str, package: str) -> None:
        super().__init__(
            f"Traces are set to {traces!r}, which needs the package {package!r}: install it, "
            "or set traces to 'console', 'file:<path>' or 'off'."
        )
        self.package = package


class HealthPortTaken(TelemetryError):
    """The address of the health pages cannot be listened on."""

    code = "telemetry.health_port"
    retryable = True

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"The health pages cannot listen on {host}:{port} ({reason}): "
            "choose another port, or 0 for any free one."
        )
        self.host = host
        self.port = port
