"""Phases as people and agents write them, with durations and limits as text; stored as numbers.

{"name": "Canary", "wait_time": "30m", "batch": 5, "rollback_if": "error_rate > 1%",
 "health_checks": [{"type": "error_rate", "threshold": "< 1%", "timeout": "5s",
                    "window": "5m", "interval": "10s"}]}
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from smartops.contracts.errors import Malformed
from smartops.contracts.maintenance import MaintenanceWindow
from smartops.contracts.plan import OnTimeout
from smartops.contracts.quantities import DURATION, milliseconds
from smartops.contracts.wire import Check, LongText, ShortText, Wire

__all__ = ["WrittenCheck", "WrittenPhase", "read_phase"]

Duration = Annotated[str, Field(pattern=DURATION)]


class WrittenCheck(Wire):
    """A health check."""

    type: Literal["http_200", "error_rate", "latency_p99", "custom_metric"]
    target: ShortText | None = None
    threshold: ShortText | None = None
    name: ShortText | None = None
    query: Annotated[str, Field(max_length=2000)] | None = None
    window: Duration | None = None
    """How long the phase must stay healthy."""
    interval: Duration | None = None
    """Between two samples."""
    timeout: Duration | None = None
    """For one sample."""
    failure_limit: int | None = None
    inconclusive_limit: int | None = None
    consecutive_error_limit: int | None = None

    def check(self, **defaults: int) -> Check:
        """As it is stored.

        Args:
            defaults: fields that are taken where nothing is said; else those of `Check`.

        Raises:
            ValueError: out of bounds, or the type needs something else.
        """
        said = self.model_dump(exclude={"window", "interval", "timeout"}, exclude_none=True)
        told = {**defaults, **said}
        for field in ("window", "interval", "timeout"):
            text = getattr(self, field)
            if text is not None:
                told[f"{field}_ms"] = milliseconds(text)
        return Check(**told)


class WrittenPhase(Wire):
    """All of a phase but its steps."""

    name: ShortText
    wait_time: Duration | None = None
    health_checks: Annotated[tuple[WrittenCheck, ...], Field(max_length=20)] = ()
    rollback_if: LongText = ""
    order: Literal["sequential", "parallel"] = "parallel"
    parallelism: int = 4
    batch: int | None = None
    watch: Duration | None = None
    """How long `rollback_if` is watched where there are no health checks."""
    timeout: Duration | None = None
    """For the whole phase."""
    on_timeout: OnTimeout = "pause"
    maintenance_window: MaintenanceWindow | None = None

    def fields(self) -> dict[str, Any]:
        """The fields of a `Phase`, but for its steps.

        Raises:
            ValueError: a check is out of bounds.
        """

        def length(text: str | None) -> int | None:
            return None if text is None else milliseconds(text)

        return {
            "name": self.name,
            "order": self.order,
            "parallelism": self.parallelism,
            "wait_ms": length(self.wait_time) or 0,
            "checks": tuple(check.check() for check in self.health_checks),
            "rollback_if": self.rollback_if,
            "batch": self.batch,
            "watch_ms": length(self.watch),
            "timeout_ms": length(self.timeout),
            "on_timeout": self.on_timeout,
            "maintenance": self.maintenance_window,
        }


def read_phase(document: Any) -> dict[str, Any]:
    """The fields of a `Phase`, but for its steps, from what somebody wrote.

    Raises:
        Malformed: naming the field.
    """
    try:
        return WrittenPhase.model_validate(document).fields()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        raise Malformed(first["msg"], field=field) from error
