"""Keeps a fleet on disk: one snapshot, then every change since."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from smartops.playground.append_file import AppendFile
from smartops.playground.changes import Change, Write, change_from_json, change_to_json
from smartops.playground.errors import FileCorrupt, SpecMismatch
from smartops.playground.fleet import Fleet
from smartops.playground.spec import FleetSpec

__all__ = ["StateFile"]

FORMAT = 1
"""Version of the file's shape."""

COMPACT_BYTES = 4 << 20
"""Changes are folded into a new snapshot once they are longer than this and than four snapshots.

The second condition keeps the cost of snapshots below a quarter of the bytes written.
"""


class StateFile:
    """The journal of a fleet. A change is safe from kill -9 once `append` has returned."""

    def __init__(self, path: Path, spec: FleetSpec, *, compact_bytes: int = COMPACT_BYTES) -> None:
        """Open the file and play its changes; a new file begins with a fleet made from `spec`.

        Raises:
            FileInUse: Another process keeps its fleet there.
            FileCorrupt: A line cannot be understood.
            SpecMismatch: The file holds a fleet begun from another spec.
            InvalidOption: The file cannot be opened.
        """
        self._file = AppendFile(path)
        self._compact_bytes = compact_bytes
        self._snapshot_bytes = 0
        self.writes: list[tuple[Write, dict[str, Any]]] = []
        """Writes since the last snapshot with their answers, as found on opening."""
        try:
            self.fleet = self._play(spec)
        except BaseException:
            self._file.close()
            raise

    def _play(self, spec: FleetSpec) -> Fleet:
        lines = self._file.lines()
        first = next(lines, None)
        if first is None:
            fleet = Fleet(spec)
            self.compact(fleet)
            return fleet
        self._snapshot_bytes = len(first) + 1
        number = 1
        try:
            snapshot = json.loads(first)
            if snapshot["format"] != FORMAT:
                raise FileCorrupt(self._file.path, number)
            found = FleetSpec(**snapshot["spec"])
            if found != spec:
                raise SpecMismatch(self._file.path, found, spec)
            fleet = Fleet.from_json(spec, snapshot["fleet"])
            for number, line in enumerate(lines, start=2):  # noqa: B007 - told in the error
                change = change_from_json(json.loads(line))
                answer = fleet.apply(change)
                if isinstance(change, get_args(Write)):
                    self.writes.append((change, answer))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileCorrupt(self._file.path, number) from error
        return fleet

    def append(self, change: Change) -> None:
        """Write `change` down, before it is applied in memory.

        Raises:
            StorageFailed: It could not be written, so it must not be applied.
        """
        self._file.append(_line(change_to_json(change)))

    @property
    def wants_compaction(self) -> bool:
        """Whether the changes have outgrown the snapshot."""
        changes = self._file.size_bytes - self._snapshot_bytes
        return changes > max(self._compact_bytes, 4 * self._snapshot_bytes)

    def compact(self, fleet: Fleet) -> None:
        """Put one snapshot of `fleet` in the place of snapshot and changes.

        Raises:
            StorageFailed: It could not be written; snapshot and changes are still there.
        """
        self._file.replace(_snapshot(fleet))
        self._snapshot_bytes = self._file.size_bytes
        self.writes.clear()

    def close(self) -> None:
        """Close the file; closing twice is no matter."""
        self._file.close()


def _snapshot(fleet: Fleet) -> Iterator[bytes]:
    yield _line({"format": FORMAT, "spec": asdict(fleet.spec), "fleet": fleet.to_json()})


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data).encode() + b"\n"
