"""The policy in force; and its beginning: a log that knows of none gets the one at hand."""

from __future__ import annotations

import logging
from pathlib import Path

from smartops.contracts.canonical import digest
from smartops.contracts.events import PolicyBundleActivated
from smartops.contracts.ids import named_id
from smartops.eventstore.units import Trigger
from smartops.policy.bundles.changes import Bundles
from smartops.policy_engine import (
    Bundle,
    OpaAt,
    PolicyEngine,
    default_bundle_path,
    in_slices,
    loading_engine,
)
from smartops.runtime.decision import NOTHING, Decision
from smartops.runtime.engines import BUNDLE, Engines
from smartops.runtime.reactor import Reactor
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service

__all__ = ["PolicyEngines", "begin", "engines_of", "make_engine", "standing"]

PolicyEngines = Engines[PolicyEngine]

_log = logging.getLogger(__name__)


async def make_engine(document: bytes, opa: OpaAt | None = None) -> PolicyEngine:
    """An engine of a stored bundle: an OPA server if one is given, else in this process.

    Others get their turn meanwhile: a bundle has hundreds of cases.

    Raises:
        BundleRefused: it must not decide about anything.
        EngineDown: the server does not answer.
    """
    return await in_slices(loading_engine(Bundle.from_document(document), opa))


def engines_of(service: Service, opa: OpaAt | None = None) -> PolicyEngines:
    """Engines by what the log says; a bundle of which it has no copy decides nothing."""
    return Engines(service.views.bundle, service.store, lambda document: make_engine(document, opa))


async def begin(
    bundles: Reactor[Bundles],
    engines: PolicyEngines,
    folder: Path | None,
    opa: OpaAt | None = None,
) -> str:
    """Put a bundle in force where none is; a later start only says that it was given another.

    So nobody changes policy by restarting a service with other files: that is proposed, signed and
    activated. The one exception is a log whose bundle was put in force by a release that kept no
    copy of it: no process could load that.

    Args:
        bundles: decides on the stream.
        engines: gets the one that was made here.
        folder: the configured bundle; None takes the one that comes with the product.
        opa: the server that evaluates it; None: this process.

    Returns:
        The digest of the bundle at hand.

    Raises:
        BundleNotFound: there is none in the folder.
        BundleRefused: it must not decide about anything.
    """
    folded = await bundles.folds.load(BUNDLE, fresh=True)
    given = Bundle.read(folder or default_bundle_path())
    active = folded.state.active
    if active is not None and active.document is not None:
        if active.digest != given.digest:
            _log.warning(
                "policy %s is in force; this process was given %s, which decides nothing until it"
                " is proposed (smartops policy propose), signed by another person, and activated",
                active.digest,
                given.digest,
            )
        return given.digest
    document = given.document()
    engine = await make_engine(document, opa)
    engines.keep(engine)
    activated = PolicyBundleActivated(
        name="default",
        digest=engine.bundle_digest,
        engine=engine.name,
        engine_version=engine.version,
        document=digest(document),
        reason="the first bundle of this log" if active is None else "no copy was kept of the last",
    )
    # The version is part of the cause: a bundle may come back after another.
    ident = named_id("bundle", BUNDLE, folded.version, engine.bundle_digest)

    async def decide(state: Bundles, _fresh: bool) -> Decision:  # noqa: FBT001
        if state.active is not None and state.active.document is not None:
            return NOTHING  # Another process was first.
        return Decision([activated], blobs=[document])

    await bundles.react(BUNDLE, Cause(Trigger("policy.bundle", ident), None), decide)
    return given.digest


def standing(bundles: Reactor[Bundles], given: str) -> str:
    """What to tell of the bundle that this process was given, as far as the log is known here."""
    known = bundles.folds.peek(BUNDLE)
    active = None if known is None else known.state.active
    in_force = active is not None and active.digest == given
    return "in force" if in_force else f"{given}, which is not in force"
