"""Who hears what is said: people their tenant, and nobody anything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.lib.permissions.bus_door import Door
from benchmarks.lib.permissions.bus_facts import HERE, PEOPLE
from benchmarks.lib.permissions.bus_wire import Wire
from benchmarks.lib.permissions.cells import ALLOWED, DENIED, Cell

__all__ = ["Ear", "heard_by", "open_ear"]


class Ear(NamedTuple):
    """A connection that only listens."""

    who: str
    wire: Wire


async def open_ear(door: Door, who: str) -> Ear:
    """A connection that hears all it may."""
    wire = await Wire.open(door.port, seed=door.seeds[who])
    await wire.listen(f"smartops.{HERE}.>" if who in PEOPLE else f"_INBOX_{who}.ear.>")
    return Ear(who, wire)


async def heard_by(ears: Sequence[Ear], said: Sequence[str]) -> list[Cell]:
    """People heard the events of their tenant, all of them, and nobody heard anything else."""
    cells: list[Cell] = []
    for ear in ears:
        meant = [one for one in said if ear.who in PEOPLE and one.split(".")[1] == HERE]
        if meant:
            await ear.wire.until(len(meant))
        await ear.wire.settle()
        heard = {answer.subject for answer in ear.wire.got}
        await ear.wire.close()
        cells += (
            Cell(
                ear.who,
                f"receive {subject}",
                ALLOWED if subject in meant else DENIED,
                ALLOWED if subject in heard else DENIED,
                "People hear their tenant; everybody else pulls.",
            )
            for subject in sorted({*said, *heard})
        )
    return cells
