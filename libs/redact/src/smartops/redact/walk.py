"""One walk over a JSON value that finds and replaces at once, so the two can never disagree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from smartops.redact.classes import personal_reference
from smartops.redact.errors import Unscannable
from smartops.redact.findings import Finding, pointer
from smartops.redact.keys import secret_kind, speaks_about
from smartops.redact.references import reference_name
from smartops.redact.text import clean, hits, placeholder, stands_for, without_placeholders

__all__ = ["Budget", "Walk"]

_PAIR_NAMES = frozenset({"key", "name"})
"""`{"name": "DB_PASSWORD", "value": ...}`: environment variables, headers, tags."""


class Budget:
    """How much of a value is looked at before giving up."""

    def __init__(self, *, max_depth: int, max_nodes: int, max_chars: int) -> None:
        self.max_depth = max_depth
        self._nodes = max_nodes
        self._chars = max_chars

    def spend(self, *, depth: int, chars: int = 0) -> None:
        """Count one value.

        Raises:
            Unscannable: too deep, too many values, or too much text.
        """
        self._nodes -= 1
        self._chars -= chars
        if depth > self.max_depth:
            raise Unscannable(f"nested deeper than {self.max_depth}")
        if self._nodes < 0:
            raise Unscannable("too many values")
        if self._chars < 0:
            raise Unscannable("too much text")


class Walk:
    """State of one walk: what is left of the budget, and what was found so far."""

    def __init__(self, budget: Budget, *, keep_references: bool = True) -> None:
        self._budget = budget
        self._keep_references = keep_references
        self.findings: list[Finding] = []

    def clean(
        self, value: object, path: str = "", depth: int = 0, below: tuple[str, bool] | None = None
    ) -> Any:
        """A copy without secrets.

        Args:
            value: anything.
            path: where it stands.
            depth: how deep that is.
            below: kind and plurality of the nearest key above that names a secret.

        Raises:
            Unscannable: the budget is spent.
        """
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(str.__str__(value), path, depth, below)
        if isinstance(value, int | float):
            return self._number(value, path, depth, below)
        self._budget.spend(depth=depth)
        if isinstance(value, Mapping):
            return self._object(value, path, depth, below)
        if isinstance(value, list | tuple):
            return [
                self.clean(item, pointer(path, index), depth + 1, below)
                for index, item in enumerate(value)
            ]
        return self._replace(path, "not_json")

    def _text(self, text: str, path: str, depth: int, below: tuple[str, bool] | None) -> str:
        self._budget.spend(depth=depth, chars=len(text))
        found = hits(text)
        if below is not None and text:
            kind, many = below
            if found or not (stands_for(text) or (many and text.isdecimal())):
                return self._replace(path, kind)
        if not found:
            return text
        self._note(path, [hit.kind for hit in found])
        return clean(text)

    def _number(
        self, value: float, path: str, depth: int, below: tuple[str, bool] | None
    ) -> float | str:
        self._budget.spend(depth=depth)
        if isinstance(value, float) and not math.isfinite(value):
            return self._replace(path, "not_json")
        if below is None or below[1]:
            return value
        return self._replace(path, below[0])

    def _object(
        self,
        value: Mapping[Any, object],
        path: str,
        depth: int,
        below: tuple[str, bool] | None,
    ) -> Any:
        if not all(isinstance(key, str) for key in value):
            return self._replace(path, "not_json")
        name = reference_name(value)
        if name is not None:
            if not self._keep_references:
                return self._replace(path, "reference")
            # A token in lower case can pass for a name.
            found = hits(name)
            return self._replace(path, found[0].kind) if found else dict(value)
        if personal_reference(value) is not None:
            return dict(value) if self._keep_references else self._replace(path, "reference")
        pair = _kind_of_pair(value)
        cleaned: dict[str, Any] = {}
        for key, item in value.items():
            safe, bare = self._key(str.__str__(key), path, depth, taken=cleaned)
            own = secret_kind(bare)
            if own is None and pair is not None and bare.lower() == "value":
                own = pair
            if own is None and not speaks_about(bare):
                own = below
            cleaned[safe] = self.clean(item, pointer(path, safe), depth + 1, own)
        return cleaned

    def _key(
        self, key: str, path: str, depth: int, *, taken: Mapping[str, object]
    ) -> tuple[str, str]:
        """The key without secrets, and the words in it that name what is below."""
        self._budget.spend(depth=depth, chars=len(key))
        found = hits(key)
        safe = clean(key) if found else key
        bare = without_placeholders(safe)
        if safe in taken:
            # Two keys with secrets of one kind: both stay. The number is the position, so it is
            # free, and nothing of the key is kept that could be read together with it.
            safe = f"{placeholder(found[0].kind if found else 'unclassified')} ({len(taken) + 1})"
            while safe in taken:
                safe += " (again)"
        if found:
            self._note(pointer(path, safe), [hit.kind for hit in found])
        return safe, bare

    def _replace(self, path: str, kind: str) -> str:
        self.findings.append(Finding(path, kind))
        return placeholder(kind)

    def _note(self, path: str, kinds: list[str]) -> None:
        self.findings += [Finding(path, kind) for kind in dict.fromkeys(kinds)]


def _kind_of_pair(value: Mapping[str, object]) -> tuple[str, bool] | None:
    for key, item in value.items():
        if key.lower() in _PAIR_NAMES and isinstance(item, str):
            return secret_kind(without_placeholders(clean(str.__str__(item))))
    return None
