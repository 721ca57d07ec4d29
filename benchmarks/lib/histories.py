"""Tasks as the services write them, without the services: the histories of audit's own tests."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from smartops.eventstore import EventStore

__all__ = ["append_at", "append_crowd", "mixed", "ops_task"]

_TESTS = str(Path(__file__).resolve().parent.parent.parent / "tests")
if _TESTS not in sys.path:
    sys.path.append(_TESTS)

from support.audit_histories import (  # type: ignore[import-not-found]  # noqa: E402 - found once the path is set.
    append,
    many,
    ops_task,
)

IN_FLIGHT = 64
ENDINGS_PER = 25
"""Ops-tasks for each round of all other endings (19 stories), in a mixed log."""


def mixed(tasks: int) -> Iterator[Any]:
    """So many ops-tasks, and between them all other ways in which a task can go, in new tenants."""
    tenant = "t0"
    for number in range(tasks):
        if number % ENDINGS_PER == 0:
            tenant = f"t{number // ENDINGS_PER % 8}"
            yield from many(f"e{number // ENDINGS_PER}")
        yield ops_task(tenant, str(number))


async def append_crowd(
    stores: Mapping[str, EventStore], stories: Iterable[Any], in_flight: int = IN_FLIGHT
) -> None:
    """Append stories, so many side by side, each unit by the service whose it is."""
    left = iter(stories)

    async def work() -> None:
        for story in left:
            await append(stores, story)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(work())


async def append_at(
    stores: Mapping[str, EventStore], stories: Iterable[Any], per_second: float
) -> None:
    """Begin so many stories per second, however long each takes; returns once all are stored."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number, story in enumerate(stories):
            due = began + number / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(append(stores, story))
