"""What can be wrong with a policy bundle, or with an engine that is a server.

PolicyEngineError
├── BundleRefused    unreadable, forbidden constructs, or decisions that its own cases deny
├── BundleNotFound   no bundle where one was looked for
└── EngineDown       an engine outside this process is away: nothing is decided, and nothing denied
"""

from __future__ import annotations

__all__ = ["BundleNotFound", "BundleRefused", "EngineDown", "PolicyEngineError"]


class PolicyEngineError(Exception):
    """Root of this library's errors."""

    code: str = "policy_engine_error"
    retryable: bool = False


class BundleRefused(PolicyEngineError):
    """The bundle must not be put in force. Correct the file that is named."""

    code = "bundle_refused"

    def __init__(self, reason: str, *, file: str | None = None) -> None:
        super().__init__(reason if file is None else f"{file}: {reason}")
        self.file = file
        """Path within the bundle; None when it is the bundle as a whole."""
        self.reason = reason


class BundleNotFound(PolicyEngineError):
    """There is no bundle at this place."""

    code = "bundle_not_found"

    def __init__(self, place: object) -> None:
        super().__init__(f"no policy bundle at {place}; point to a directory of .rego files")
        self.place = place


class EngineDown(PolicyEngineError):
    """No decision can be had now: what waits for one waits, neither allowed nor denied."""

    code = "engine_down"
    retryable = True

    def __init__(self, engine: str, reason: str) -> None:
        super().__init__(f"{engine}: {reason}")
        self.engine = engine
        self.reason = reason
