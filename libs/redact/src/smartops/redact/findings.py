"""What a search returns, and how it names places."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding", "SecretRef", "pointer"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret in a value."""

    path: str
    """RFC 6901 pointer; a secret within a key stands there as its placeholder, so the pointer
    leads into the redacted value and can itself be logged."""
    kind: str
    """What it looks like: `github_token`, `password`, ... `not_json` and `unscannable` say that
    nobody can tell."""


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A reference `{"$secret": name}` in a value."""

    path: str
    name: str


def pointer(path: str, part: str | int) -> str:
    """The pointer one step further down."""
    return f"{path}/{str(part).replace('~', '~0').replace('/', '~1')}"
