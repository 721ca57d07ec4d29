"""The planner's settings. LLM keys will live here and nowhere else; tool secrets never do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from smartops.contracts.maintenance import MaintenanceWindow
from smartops.contracts.written import WrittenCheck
from smartops.runtime.settings import ServiceSettings

__all__ = ["PlannerSettings"]


class PlannerSettings(ServiceSettings):
    """Beyond the common ones: how carefully plans go ahead."""

    canary_window: timedelta = timedelta(minutes=5)
    """How long a canary must stay healthy before the next phase."""

    wave_window: timedelta = timedelta(minutes=1)
    """The same for each later phase."""

    sample_interval: timedelta = timedelta(seconds=5)
    """Between two health samples."""

    health_checks: tuple[WrittenCheck, ...] = ()
    """JSON list of checks that watched phases must pass beside the usual ones, such as
    [{"type": "custom_metric", "name": "queue", "query": "max(queue_depth)", "threshold": "< 100"}].
    A custom metric needs a gateway that knows a Prometheus server."""

    rollback_if: str = "error_rate > 1%"
    """The condition under which a watched phase is taken back."""

    maintenance_window: MaintenanceWindow | None = None
    """JSON, such as {"start": "22:00", "end": "04:00", "timezone": "Europe/Berlin"}: when steps of
    new plans may go out; none leaves it open."""

    runbooks_look_first: bool = False
    """Read the targets of runbooks when their plan is written, and again before its first step: if
    what the steps would put back has changed, the plan goes back to approval. A target that cannot
    be read then ends the task."""

    vault_public_key_file: Path | None = None
    """File with the key that personal data is sealed to; only the gateway can open it. None: there
    is no vault, and intents with personal data are refused."""

    pii_key_file: Path | None = None
    """File with the key that tokens of personal data are made of; the gateway has the same."""

    phone_region: str | None = None
    """Whose national phone numbers are found, such as DE; none finds only those that begin with +
    and a country. The gateway needs the same."""

    find_addresses: bool = False
    """Guess at postal addresses, too; the gateway needs the same."""
