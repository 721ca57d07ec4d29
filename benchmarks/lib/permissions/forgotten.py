"""Whether the bus has anything on which the table written by hand is silent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from smartops.contracts import catalogue

from benchmarks.lib.permissions.bus_facts import (
    COMMANDS,
    DURABLES,
    NOT_SAID,
    SAID_BY,
    SERVICES,
    STREAMS,
)
from benchmarks.lib.permissions.cells import ALLOWED, Cell, known

__all__ = ["nothing_forgotten"]


def nothing_forgotten(state: Mapping[str, object]) -> list[Cell]:
    """Compare the table with the catalogue and with what the server holds.

    Args:
        state: as found on the server: `<stream>: configuration`, `<stream>.<durable>`.
    """
    topics = {spec.data.topic for spec in catalogue.EVENTS.values()}
    streams = {name.partition(":")[0] for name in state if name.endswith(": configuration")}
    durables = {name for name in state if ":" not in name}
    return [
        *_compare("topic", topics, {*SAID_BY, *NOT_SAID}),
        *_compare(
            "command",
            {spec.data.name for spec in catalogue.COMMANDS.values()},
            COMMANDS,
        ),
        *_compare("service", catalogue.SERVICES, SERVICES),
        *_compare("stream", streams, STREAMS),
        *_compare(
            "durable", durables, [f"{stream}.{name}" for name, (stream, _) in DURABLES.items()]
        ),
    ]


def _compare(kind: str, found: Iterable[str], told: Iterable[str]) -> list[Cell]:
    there, here = set(found), set(told)
    return [
        Cell("the table", f"know the {kind} {name}", ALLOWED, known(name in there, name in here))
        for name in sorted(there | here)
    ]
