"""What differs from the plan before, in lines."""

from __future__ import annotations

from pydantic import JsonValue
from smartops.contracts.plan import Plan
from smartops.sdk.cli.assessment_view import value_text
from smartops.sdk.cli.text import clip, listing, one_line
from smartops.sdk.plan_diff import Difference, differences

__all__ = ["differing"]

_WIDTH = 60
"""Longest value in a line, in characters."""


def differing(before: Plan, after: Plan, *, most: int) -> list[str]:
    """One line per difference; the targets that it is about are named up to `most`."""
    found = differences(before, after)
    if not found:
        return ["does the same; what it rests on was looked at again"]
    return [_line(one, most) for one in found]


def _line(one: Difference, most: int) -> str:
    where = f" on {listing(one.where, most)}" if one.where else ""
    what = one_line(one.what)
    if one.before == "called" and one.after is None:
        return f"no longer {what}{where}"
    if one.after == "called" and one.before is None:
        return f"now also {what}{where}"
    return f"{what}: {_value(one.before)} -> {_value(one.after)}{where}"


def _value(value: JsonValue) -> str:
    return "none" if value is None else clip(value_text(value), _WIDTH)
