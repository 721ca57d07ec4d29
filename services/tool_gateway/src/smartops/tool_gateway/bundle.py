"""The policy in force, at the gateway: a bundle that is not the active one decides nothing."""

from __future__ import annotations

from smartops.bus.errors import Outage
from smartops.policy_engine import PolicyEngine, ToolCallInput, Verdict

__all__ = ["ActiveBundle"]


class ActiveBundle:
    """The engine, with the guard that it holds the bundle which the log says is active."""

    def __init__(self, engine: PolicyEngine) -> None:
        self._engine = engine

    def trouble(self, digest: str | None) -> str | None:
        """Why nothing may be decided while the bundle of this digest is active."""
        if digest is None:
            return "no policy bundle has been activated yet"
        if digest != self._engine.bundle_digest:
            return f"{digest} is active, this process holds another bundle"
        return None

    def must_be(self, digest: str | None) -> None:
        """Refuse to decide under another bundle than the active one.

        Raises:
            Outage: none is active, or another; calls wait until this process holds it.
        """
        trouble = self.trouble(digest)
        if trouble is not None:
            raise Outage("policy", trouble)

    def decide(self, asked: ToolCallInput) -> Verdict:
        """Ask whether a call may go out."""
        return self._engine.decide("tool_call", asked.canonical_bytes())
