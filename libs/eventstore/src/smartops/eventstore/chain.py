"""Recompute the hash chain over rows of the log; pure, and without any trust in the database.

Per tenant; integers are big-endian, texts UTF-8, `||` is concatenation:

    hash = SHA-256( previous hash     32 bytes; 32 zero bytes before the first event
                 || position          int64
                 || octets of stream  int32 || stream
                 || version           int64
                 || event id          16 bytes
                 || octets of topic   int32 || topic
                 || SHA-256(state)    32 bytes )

Every field has a fixed width or its length in front, so no two events share an encoding. The
database computes the same in `append_units()` (sql/0003_append.sql).

A chain shows edits, removals, insertions and swaps before its end. It does not show that its end
was cut off, or that all of it was written anew: for that, compare with heads kept elsewhere
(`Verifier(anchors=…)`). Columns outside the hash (task, cause, party, recorded_at) repeat what the
state says; who trusts them compares them with it.
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from smartops.eventstore.rows import Head, StoredRow
from smartops.eventstore.streams import tenant_of

__all__ = ["GENESIS", "Broken", "Verifier", "chain_hash", "verify"]

GENESIS = bytes(32)
"""What comes before a tenant's first event."""

_INT32 = struct.Struct(">i")
_INT64 = struct.Struct(">q")


@dataclass(frozen=True, slots=True)
class Broken:
    """Where the log first differs from what was appended."""

    position: int
    """Everything before it is sound."""

    tenant: str
    why: str


def chain_hash(previous: bytes, row: StoredRow) -> bytes:
    """The chain value of a row, given the tenant's value before it."""
    stream = row.stream.encode()
    topic = row.topic.encode()
    return hashlib.sha256(
        b"".join(
            (
                previous,
                _INT64.pack(row.position),
                _INT32.pack(len(stream)),
                stream,
                _INT64.pack(row.version),
                row.event_id.bytes,
                _INT32.pack(len(topic)),
                topic,
                hashlib.sha256(row.state).digest(),
            )
        )
    ).digest()


class Verifier:
    """Walks the log in order of position, in as many portions as you like.

    Feed it the whole log, or one tenant's rows (`whole_log=False`).
    """

    def __init__(self, *, whole_log: bool = True, anchors: Iterable[Head] = ()) -> None:
        """Begin before the first event.

        Args:
            whole_log: Rows of all tenants are fed, so positions must have no gaps.
            anchors: Heads kept elsewhere, e.g. signed ones: each must lie on its tenant's chain.
        """
        self._whole_log = whole_log
        self._position = 0
        self._heads: dict[str, Head] = {}
        self._anchors: dict[tuple[str, int], bytes] = {
            (anchor.tenant, anchor.position): anchor.hash for anchor in anchors
        }

    @property
    def heads(self) -> dict[str, Head]:
        """The end of each tenant's chain, as far as it was fed."""
        return dict(self._heads)

    @property
    def position(self) -> int:
        """The last sound position."""
        return self._position

    def feed(self, rows: Iterable[StoredRow]) -> Broken | None:
        """Check the rows that follow; stop at the first that is broken."""
        for row in rows:
            why = self._check(row)
            if why is not None:
                return Broken(row.position, row.tenant, why)
        return None

    def finish(self, heads: Iterable[Head] = ()) -> Broken | None:
        """Check that nothing is missing at the end.

        Args:
            heads: The ends as the database names them.
        """
        for tenant, position in sorted(self._anchors, key=lambda anchor: anchor[1]):
            return Broken(position, tenant, "the log ends before this anchored head")
        for head in heads:
            if self._heads.get(head.tenant) != head:
                return Broken(head.position, head.tenant, "the database names another head")
        return None

    def _check(self, row: StoredRow) -> str | None:
        due = self._position + 1
        if row.position < due or (self._whole_log and row.position != due):
            return f"expected position {due}"
        head = self._heads.get(row.tenant, Head(row.tenant, 0, 0, GENESIS))
        if row.ordinal != head.count + 1:
            return f"expected the tenant's event {head.count + 1}, found {row.ordinal}"
        if tenant_of(row.stream) != row.tenant:
            return f"stream {row.stream!r} is another tenant's"
        if chain_hash(head.hash, row) != row.hash:
            return "the hash differs: this row was altered, or one before it was removed"
        if self._anchors.pop((row.tenant, row.position), row.hash) != row.hash:
            return "the anchored head differs: the log was written anew"
        self._heads[row.tenant] = Head(row.tenant, row.position, row.ordinal, row.hash)
        self._position = row.position
        return None


def verify(rows: Iterable[StoredRow]) -> Broken | None:
    """Check a whole log at once; None if it is sound."""
    return Verifier().feed(rows)
