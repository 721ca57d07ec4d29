"""Noticing that accepted commands went with their stream.

Until it is decided a command lies in the command stream only. A service may not read that stream;
but it knows how many of its commands waited at the last look, and it sees when its consumer stands
where it has stood before.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Losses"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a consumer of commands stood."""

    created: str
    delivered: int
    """Place in the stream up to which commands were delivered."""
    pending: int
    """Commands behind that."""

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> _Place | None:
        try:
            delivered = int(info["delivered"]["stream_seq"])
            return cls(str(info["created"]), delivered, int(info["num_pending"]))
        except (KeyError, TypeError, ValueError):
            return None


class Losses:
    """Counts commands that were waiting when their stream was lost, per handler.

    An upper bound of what waited at the last look: some may have been taken in between, and are
    decided as ever. What was accepted after that look, or lost before this process began, is not
    in it. Which commands they were only their senders know: who still waits sends again by itself.
    """

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self.gone: dict[str, int] = {}
        """By handler; only ever rises."""

    def look(self, handler: str, info: Mapping[str, Any]) -> None:
        """Compare a consumer with what it was at the last look."""
        now = _Place.of(info)
        if now is None:
            return
        before = self._places.get(handler)
        self._places[handler] = now
        self.gone.setdefault(handler, 0)
        if before is None or not _set_back(before, now):
            return
        lost = max(0, before.pending - now.pending)
        renewed = before.created != now.created
        if not lost and not renewed:
            return  # A server that crashed may have forgotten what it delivered, and nothing else.
        self.gone[handler] += lost
        _log.log(
            logging.ERROR if lost else logging.WARNING,
            "%s: the command stream was %s; up to %d accepted commands that waited are gone, and "
            "any accepted in the last seconds: who hears nothing of one sends it again under the "
            "same id",
            handler,
            "made anew" if renewed else "set back to an earlier state",
            lost,
        )


def _set_back(before: _Place, now: _Place) -> bool:
    """Whether the stream behind the consumer is another one, or has forgotten something.

    A consumer that was merely deleted and made again goes on at the places where the stream is; one
    that was never delivered anything can only be told by what no longer waits.
    """
    if now.delivered < before.delivered:
        return True
    renewed = now.created != before.created
    return renewed and now.delivered == before.delivered and now.pending < before.pending
