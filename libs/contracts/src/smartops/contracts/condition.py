"""Conditions over metrics, as `rollback_if` states them.

    error_rate > 1% or (latency_p99 >= 500ms and not queue_depth < 10)

A comparison holds if it holds for any target. What is not known makes a comparison neither true nor
false, and the whole only as far as the rest does not decide it: `true or unknown` is true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from smartops.contracts.errors import Malformed
from smartops.contracts.measured import NOTHING_MEASURED, Measured, Operator, compare
from smartops.contracts.quantities import Limit, unit_of
from typing_extensions import override

__all__ = [
    "MAX_COMPARISONS",
    "MAX_DEPTH",
    "AllOf",
    "AnyOf",
    "Comparison",
    "Condition",
    "Negation",
    "evaluate",
    "metrics_of",
    "read_condition",
]

MAX_COMPARISONS = 50
MAX_DEPTH = 20
"""Parentheses and `not`s within each other."""

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z][A-Za-z0-9_]*)|(?P<number>-?\d{1,15}(?:\.\d{1,9})?)(?P<unit>%|ms\b|s\b|)"
    r"|(?P<mark><=|<|>=|>|\(|\)))",
    re.ASCII,
)
_WORDS = frozenset({"and", "or", "not"})
_OPERATORS = frozenset({"<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric against a number."""

    metric: str
    limit: Limit

    @override
    def __str__(self) -> str:
        return f"{self.metric} {self.limit}"


@dataclass(frozen=True, slots=True)
class Negation:
    """The opposite."""

    part: Condition

    @override
    def __str__(self) -> str:
        return f"not {_within(self.part, (AllOf, AnyOf))}"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part must hold; two parts at least."""

    parts: tuple[Condition, ...]

    @override
    def __str__(self) -> str:
        return " and ".join(_within(part, (AllOf, AnyOf)) for part in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One part must hold; two parts at least."""

    parts: tuple[Condition, ...]

    @override
    def __str__(self) -> str:
        return " or ".join(_within(part, (AnyOf,)) for part in self.parts)


Condition = Comparison | Negation | AllOf | AnyOf


def read_condition(text: str) -> Condition | None:
    """The condition that a text states; None when it states none.

    Raises:
        Malformed: not of this grammar; says where.
    """
    if not text.strip():
        return None
    reader = _Reader(text)
    found = reader.any_of(MAX_DEPTH)
    reader.end()
    return found


def metrics_of(condition: Condition) -> tuple[str, ...]:
    """The metrics that it compares, each once, in order."""
    return tuple(dict.fromkeys(one.metric for one in _comparisons(condition)))


def evaluate(condition: Condition, values: Mapping[str, Measured]) -> bool | None:
    """Whether it holds; None when what is missing would decide it. Never fails."""
    match condition:
        case Comparison():
            measured = values.get(condition.metric, NOTHING_MEASURED)
            return compare(measured, condition.limit.operator, condition.limit.value)
        case Negation():
            held = evaluate(condition.part, values)
            return None if held is None else not held
        case AllOf():
            return _decided([evaluate(part, values) for part in condition.parts], by=False)
        case AnyOf():
            return _decided([evaluate(part, values) for part in condition.parts], by=True)


def _decided(parts: list[bool | None], *, by: bool) -> bool | None:
    if by in parts:
        return by
    return None if None in parts else not by


def _comparisons(condition: Condition) -> Iterator[Comparison]:
    match condition:
        case Comparison():
            yield condition
        case Negation():
            yield from _comparisons(condition.part)
        case AllOf() | AnyOf():
            for part in condition.parts:
                yield from _comparisons(part)


def _within(part: Condition, parenthesised: tuple[type, ...]) -> str:
    return f"({part})" if isinstance(part, parenthesised) else str(part)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    kind: str
    """name, number, mark, word or end."""
    unit: str
    at: int

    @override
    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text)


class _Reader:
    """Recursive descent; bounded in depth and in length."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._left = MAX_COMPARISONS
        self._next = self._token()

    def any_of(self, depth: int) -> Condition:
        parts = [self._all_of(depth)]
        while self._took("or"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def end(self) -> None:
        if self._next.kind != "end":
            raise self._wrong("'and', 'or' or the end")

    def _all_of(self, depth: int) -> Condition:
        parts = [self._part(depth)]
        while self._took("and"):
            parts.append(self._part(depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _part(self, depth: int) -> Condition:
        if depth == 0:
            raise Malformed(f"more than {MAX_DEPTH} parentheses and 'not's within each other")
        if self._took("not"):
            return Negation(self._part(depth - 1))
        if self._took("("):
            inner = self.any_of(depth - 1)
            if not self._took(")"):
                raise self._wrong("')'")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        if self._next.kind != "name":
            raise self._wrong("the name of a metric, 'not' or '('")
        if self._left == 0:
            raise Malformed(f"more than {MAX_COMPARISONS} comparisons")
        self._left -= 1
        metric = self._take().text
        if self._next.text not in _OPERATORS:
            raise self._wrong("one of < <= > >=")
        operator = cast("Operator", self._take().text)
        if self._next.kind != "number":
            raise self._wrong("a number")
        number = self._take()
        limit = Limit(operator, Decimal(number.text), number.unit)
        if (wrong := unit_of(metric, limit)) is not None:
            raise Malformed(wrong)
        return Comparison(metric, limit)

    def _took(self, text: str) -> bool:
        if self._next.kind in ("word", "mark") and self._next.text == text:
            self._take()
            return True
        return False

    def _take(self) -> _Token:
        taken, self._next = self._next, self._token()
        return taken

    def _token(self) -> _Token:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            rest = self._text[self._at :].strip()
            if rest:
                raise Malformed(f"{rest[:20]!r} at character {self._at + 1} is not understood")
            return _Token("", "end", "", len(self._text))
        self._at = found.end()
        kind = str(found.lastgroup if found["number"] is None else "number")
        text, place = str(found[kind]), found.start(kind)
        if kind == "name" and text.lower() in _WORDS:
            kind, text = "word", text.lower()
        return _Token(text, kind, found["unit"] or "", place)

    def _wrong(self, wanted: str) -> Malformed:
        return Malformed(f"{wanted} is wanted at character {self._next.at + 1}, not {self._next}")
