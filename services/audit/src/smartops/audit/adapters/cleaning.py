"""Values that events may hold and the database's columns may not."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic_core import from_json, to_json
from smartops.audit.read_models.model import ReadModel

__all__ = ["clean"]

R = TypeVar("R", bound=tuple[Any, ...])

_NUL = "\x00"
_SHOWN = "\N{REPLACEMENT CHARACTER}"
_LARGEST = 2**63 - 1


def clean(model: ReadModel[R], row: R) -> R:
    """A row that can be stored: NUL characters are shown as such, huge counts as the largest.

    The log keeps the true bytes. Without this, one intent with a NUL in it would stop audit.
    """
    values = (
        _clean_json(value) if place in model.json and value is not None else _clean(value)
        for place, value in enumerate(row)
    )
    return model.row(*values)


def _clean_json(text: str) -> str:
    return to_json(_clean(from_json(text)), inf_nan_mode="null").decode()


def _clean(value: Any) -> Any:
    match value:
        case str():
            return value.replace(_NUL, _SHOWN)
        case bool():
            return value
        case int():
            return max(-_LARGEST, min(_LARGEST, value))
        case tuple() | list():
            return [_clean(item) for item in value]
        case dict():
            return {_clean(key): _clean(item) for key, item in value.items()}
        case _:
            return value
