"""What streams and durables there are, and whether trying has changed more than it may."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from benchmarks.lib.permissions.bus_door import Door
from benchmarks.lib.permissions.bus_facts import MONITOR
from benchmarks.lib.permissions.bus_wire import Wire
from benchmarks.lib.permissions.cells import DENIED, Cell

__all__ = ["bus_state", "changed"]


async def bus_state(door: Door) -> dict[str, object]:
    """Streams and durables with their configuration, and how many messages each stream has had."""
    inbox = f"_INBOX_{MONITOR}.{random.randbytes(8).hex()}"
    wire = await Wire.open(door.port, seed=door.seeds[MONITOR])
    try:
        await wire.listen(f"{inbox}.*")
        found: dict[str, object] = {}
        names = await wire.ask("$JS.API.STREAM.NAMES", inbox)
        for stream in _texts(names["streams"]):
            info = await wire.ask(f"$JS.API.STREAM.INFO.{stream}", inbox)
            found[f"{stream}: configuration"] = info["config"]
            state = info["state"]
            assert isinstance(state, dict)
            found[f"{stream}: first"] = state["first_seq"]
            found[f"{stream}: last"] = state["last_seq"]
            durables = await wire.ask(f"$JS.API.CONSUMER.NAMES.{stream}", inbox)
            for durable in _texts(durables["consumers"]):
                told = await wire.ask(f"$JS.API.CONSUMER.INFO.{stream}.{durable}", inbox)
                found[f"{stream}.{durable}"] = told["config"]
    finally:
        await wire.close()
    return found


def _texts(names: object) -> list[str]:
    return [str(name) for name in names] if isinstance(names, list) else []


def changed(
    before: Mapping[str, object], after: Mapping[str, object], stored: Sequence[str]
) -> list[Cell]:
    """What was refused left no trace: streams hold just what they have given receipts for."""
    expected = dict(before)
    for prefix, stream in (
        ("smartops.", "SMARTOPS"),
        ("smartops-cmd.", "SMARTOPS_COMMANDS"),
        ("smartops-dlq.", "SMARTOPS_DLQ"),
    ):
        more = sum(subject.startswith(prefix) for subject in stored)
        last = expected[f"{stream}: last"]
        assert isinstance(last, int)
        expected[f"{stream}: last"] = last + more
        expected[f"{stream}: first"] = expected[f"{stream}: first"] or int(more > 0)
    return [
        Cell(
            "the server",
            f"keep {what}",
            DENIED,
            DENIED if expected.get(what) == after.get(what) else f"{after.get(what)!r}",
            f"it was {expected.get(what)!r}",
        )
        for what in sorted({*expected, *after})
    ]
