"""Composition root: the only place where the planner's parts are made."""

from __future__ import annotations

from smartops.planner.agents import DriftAgent, NoopAgent, RunbookAgent
from smartops.planner.agents.phasing import Windows
from smartops.planner.handlers import register
from smartops.planner.settings import PlannerSettings
from smartops.planner.tasks import Tasks
from smartops.runtime.service import Service

__all__ = ["wire"]

_WATCHED = frozenset({"apply_patch", "drain_server", "undrain_server", "restart_server"})


async def wire(service: Service) -> None:
    """Join the offline agents to a service."""
    settings = service.settings
    if not isinstance(settings, PlannerSettings):
        raise TypeError("the planner runs on PlannerSettings")
    windows = Windows(settings.canary_window, settings.wave_window, settings.sample_interval)
    agents = (DriftAgent(windows), RunbookAgent(windows, _WATCHED), NoopAgent())
    register(service, Tasks(service, agents))
