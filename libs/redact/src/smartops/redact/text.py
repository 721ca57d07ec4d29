"""Finds and replaces secrets within one string."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from smartops.redact.keys import secret_kind
from smartops.redact.patterns import PATTERNS

__all__ = ["Hit", "clean", "hits", "placeholder", "stands_for", "without_placeholders"]

_PLACEHOLDER = re.compile(r"\[secret:[a-z0-9_]{1,40}\]")
_VARIABLE = re.compile(
    r"\$\{\w{1,100}\}|\$\(\w{1,100}\)|\$[A-Z_][A-Z0-9_]{0,100}"
    r"|\{\{\s{0,4}[\w.]{1,100}\s{0,4}\}\}|<[a-z _-]{1,100}>|\*{3,}+"
)
"""Stands where a secret would: `${PASSWORD}`, `$(PASSWORD)`, `{{ password }}`, `<password>`."""

_SUSPICIOUS = re.compile(r"[=:\"'\\]|--|[\w.~+/-]{12}")
"""No pattern can match without one of these: most short texts are done after this look."""

_ANCHORS = tuple(
    (anchor, index)
    for index, pattern in enumerate(PATTERNS)
    if not pattern.folded
    for anchor in pattern.anchors
)
_FOLDED_ANCHORS = tuple(
    (anchor, index)
    for index, pattern in enumerate(PATTERNS)
    if pattern.folded
    for anchor in pattern.anchors
)

_PASSES = 4
"""Replacing a secret can uncover another that overlapped it. After so many rounds the whole string
is replaced."""


class Hit(NamedTuple):
    """One secret in a string."""

    start: int
    end: int
    kind: str


def placeholder(kind: str) -> str:
    """What a secret is replaced by."""
    return f"[secret:{kind}]"


def stands_for(text: str) -> bool:
    """Whether the whole text only stands where a secret would: replaced, a variable, or blanked."""
    return bool(_PLACEHOLDER.fullmatch(text) or _VARIABLE.fullmatch(text))


def without_placeholders(text: str) -> str:
    """The text with replaced secrets taken out."""
    return _PLACEHOLDER.sub(" ", text)


def hits(text: str) -> tuple[Hit, ...]:
    """Secrets in the text, by position, of overlapping ones the first and longest."""
    found = sorted(_all(text), key=lambda hit: (hit.start, -hit.end))
    kept: list[Hit] = []
    for hit in found:
        if not kept or hit.start >= kept[-1].end:
            kept.append(hit)
        elif hit.end > kept[-1].end:
            # The later one reaches further: its tail is as secret as its head.
            kept[-1] = kept[-1]._replace(end=hit.end)
    return tuple(kept)


def clean(text: str) -> str:
    """The text with each secret replaced; cleaning it again changes nothing."""
    for _ in range(_PASSES):
        found = hits(text)
        if not found:
            return text
        parts: list[str] = []
        done = 0
        for hit in found:
            parts += [text[done : hit.start], placeholder(hit.kind)]
            done = hit.end
        text = "".join([*parts, text[done:]])
    return placeholder("unclassified")


def _all(text: str) -> Iterator[Hit]:
    if _SUSPICIOUS.search(text) is None:
        return
    folded = text.lower()
    candidates = {index for anchor, index in _ANCHORS if anchor in text}
    candidates.update(index for anchor, index in _FOLDED_ANCHORS if anchor in folded)
    for index in sorted(candidates):
        pattern = PATTERNS[index]
        group = "secret" if "secret" in pattern.expression.groupindex else 0
        for match in pattern.expression.finditer(text):
            secret = match[group]
            if stands_for(secret):
                continue
            kind = _kind_by_name(match["name"], secret) if pattern.named else pattern.kind
            if kind is not None:
                yield Hit(match.start(group), match.end(group), kind)


def _kind_by_name(name: str, value: str) -> str | None:
    found = secret_kind(without_placeholders(name))
    if found is None:
        return None
    kind, many = found
    return None if many and value.isdecimal() else kind
