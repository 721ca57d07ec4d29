"""The fleet together with all that follows from a change of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from smartops.playground.changes import (
    Change,
    FaultsCleared,
    FaultSet,
    FleetReset,
    Keyed,
    VersionSet,
    Write,
)
from smartops.playground.fleet import Fleet
from smartops.playground.holds import Holds
from smartops.playground.record import Record
from smartops.playground.state_file import StateFile
from smartops.playground.traffic import Traffic

__all__ = ["World"]


class World:
    """The one place where anything changes: on disk first, then in memory, then in the record."""

    def __init__(
        self,
        fleet: Fleet,
        record: Record,
        *,
        state: StateFile | None = None,
        uptime: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Join the parts and settle what a kill left open.

        Args:
            fleet: The fleet to operate on.
            record: Where requests are written down.
            state: Where changes are kept; None to forget them with the process.
            uptime: Seconds of a clock that never goes back, for the traffic.
            clock: Seconds since the epoch, for jobs that go on across restarts.
        """
        self.fleet = fleet
        self.record = record
        self.holds = Holds()
        self.uptime = uptime
        self.clock = clock
        self._state = state
        self.traffic = Traffic(fleet, uptime())
        if state is not None:
            _settle_after_kill(state, record)
            state.compact(fleet)

    def write(self, write: Write) -> dict[str, Any]:
        """Let a write of the API happen, or give the first answer to its key again.

        Raises:
            KeyReused: Its key means another write.
            StorageFailed: It could not be kept, so it did not happen.
        """
        if (first := self.recall(write)) is not None:
            return first
        answer = self.commit(write)
        self.record.applied(write.n, write.server, write.operation, answer)
        return answer

    def recall(self, write: Write) -> dict[str, Any] | None:
        """The first answer to a write's key, if it was given before; the repetition is noted.

        Raises:
            KeyReused: Its key means another write.
        """
        if not isinstance(write, Keyed) or write.key is None:
            return None
        first = self.fleet.keys.recall(write.key, write.meaning)
        if first is not None:
            self.record.replayed(write.n)
        return first

    def commit(self, change: Change) -> dict[str, Any]:
        """Keep `change`, then let it happen; return its answer.

        Raises:
            StorageFailed: It could not be kept, so it did not happen.
        """
        if self._state is not None:
            # Before the change, not after it: a disk that is full must not turn a write that has
            # happened into a failure.
            if self._state.wants_compaction:
                self._state.compact(self.fleet)
            self._state.append(change)
        answer = self.fleet.apply(change)
        self.traffic.settle(self.fleet, self._touched(change), self.uptime())
        return answer

    def close(self) -> None:
        """Close the files and every held request; closing twice is no matter."""
        self.holds.drop_all()
        self.record.close()
        if self._state is not None:
            self._state.close()

    def _touched(self, change: Change) -> list[str]:
        # Only versions, switches and resets move error rates.
        match change:
            case VersionSet():
                return [change.server]
            case FaultSet() | FaultsCleared() | FleetReset():
                return list(self.fleet.servers)
            case _:
                return []


def _settle_after_kill(state: StateFile, record: Record) -> None:
    """Write down as applied what was kept before a kill but not yet recorded.

    1. A write is kept in the state file. 2. The process is killed. 3. The record never says that
    the write was applied, though the fleet has it. Numbers above the record's last belong to
    another record, moved away since.
    """
    kept = [entry for entry in state.writes if entry[0].n <= record.last]
    if not kept:
        return
    told = record.settled_as_applied(min(write.n for write, _ in kept) - 1)
    for write, answer in kept:
        if write.n not in told:
            record.recovered(write.n, write.server, write.operation, answer)
