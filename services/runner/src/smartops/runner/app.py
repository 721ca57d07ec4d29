"""Composition root: the only place where the runner's parts are made."""

from __future__ import annotations

from smartops.runner.handlers import register
from smartops.runner.runs import Runs
from smartops.runtime.service import Service

__all__ = ["wire"]


async def wire(service: Service) -> None:
    """Join the runner's reactions to a service."""
    register(service, Runs(service))
