"""Where an installation's backups lie, and how the server hands over its write-ahead log.

    backups/wal/             segments, as the server completes them
    backups/<name>/          a base backup: the cluster's directory as it was
    backups/<name>.json      what it holds: position of the log, heads, time
    backups/points.jsonl     named points, one per line

The directory may be a link to another disk, and should be.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from smartops.devstack.files import private_directory, write_private

__all__ = ["Archive", "Base", "Point"]


@dataclass(frozen=True, slots=True)
class Base:
    """A base backup.

    Attributes:
        name: of its directory.
        at: ISO time at which it was complete.
        position: the log's last position then. It can be restored to any point from there on.
        heads: per tenant the chain's end there, hex.
        timeline: of the server.
    """

    name: str
    at: str
    position: int
    heads: Mapping[str, str]
    timeline: int


@dataclass(frozen=True, slots=True)
class Point:
    """A named point, to which can be restored.

    Attributes:
        name: as given.
        at: ISO time.
        position: the log's last position then.
        timeline: of the server.
    """

    name: str
    at: str
    position: int
    timeline: int


class Archive:
    """The backups of one home.

    Args:
        home: the installation.
    """

    def __init__(self, home: Path) -> None:
        self.root = home.absolute() / "backups"
        self.wal = self.root / "wal"
        self._points = self.root / "points.jsonl"

    def server_settings(self) -> Mapping[str, str]:
        """Lets the server archive its log, from the first backup on.

        Until then there is no directory, and segments are let go. One that is there already is
        compared: the server asks again for what it had archived just before it crashed.
        """
        wal = shlex.quote(str(self.wal)).replace("%", "%%")
        copied = f"{wal}/%f"
        command = (
            f"if test -d {wal}; then if test -f {copied}; then cmp -s %p {copied}; else "
            f"cp %p {copied}.part && sync {copied}.part && mv {copied}.part {copied}; fi; fi"
        )
        return {"archive_mode": "on", "archive_command": command}

    def restore_settings(self, tail: Path) -> Mapping[str, str]:
        """Lets a server recover from here, and then from segments that were never archived."""
        sources = [shlex.quote(str(place)).replace("%", "%%") for place in (self.wal, tail)]
        command = " || ".join(f"cp {source}/%f %p" for source in sources)
        return {"restore_command": f"{{ {command}; }} 2>/dev/null"}

    def begin(self) -> None:
        """Make the directories."""
        private_directory(self.root)
        private_directory(self.wal)
        owner = (self.root.parent / "postgres").stat()
        if os.geteuid() == 0:
            os.chown(self.wal, owner.st_uid, owner.st_gid)  # It is the server that writes there.

    def bases(self) -> list[Base]:
        """Complete backups, oldest first."""
        found = [
            Base(**json.loads(path.read_text(encoding="utf-8")))
            for path in self.root.glob("base-*.json")
            if path.with_suffix("").is_dir()
        ]
        return sorted(found, key=lambda base: base.at)

    def keep_base(self, base: Base) -> None:
        """A backup is complete."""
        write_private(self.root / f"{base.name}.json", json.dumps(asdict(base), indent=2) + "\n")

    def points(self) -> list[Point]:
        """Named points, oldest first."""
        if not self._points.exists():
            return []
        lines = self._points.read_text(encoding="utf-8").splitlines()
        return [Point(**json.loads(line)) for line in lines]

    def keep_point(self, point: Point) -> None:
        """Note a named point."""
        lines = [json.dumps(asdict(one)) + "\n" for one in (*self.points(), point)]
        write_private(self._points, "".join(lines))
