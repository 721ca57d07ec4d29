"""Composition root: the only place where policy's parts are made."""

from __future__ import annotations

from smartops.policy.actors import Directory, read_actors
from smartops.policy.bundle import activate
from smartops.policy.gates import Gates
from smartops.policy.handlers import register
from smartops.policy.settings import PolicySettings
from smartops.policy.state import Gate, evolve
from smartops.policy.stops import Stops
from smartops.policy.votes import Votes
from smartops.policy_engine import RegorusEngine, default_bundle_path
from smartops.runtime.service import Service

__all__ = ["wire"]


async def wire(service: Service) -> None:
    """Load the bundle, reconcile the actors, and join the reactions to the service."""
    settings = service.settings
    if not isinstance(settings, PolicySettings):
        raise TypeError("policy runs on PolicySettings")
    engine = RegorusEngine.load(settings.bundle or default_bundle_path())
    await activate(service, engine)
    directory = Directory(service)
    if settings.actors_file is not None:
        await directory.reconcile(read_actors(settings.actors_file))
    # One for all: what waits for a gate in this process is decided in one sequence.
    gates = service.reactor(Gate(), evolve)
    register(
        service,
        Gates(service, gates, engine, settings),
        Votes(service, gates, engine, directory, settings),
        Stops(service, gates, directory),
    )
