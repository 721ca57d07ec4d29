"""Canonical bytes and their digests: what people approve is what is hashed, stored and run."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785
from smartops.contracts.errors import Malformed

__all__ = ["canonical", "digest", "digest_of", "raw_digest"]


def canonical(value: Any) -> bytes:
    """RFC 8785 (JCS) bytes of a JSON value.

    Raises:
        Malformed: the value has no canonical form (NaN, an integer beyond 2^53, a lone surrogate).
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise Malformed(f"no canonical form: {error}") from error


def digest(content: bytes) -> str:
    """`sha256:<hex>` of bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def digest_of(value: Any) -> str:
    """`sha256:<hex>` of a JSON value's canonical bytes."""
    return digest(canonical(value))


def raw_digest(text: str) -> bytes:
    """The 32 bytes behind `sha256:<hex>`.

    Raises:
        ValueError: not a digest.
    """
    kind, _, hexed = text.partition(":")
    if kind != "sha256":
        raise ValueError(f"{text!r} is no sha256 digest")
    return bytes.fromhex(hexed)
