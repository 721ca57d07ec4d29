"""A fold as bytes that can be checked: a cache of what the log says, never truth.

The body of a snapshot, integers big-endian:

    octets of state int32 || state (the codec's bytes)
    number of different topics int32 || each: octets int32 || topic in UTF-8
    per event: number of its topic int32
    per event: its id, 16 bytes

The digest covers names and versions too, each text with its length in front: a snapshot that was
moved to another stream, fold or version does not verify.
"""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from asyncpg.pgproto.pgproto import UUID
from smartops.eventstore.folded import Folded

__all__ = ["MAX_BODY_BYTES", "Snapshot", "SnapshotCodec", "pack", "unpack"]

MAX_BODY_BYTES = 8 * 1024 * 1024
"""One body; the database checks it again. A longer one is not stored."""

S = TypeVar("S")

_LENGTH = struct.Struct(">i")
_VERSIONS = struct.Struct(">iq")
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class SnapshotCodec(Generic[S]):
    """How a fold's state becomes bytes, and which code it was folded by."""

    fold: str
    """Name of the fold; one per role and kind of state, at most 100 characters."""

    version: int
    """Of the code. Raise it with every change of decode, evolve, the state's shape, or its bytes:
    snapshots of another version are ignored, and replaced in passing."""

    encode: Callable[[S], bytes]
    """Pure; may run in another thread."""

    decode: Callable[[bytes], S]
    """Its inverse; may raise whatever it likes."""


class Snapshot(NamedTuple):
    """One row of smartops_log.snapshots."""

    stream: str
    fold: str
    fold_version: int
    version: int
    """Of the stream: events 1 to here are folded in."""

    hash: bytes
    """Chain value of event `version`: ties the snapshot to one past of the log."""

    body: bytes
    sha256: bytes

    def digest(self) -> bytes:
        """What `sha256` must be."""
        stream, fold = self.stream.encode(), self.fold.encode()
        made = hashlib.sha256()
        for part in (
            _LENGTH.pack(len(stream)) + stream,
            _LENGTH.pack(len(fold)) + fold,
            _VERSIONS.pack(self.fold_version, self.version),
            self.hash,
            self.body,
        ):
            made.update(part)
        return made.digest()


def pack(codec: SnapshotCodec[S], stream: str, folded: Folded[S], last_hash: bytes) -> Snapshot:
    """Make a snapshot.

    Args:
        codec: Of the fold.
        stream: Its name.
        folded: Not empty.
        last_hash: Chain value of the last event in it.
    """
    state = codec.encode(folded.state)
    numbers: dict[str, int] = {}
    order = [numbers.setdefault(topic, len(numbers)) for topic in folded.topics]
    names = [topic.encode() for topic in numbers]
    body = b"".join(
        (
            _LENGTH.pack(len(state)),
            state,
            _LENGTH.pack(len(names)),
            *(_LENGTH.pack(len(name)) + name for name in names),
            struct.pack(f">{len(order)}i", *order),
            *(event_id.bytes for event_id in folded.ids),
        )
    )
    made = Snapshot(stream, codec.fold, codec.version, folded.version, last_hash, body, b"")
    return made._replace(sha256=made.digest())


def unpack(codec: SnapshotCodec[S], stream: str, snapshot: Snapshot) -> Folded[S] | None:
    """The fold in a snapshot; None unless it is of this stream and code, and its bytes verify.

    Raises:
        Exception: Whatever the codec raises for bytes that it wrote and cannot read.
    """
    expected = (stream, codec.fold, codec.version)
    if (snapshot.stream, snapshot.fold, snapshot.fold_version) != expected:
        return None
    if snapshot.sha256 != snapshot.digest():
        return None
    body, count = snapshot.body, snapshot.version
    state, at = _text(body, 0)
    (different,) = _LENGTH.unpack_from(body, at)
    at += _LENGTH.size
    names: list[str] = []
    for _ in range(different):
        name, at = _text(body, at)
        names.append(name.decode())
    order = struct.unpack_from(f">{count}i", body, at)
    at += _LENGTH.size * count
    return Folded(
        codec.decode(state),
        count,
        # The driver's own kind, as in rows that were read: made in a sixth of the time.
        tuple(
            UUID(body[place : place + _ID_BYTES])
            for place in range(at, at + _ID_BYTES * count, _ID_BYTES)
        ),
        tuple(names[number] for number in order),
    )


def _text(body: bytes, at: int) -> tuple[bytes, int]:
    (length,) = _LENGTH.unpack_from(body, at)
    start = at + _LENGTH.size
    return body[start : start + length], start + length
