"""Requests that hang: held until their switch is cleared."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from smartops.playground.errors import ConnectionDropped

__all__ = ["Holds"]


class Holds:
    """Waiting requests by the fault that holds them."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Future[bool]]] = defaultdict(set)

    async def wait(self, fault_id: str) -> None:
        """Wait until the fault is cleared. A caller who hangs up does not end the wait.

        Raises:
            ConnectionDropped: The fleet was reset or the process is ending.
        """
        # One future per request: a shared one would be cancelled for all by the first who leaves.
        goes_on: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[fault_id].add(goes_on)
        try:
            if not await goes_on:
                raise ConnectionDropped(applied=False)
        finally:
            self._waiting[fault_id].discard(goes_on)

    def release(self, fault_ids: Iterable[str]) -> None:
        """Let requests held by these faults go on."""
        for fault_id in fault_ids:
            self._end(fault_id, goes_on=True)

    def drop_all(self) -> None:
        """Close every held request's connection, with nothing applied."""
        for fault_id in list(self._waiting):
            self._end(fault_id, goes_on=False)

    def _end(self, fault_id: str, *, goes_on: bool) -> None:
        for future in self._waiting.pop(fault_id, set()):
            if not future.done():
                future.set_result(goes_on)
