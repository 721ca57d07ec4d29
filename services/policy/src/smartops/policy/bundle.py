"""Telling the log which policy bundle is in force."""

from __future__ import annotations

from smartops.contracts.events import PolicyBundleActivated
from smartops.contracts.folds import BundleView, evolve_bundle
from smartops.contracts.ids import named_id
from smartops.contracts.streams import PLATFORM
from smartops.eventstore.units import Trigger
from smartops.policy_engine import PolicyEngine
from smartops.runtime.decision import NOTHING, Decision
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service

__all__ = ["activate"]


async def activate(service: Service, engine: PolicyEngine) -> None:
    """Activate the bundle that this process was given, unless it is the active one."""
    name = f"{PLATFORM}/bundle-default"
    bundles = service.reactor(BundleView(), evolve_bundle)
    folded = await bundles.folds.load(name, fresh=True)
    if folded.state.digest == engine.bundle_digest:
        return
    activated = PolicyBundleActivated(
        name="default",
        digest=engine.bundle_digest,
        engine=engine.name,
        engine_version=engine.version,
    )
    # The version is part of the cause: a bundle may come back after another.
    ident = named_id("bundle", name, folded.version, engine.bundle_digest)

    async def decide(view: BundleView, _fresh: bool) -> Decision:  # noqa: FBT001
        return NOTHING if view.digest == engine.bundle_digest else Decision([activated])

    await bundles.react(name, Cause(Trigger("policy.bundle", ident), None), decide)
