"""A document from which everything that is shown is taken away: what is left, nobody has seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from rich.text import Text
from smartops.contracts.canonical import canonical
from smartops.sdk.cli.text import clip, one_line

__all__ = ["Line", "Taken", "digest_text", "plain", "said", "words"]

_SHORT = 200

Line: TypeAlias = tuple[str, Text]
"""A label, empty below another one of the same, and what is said."""


class Taken:
    """A document from which everything that is shown is taken away."""

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self._left = dict(values)
        self._path = path
        self._parts: list[Taken] = []

    def take(self, name: str, kind: type | tuple[type, ...]) -> Any:
        """A value of this kind; None, and left where it is, if it is of another."""
        value = self._left.get(name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            return None
        del self._left[name]
        return value

    def part(self, name: str) -> Taken:
        """An object in it; empty where there is none."""
        taken = Taken(self.take(name, dict) or {}, f"{self._path}{name}.")
        self._parts.append(taken)
        return taken

    def numbers(self, *names: str) -> dict[str, int] | None:
        """All these whole numbers, or none of them."""
        if not all(type(self._left.get(name)) is int for name in names):
            return None
        return {name: self._left.pop(name) for name in names}

    def items(self) -> list[tuple[str, Any]]:
        """What is left, and is taken by that."""
        left, self._left = list(self._left.items()), {}
        return left

    def shown(self, lines: Iterable[Line]) -> list[Line]:
        """These lines, made of this; where there are none, it is as if nothing had been taken."""
        before = dict(self._left)
        made = list(lines)
        if not made:
            self._left, self._parts = before, []
        return made

    def left(self) -> Iterator[tuple[str, Any]]:
        """What nobody took."""
        for name, value in self._left.items():
            yield f"{self._path}{name}", value
        for part in self._parts:
            yield from part.left()


def words(name: str) -> str:
    """A name as people say it."""
    return one_line(name).replace("_", " ")


def said(value: Any) -> str:
    """A text, or whatever else stands in its place."""
    return one_line(value) if isinstance(value, str) else plain(value, full=False)


def plain(value: Any, *, full: bool) -> str:
    """Any value, as it is written."""
    written = one_line(canonical(value).decode())
    return written if full else clip(written, _SHORT)


def digest_text(text: str, *, full: bool) -> str:
    """The beginning of a digest, or all of it."""
    whole = one_line(text)
    return whole if full else clip(whole, len("sha256:") + 12)
