"""An input document as bytes: whole, not too large, and read alike by every parser."""

from __future__ import annotations

import json
from typing import Any

from smartops.policy_engine.answer import Undecidable

__all__ = ["MAX_INPUT_BYTES", "unambiguous"]

MAX_INPUT_BYTES = 2 * 1024 * 1024
"""Largest input document. Engines have no time limit, so their work is bounded by their input: a
plan of 5,000 steps fits, with arguments of a few hundred bytes each."""


def unambiguous(input_json: bytes, max_bytes: int) -> str:
    """The input as text, if all parsers read the same document from it.

    Raises:
        Undecidable: it is too large, a key stands twice, or it holds what is no JSON.
        ValueError: no JSON at all, or not UTF-8.
        RecursionError: nested too deep.
    """
    if len(input_json) > max_bytes:
        raise Undecidable(
            f"the input has {len(input_json)} bytes, at most {max_bytes} are decided on"
        )
    text = input_json.decode("utf-8")
    json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    return text


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Undecidable("the input has a key twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise Undecidable(f"the input holds {name}, which is no JSON")
