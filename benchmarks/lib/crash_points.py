"""Places in a call's life at which its gateway is killed, and how a proof makes them be met."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

__all__ = ["POINTS", "VARIABLE", "Arming", "Point"]

VARIABLE = "SMARTOPS_FAILPOINTS"
"""Names the folder to a service; without it the places do not exist (`runtime.failpoints`)."""


@dataclass(frozen=True, slots=True)
class Point:
    """A place.

    Attributes:
        name: for people.
        place: as the code calls it.
        fault: of the fleet, that goes with it.
        value: of the fault, ms.
    """

    name: str
    place: str
    fault: str | None = None
    value: int | None = None

    def spoil(self, target: str, operation: str) -> dict[str, object] | None:
        """The fault for one target; None: the fleet does as it is told."""
        if self.fault is None:
            return None
        fault: dict[str, object] = {
            "mode": self.fault,
            "server": target,
            "operation": operation,
            "times": 1,
        }
        return fault if self.value is None else {**fault, "value": self.value}


POINTS = {
    point.name: point
    for point in (
        Point("dispatch.before", "dispatch.before"),
        Point("dispatch.after", "dispatch.after"),
        Point("send.before", "send.before"),
        Point("send.after", "send.after"),
        # Slow enough for all that are waited for to have been sent, and none to have been applied.
        Point("apply.before", "send.after", "delay", 2500),
        Point("apply.after", "apply.after", "apply_then_drop"),
        Point("reply.before", "reply.before"),
        Point("reply.after", "reply.after"),
        Point("outcome.before", "outcome.before"),
        Point("outcome.after", "outcome.after"),
        Point("ack.before", "ack.before"),
        Point("ack.after", "ack.after"),
    )
}
"""In the order in which a call meets them."""


class Arming:
    """The folder in which places are armed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def arm(self, point: Point, tasks: Iterable[UUID]) -> None:
        """Kill whoever has all of these at this place."""
        beside = self._folder / ".new"
        beside.write_text(json.dumps([str(task) for task in tasks]), encoding="utf-8")
        beside.replace(self._folder / point.place)

    def disarm(self, point: Point) -> bool:
        """Take it back; false when it was met."""
        try:
            (self._folder / point.place).unlink()
        except FileNotFoundError:
            return False
        return True
