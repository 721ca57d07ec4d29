"""Label values in bounded number: a metric must not grow with the traffic it counts.

Each combination of label values is a time series for ever, in this process and in every server that
scrapes it. So a label says beforehand how many values it may take, and ids never become labels.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Final

__all__ = ["OTHER", "BoundedLabel"]

OTHER: Final = "other"
"""What a value becomes that has no place any more."""

NONE: Final = "none"
"""What an empty value becomes: Prometheus takes an empty label for an absent one."""

LENGTH_LIMIT: Final = 64
"""Characters of a value; names are short, texts are not labels."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-|[0-9a-f]{16}", re.IGNORECASE)

_log = logging.getLogger(__name__)


class BoundedLabel:
    """Lets the first `limit` values of a label through; every later one becomes `other`.

    What looks like an id (a UUID, 16 hex digits in a row) or is too long becomes `other` at once
    and takes no place. One object may serve several metrics: they then share the same values.
    """

    def __init__(self, limit: int, known: Iterable[str] = ()) -> None:
        self._values = dict.fromkeys(known)
        if limit < len(self._values):
            raise ValueError(f"limit {limit} is less than the {len(self._values)} known values")
        self._limit = limit
        self._told = False

    def of(self, value: str) -> str:
        """The label value to use for this one."""
        return value if value in self._values else self._admit(value or NONE)

    def _admit(self, value: str) -> str:
        if value in self._values:
            return value
        if len(value) > LENGTH_LIMIT or _ID.search(value) is not None:
            return OTHER
        if len(self._values) >= self._limit:
            if not self._told:
                self._told = True
                _log.warning(
                    "a metric label has no place for another value: it counts as 'other'",
                    extra={"value": value, "limit": self._limit},
                )
            return OTHER
        self._values[value] = None
        return value
