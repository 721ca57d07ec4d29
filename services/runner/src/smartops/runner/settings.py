"""The runner's settings: those that all services share. It holds no secret of its own."""

from __future__ import annotations

from smartops.runtime.settings import ServiceSettings

__all__ = ["RunnerSettings"]


class RunnerSettings(ServiceSettings):
    """Nothing beyond the common ones."""
