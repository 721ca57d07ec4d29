"""Policy's settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from smartops.runtime.settings import ServiceSettings

__all__ = ["PolicySettings"]


class PolicySettings(ServiceSettings):
    """Beyond the common ones: who is who, how long people have, which bundle holds."""

    actors_file: Path | None = None
    """JSON list of actors, as `ActorEntry`; none leaves the mapping as the log has it."""

    approval_ttl: timedelta = timedelta(hours=24)
    """Time to decide; then the approval expires, which is never an approval."""

    grant_ttl: timedelta = timedelta(hours=4)
    """Longest time from a grant to the last dispatch under it: the longest run. Where a plan must
    wait for a maintenance window, from the time at which that opens."""

    bundle: Path | None = None
    """Folder of Rego modules; none takes the one that comes with the product."""

    local_credentials_in_production: bool = False
    """Accept approvals for production by local credentials. For single machines only."""

    default_autonomy: int = Field(default=2, ge=0, le=3)
    """Level of agents that nobody raised or lowered, outside production."""

    production_autonomy: int = Field(default=1, ge=0, le=3)
    """The same, in production."""
