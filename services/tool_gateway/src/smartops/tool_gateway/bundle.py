"""The policy in force, at the gateway: whatever bundle the log says, and no other."""

from __future__ import annotations

from pathlib import Path

from smartops.policy_engine import (
    Bundle,
    OpaAt,
    PolicyEngine,
    default_bundle_path,
    in_slices,
    loading_engine,
)
from smartops.runtime.engines import Engines
from smartops.runtime.service import Service

__all__ = ["PolicyEngines", "engines_of"]

PolicyEngines = Engines[PolicyEngine]


def engines_of(service: Service, local: Path | None, opa: OpaAt | None = None) -> PolicyEngines:
    """Engines by what the log says.

    Args:
        service: whose log.
        local: a folder, for logs whose bundle was put in force by a release that kept no copy.
        opa: the server that evaluates them; None: this process.
    """

    async def make(document: bytes) -> PolicyEngine:
        return await in_slices(loading_engine(Bundle.from_document(document), opa))

    async def given() -> PolicyEngine:
        return await in_slices(loading_engine(Bundle.read(local or default_bundle_path()), opa))

    return Engines(service.views.bundle, service.store, make, given)
