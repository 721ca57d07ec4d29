"""The planner's settings. LLM keys will live here and nowhere else; tool secrets never do."""

from __future__ import annotations

from datetime import timedelta

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
