"""Which clocks of a stack jump, by how much, and when it is whose turn."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from smartops.contracts.catalogue import SERVICES

from benchmarks.lib.clock_history import ClockHistory
from benchmarks.lib.clocks import Clock

__all__ = ["Jump", "StackClocks", "jumps_of"]

HOUR, MONTH = timedelta(hours=1), timedelta(days=30)
OFFSETS = (HOUR, -HOUR, MONTH, -MONTH)
DATABASE = (
    HOUR,
    0 * HOUR,
    2 * HOUR,
    MONTH + 2 * HOUR,
    2 * HOUR,
    2 * MONTH,
    -MONTH,
    2 * MONTH + HOUR,
)
"""Where the database's clock goes, ahead of the true time. After each way back it goes ahead beyond
where it was: timers that were set by a clock which then was set back wait for it."""


@dataclass(frozen=True, slots=True)
class Jump:
    """Where the clocks stand from now on, ahead of the true time.

    Attributes:
        kind: what people call it.
        services: all of them; those not named are right.
        database: its clock.
    """

    kind: str
    services: Mapping[str, timedelta]
    database: timedelta


def jumps_of(seed: int, beyond: timedelta, *, small: bool = False) -> list[Jump]:
    """Services' clocks alone, then the database's alone, then all together; at last, time passes.

    That far, that every timer is due which was set by a clock that then was set back.

    Args:
        seed: of the services' clocks.
        beyond: longest delay of a timer.
        small: only all services at once and back, and the database's ahead, back and far ahead.
    """
    chance = random.Random(seed)
    right = timedelta(0)
    found = [Jump("all services", dict.fromkeys(SERVICES, by), right) for by in OFFSETS]
    if small:
        found = [found[-1], *(Jump("database", {}, by) for by in DATABASE[3:5])]
        return [*found, _last(found, beyond)]
    found += [Jump(f"{name} alone", {name: chance.choice(OFFSETS)}, right) for name in SERVICES]
    for _ in range(2):
        apart = {name: chance.choice(OFFSETS) for name in SERVICES}
        found.append(Jump("services apart", apart, right))
    found += [Jump("database", {}, by) for by in DATABASE]
    for by in DATABASE:
        later = by + 2 * MONTH + HOUR
        found.append(Jump("all together", dict.fromkeys(SERVICES, later), later))
    return [*found, _last(found, beyond)]


def _last(jumps: Sequence[Jump], beyond: timedelta) -> Jump:
    farthest = max(jump.database for jump in jumps)
    return Jump("time passes", {}, farthest + beyond + HOUR)


class StackClocks:
    """All clocks of a stack that can be set; right at first."""

    def __init__(self, library: Path, home: Path) -> None:
        """Their files lie in `home`."""
        home.mkdir(parents=True, exist_ok=True)
        self.services = {name: Clock(library, home / f"{name}.clock") for name in SERVICES}
        self.database = Clock(library, home / "postgres.clock")

    def set(self, jump: Jump, history: ClockHistory) -> None:
        """Jump, and note where the database's clock stands now."""
        for name, clock in self.services.items():
            clock.set(jump.services.get(name, timedelta(0)))
        if jump.database != self.database.offset:
            self.database.set(jump.database)
            history.note(jump.database)
