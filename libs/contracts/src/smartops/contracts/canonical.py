"""Canonical bytes and their digests: what people approve is what is hashed, stored and run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import rfc8785
from smartops.contracts.errors import Malformed

__all__ = ["canonical", "digest", "digest_of", "raw_digest"]


def canonical(value: Any) -> bytes:
    """RFC 8785 (JCS) bytes of a JSON value.

    Most of our documents hold no fractions and only plain keys: for those the standard library
    writes the same bytes several times faster. A property test holds both to each other.

    Raises:
        Malformed: the value has no canonical form (NaN, an integer beyond 2^53, a lone surrogate).
    """
    try:
        if _is_plain(value):
            return _write_plain(value).encode()
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise Malformed(f"no canonical form: {error}") from error


_write_plain: Callable[[Any], str] = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False
).encode

_LARGEST = 2**53 - 1


def _is_plain(value: Any) -> bool:
    """Whether the standard library writes this value as RFC 8785 asks.

    It does, but for fractions (other digits) and for the order of keys beyond ASCII (UTF-16 code
    units there, code points here).
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return bool(-_LARGEST <= value <= _LARGEST)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii() or not _is_plain(item):
                return False
        return True
    if kind is list or kind is tuple:
        return all(map(_is_plain, value))
    return False


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
