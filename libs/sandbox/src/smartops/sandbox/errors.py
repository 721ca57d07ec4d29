"""Why code was not run at all. What came of code that ran is an outcome, never an error.

SandboxError
├── TooWeak        this machine has no fence as strong as is demanded
├── Oversized      the code or its inputs are larger than allowed
└── NotStarted     the child did not come up, or a fence could not be put up
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["NotStarted", "Oversized", "SandboxError", "TooWeak"]


class SandboxError(Exception):
    """Root of this library's errors."""

    code: str = "sandbox_error"
    retryable: bool = False


class TooWeak(SandboxError):
    """No level that was demanded holds here. Install what it needs, or demand less."""

    code = "sandbox_too_weak"

    def __init__(self, wanted: str, missing: Mapping[str, str]) -> None:
        why = "; ".join(f"{level}: {reason}" for level, reason in missing.items())
        super().__init__(f"no sandbox of level {wanted!r} or above holds here ({why})")
        self.wanted = wanted
        self.missing = dict(missing)


class Oversized(SandboxError):
    """Too much to hand to a child."""

    code = "sandbox_oversized"

    def __init__(self, what: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{what}: {size_bytes} bytes, at most {limit_bytes} are allowed")
        self.what = what


class NotStarted(SandboxError):
    """Nothing of the code was run."""

    code = "sandbox_not_started"
    retryable = True

    def __init__(self, level: str, reason: str) -> None:
        super().__init__(f"the sandbox ({level}) did not come up: {reason}")
        self.reason = reason
