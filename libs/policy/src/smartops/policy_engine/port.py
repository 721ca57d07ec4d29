"""The port: who decides, whatever language the policy is written in."""

from __future__ import annotations

from typing import Protocol

from smartops.policy_engine.verdict import Entrypoint, Verdict

__all__ = ["PolicyEngine"]


class PolicyEngine(Protocol):
    """Answers by one bundle, for the life of the object.

    `decide` is a pure function of bundle and input: no clock, no network, no randomness. The same
    bytes get the same verdict in every process that holds a bundle of the same digest.

    It fails closed and never raises for what a policy or an input does wrong: an undefined result,
    a result of another shape, a runtime error, an engine's panic or an input that is too large are
    denials by the rule `policy_error`. An engine outside of this process that is away is another
    matter: no input is to blame, and to deny would end work for good that can wait. It raises
    `EngineDown`, and nothing is decided.

    An engine may be bound to the thread that made it (the embedded one is). Make one per thread;
    called from another, it denies.
    """

    @property
    def name(self) -> str:
        """Which engine, e.g. `regorus`."""
        ...

    @property
    def version(self) -> str:
        """The engine's own version."""
        ...

    @property
    def bundle_digest(self) -> str:
        """Digest of the bundle in force, as `sha256:<hex>`."""
        ...

    def decide(self, entrypoint: Entrypoint, input_json: bytes) -> Verdict:
        """Decide on an input document; build it with the models in `inputs`.

        Raises:
            EngineDown: the engine is a server, and away.
        """
        ...
