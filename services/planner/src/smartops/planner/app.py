"""Composition root: the only place where the planner's parts are made."""

from __future__ import annotations

import logging

from smartops.planner.agents import DriftAgent, IncidentAgent, NoopAgent, RunbookAgent
from smartops.planner.agents.phasing import Windows
from smartops.planner.handlers import register
from smartops.planner.intake import Intake
from smartops.planner.settings import PlannerSettings
from smartops.planner.tasks import Tasks
from smartops.redact import Finder
from smartops.runtime.service import Service
from smartops.vault import Keeper

__all__ = ["wire"]

_log = logging.getLogger(__name__)

_WATCHED = frozenset({"apply_patch", "drain_server", "undrain_server", "restart_server"})


async def wire(service: Service) -> None:
    """Join the offline agents to a service."""
    settings = service.settings
    if not isinstance(settings, PlannerSettings):
        raise TypeError("the planner runs on PlannerSettings")
    windows = Windows(
        settings.canary_window,
        settings.wave_window,
        settings.sample_interval,
        settings.health_checks,
        settings.rollback_if,
        settings.maintenance_window,
    )
    windows.check()
    agents = (
        DriftAgent(windows),
        RunbookAgent(windows, _WATCHED, settings.runbooks_look_first),
        NoopAgent(),
        IncidentAgent(),
    )
    keeper = Keeper.of_files(
        service.store,
        Finder(region=settings.phone_region, with_addresses=settings.find_addresses),
        settings.pii_key_file,
        settings.vault_public_key_file,
    )
    if not keeper.keeps:
        _log.warning("no vault: intents with personal data are refused")
    else:
        service.orders.keep_with(keeper)
    register(service, Tasks(service, agents, Intake(keeper)))
