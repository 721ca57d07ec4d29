"""Which engine an installation uses: the embedded one, or an OPA server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from smartops.policy_engine.bundle import Bundle
from smartops.policy_engine.loading import Loading, at_once
from smartops.policy_engine.opa_engine import OpaEngine
from smartops.policy_engine.opa_server import OpaServer
from smartops.policy_engine.port import PolicyEngine
from smartops.policy_engine.regorus_engine import RegorusEngine

__all__ = ["OpaAt", "loading_engine", "make_engine"]


@dataclass(frozen=True, slots=True)
class OpaAt:
    """Where an OPA server is, and how it is asked."""

    url: str
    token_file: Path | None = None
    timeout_s: float = 1.0

    @classmethod
    def of(cls, url: str | None, token_file: Path | None, timeout: timedelta) -> OpaAt | None:
        """From settings; None where no server is given."""
        return None if url is None else cls(url, token_file, timeout.total_seconds())


def make_engine(bundle: Bundle, opa: OpaAt | None = None) -> PolicyEngine:
    """Put a bundle in force: in this process, or on the OPA server if one is given.

    Raises:
        BundleRefused: it must not decide about anything.
        EngineDown: there is a server, and it does not answer.
    """
    return at_once(loading_engine(bundle, opa))


def loading_engine(bundle: Bundle, opa: OpaAt | None = None) -> Loading[PolicyEngine]:
    """The same in pieces, for services that have other work meanwhile."""
    if opa is None:
        return (yield from RegorusEngine.loading(bundle))
    server = OpaServer(opa.url, token_file=opa.token_file, timeout_s=opa.timeout_s)
    return (yield from OpaEngine.loading(bundle, server))
