"""Anchors: verified heads written down outside the database.

A hash chain shows edits, insertions and removals. It does not show that its end was cut off, or
that the whole of it was written anew by somebody who may do anything in the database. A head that
was noted elsewhere does: it must lie on the chain for ever.

One file per UTC day, `anchors-YYYY-MM-DD.jsonl`, one line per tenant and interval:

    {"tenant": "acme", "position": 812, "count": 640, "head": "<64 hex>",
     "at": "2026-08-07T09:30:10.120Z", "previous": "<SHA-256 of the line before, 64 hex>"}

`previous` links the lines, over the files in order of their names. Whoever copies the newest line
elsewhere (a ticket, a mail, another machine) has fixed all that came before it.

A log that was restored to an earlier point has lost events that were anchored. Nobody can tell
that from an end that was cut off, so a person says it, by a line of its own. It voids the anchors
before it that lie beyond the point, and stays for ever:

    {"rewound_to": 700, "anchored_to": 812, "by": "operator",
     "at": "2026-08-07T11:02:41.007Z", "previous": "<64 hex>"}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smartops.audit.errors import AnchorsDamaged

__all__ = [
    "FIRST",
    "Anchor",
    "Rewind",
    "digest_of_line",
    "files_of",
    "line_of",
    "read_anchors",
    "read_file",
    "read_rewinds",
    "standing",
]

FIRST = "0" * 64
"""What the first line of all names as the one before it."""

_PATTERN = "anchors-????-??-??.jsonl"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head of a tenant's chain at some time."""

    tenant: str
    position: int
    count: int
    """Events of the tenant up to there."""
    head: str
    """Chain value at `position`, hex."""
    at: str
    """When it was written down, by this machine's clock. For people; nothing is decided by it."""
    previous: str


@dataclass(frozen=True, slots=True)
class Rewind:
    """Somebody's word that the log was restored to an earlier point."""

    rewound_to: int
    """The last position that is still what it was."""
    anchored_to: int
    """The last position that had been anchored."""
    by: str
    at: str
    previous: str


Line = Anchor | Rewind


def line_of(line: Line) -> bytes:
    """The line as it is written, without its end."""
    content = {name: getattr(line, name) for name in type(line).__slots__}
    return json.dumps(content, separators=(",", ":")).encode()


def digest_of_line(line: bytes) -> str:
    """What the next line names as the one before it."""
    return hashlib.sha256(line).hexdigest()


def files_of(directory: Path) -> list[Path]:
    """The anchor files, oldest first."""
    return sorted(directory.glob(_PATTERN))


def read_anchors(directory: Path) -> Iterator[Anchor]:
    """All anchors that stand, oldest first, each line linked to the one before it.

    Older files may have been moved to an archive: the first line's link is then taken on trust.

    Raises:
        AnchorsDamaged: a line is missing, was changed, or is none.
    """
    yield from standing(_read(directory))


def read_rewinds(directory: Path) -> list[Rewind]:
    """When the log was restored to an earlier point, oldest first.

    Raises:
        AnchorsDamaged: as `read_anchors`.
    """
    return [line for line in _read(directory) if isinstance(line, Rewind)]


def standing(lines: Iterable[Line]) -> list[Anchor]:
    """The anchors that no later rewind has voided, in their order."""
    stand: list[Anchor] = []
    for line in lines:
        if isinstance(line, Rewind):
            stand = [anchor for anchor in stand if anchor.position <= line.rewound_to]
        else:
            stand.append(line)
    return stand


def _read(directory: Path) -> Iterator[Line]:
    previous: str | None = None
    for file in files_of(directory):
        for read, line in read_file(file, previous):
            previous = digest_of_line(line)
            yield read


def read_file(file: Path, previous: str | None) -> Iterator[tuple[Line, bytes]]:
    """What one file says, with its lines.

    Args:
        file: its path.
        previous: digest of the line before the first one; None if that is not known.

    Raises:
        AnchorsDamaged: as `read_anchors`.
    """
    *lines, rest = file.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        anchor = _read_line(file, number, line)
        if previous is not None and anchor.previous != previous:
            raise AnchorsDamaged(str(file), number, "does not link to the line before it")
        previous = digest_of_line(line)
        yield anchor, line
    # A last line without its end was never flushed, so nobody was ever told of it.
    if len(rest) > _LONGEST_LINE:
        raise AnchorsDamaged(str(file), len(lines) + 1, "is no anchor")


_LONGEST_LINE = 4096


def _read_line(file: Path, number: int, line: bytes) -> Line:
    try:
        content: dict[str, Any] = json.loads(line)
        if "rewound_to" in content:
            return Rewind(**content)
        anchor = Anchor(**content)
        bytes.fromhex(anchor.head)
    except (ValueError, TypeError) as error:
        raise AnchorsDamaged(str(file), number, "is no anchor") from error
    return anchor
