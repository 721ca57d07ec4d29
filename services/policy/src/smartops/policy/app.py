"""Composition root: the only place where policy's parts are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from smartops.policy.actors import Directory, read_actors
from smartops.policy.agents.levels import Levels, declare_default
from smartops.policy.agents.outcomes import Outcomes
from smartops.policy.agents.raising import Raising
from smartops.policy.agents.track import Tracks, track_reactor
from smartops.policy.bundles.changes import Bundles
from smartops.policy.bundles.changes import evolve as evolve_bundles
from smartops.policy.bundles.governance import Governance
from smartops.policy.bundles.in_force import begin, engines_of, standing
from smartops.policy.bundles.shadows import Shadows
from smartops.policy.gate.edits import Edits
from smartops.policy.gate.gates import Gates
from smartops.policy.gate.returns import Returns
from smartops.policy.gate.state import Gate, evolve
from smartops.policy.gate.stops import Stops
from smartops.policy.gate.voters import Voters
from smartops.policy.gate.votes import Votes
from smartops.policy.handlers import (
    hear_of_agents,
    hear_of_approvals,
    hear_of_bundles,
    hear_of_edits,
    register,
)
from smartops.policy.mandates.standings import Standings
from smartops.policy.mandates.words import Mandates
from smartops.policy.scoring.grounding import Grounding
from smartops.policy.settings import PolicySettings
from smartops.policy_engine import OpaAt
from smartops.redact import Finder
from smartops.runtime.service import Service

__all__ = ["wire"]


async def wire(service: Service) -> Callable[[], Awaitable[None]]:
    """Load the bundle, reconcile the actors, and join the reactions to the service."""
    settings = service.settings
    if not isinstance(settings, PolicySettings):
        raise TypeError("policy runs on PolicySettings")
    service.telemetry.metrics.expect_broken_glass()
    service.orders.finder = Finder(
        region=settings.phone_region, with_addresses=settings.find_addresses
    )
    opa = OpaAt.of(settings.opa_url, settings.opa_token_file, settings.opa_timeout)
    engines = engines_of(service, opa)
    bundles = service.reactor(Bundles(), evolve_bundles)
    given = await begin(bundles, engines, settings.bundle, opa)
    service.tells("bundle", lambda: standing(bundles, given))
    directory = Directory(service)
    if settings.actors_file is not None:
        await directory.reconcile(read_actors(settings.actors_file))
    shadows = Shadows(service, bundles)
    governing = settings.governing_tenant
    hear_of_bundles(service, Governance(service, bundles, directory, shadows.stir, governing))
    service.needs("policy", engines.trouble)
    # One for all: what waits for a gate in this process is decided in one sequence.
    gates = service.reactor(Gate(), evolve)
    await declare_default(service, settings)
    notes = track_reactor(service)
    tracks = Tracks(service, notes)
    levels = Levels(service)
    raising = Raising(service, directory, levels, tracks, settings)
    hear_of_agents(service, raising, Outcomes(service, gates, notes, levels, settings))
    grounding = Grounding(service, directory, levels, tracks, settings)
    voters = Voters(service, engines, directory, settings)
    standings = Standings(service, directory, voters)
    votes = Votes(service, gates, voters, settings)
    hear_of_approvals(service, votes, Mandates(service, directory, standings, settings))
    edits = Edits(service, gates, engines, directory, voters, grounding, settings)
    hear_of_edits(service, edits, Returns(service, gates, engines, grounding, voters, settings))
    register(
        service,
        Gates(service, gates, engines, grounding, standings, edits, settings),
        votes,
        Stops(service, gates, directory),
    )
    shadows.start()
    return shadows.stop
