"""People in words."""

from __future__ import annotations

from smartops.contracts.ids import read_principal
from smartops.sdk.cli.text import one_line

__all__ = ["who"]


def who(token: str) -> str:
    """A principal in words: `operator (local)`."""
    try:
        issuer, subject = read_principal(token)
    except ValueError:
        return one_line(token)
    return f"{one_line(subject)} ({one_line(issuer)})"
