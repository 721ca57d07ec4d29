"""The hash chain, computed again from the log's own bytes by whoever doubts it.

Per tenant: SHA-256(previous hash, position, stream, version, event id, topic, SHA-256(state)),
integers big-endian, texts in UTF-8 with their length in front. Needs nothing but what it is given:
no service has to be trusted, or running.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from smartops.sdk.errors import Unverified

__all__ = ["GENESIS", "Chain", "link", "verify"]

GENESIS = bytes(32)
"""The hash before a tenant's first event."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A stretch of chain that was found intact, from the tenant's first event on."""

    count: int
    """Events."""
    position: int
    """Of the last; 0 for an empty log."""
    head: bytes
    """Hash of the last."""


def link(previous: bytes, row: Mapping[str, Any]) -> bytes:
    """The hash of a row of the log, given that of the row before."""
    stream, topic = row["stream"].encode(), row["topic"].encode()
    return hashlib.sha256(
        previous
        + struct.pack(">qi", row["position"], len(stream))
        + stream
        + struct.pack(">q", row["version"])
        + row["event_id"].bytes
        + struct.pack(">i", len(topic))
        + topic
        + hashlib.sha256(row["state"]).digest()
    ).digest()


async def verify(
    rows: AsyncIterator[Mapping[str, Any]],
    *,
    heads: Mapping[int, bytes] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Chain:
    """Walk a tenant's log from its first event.

    Args:
        rows: all of it, by position.
        heads: hashes that were noted elsewhere, by position: the log must still pass through
            each of them. This is what shows a log that was cut short or written anew.
        progress: told the number of events now and then.

    Raises:
        Unverified: with the first position at which the log is not what it was.
    """
    left = dict(heads or {})
    count, position, head = 0, 0, GENESIS
    async for row in rows:
        expected = link(head, row)
        if expected != row["hash"]:
            raise Unverified(
                f"The chain breaks at position {row['position']} ({row['stream']} version "
                f"{row['version']}): this event, or one before it, is not what was written. "
                "Keep the database as it is and compare it with a backup."
            )
        count, position, head = count + 1, row["position"], expected
        noted = left.pop(position, None)
        if noted is not None and noted != head:
            raise Unverified(
                f"The log was written anew: at position {position} it hashes to {head.hex()}, "
                f"but {noted.hex()} was noted when it was anchored."
            )
        if progress is not None and count % 1000 == 0:
            progress(count)
    if left:
        raise Unverified(
            f"The log was cut short: it was anchored at position {min(left)}, and the tenant has "
            f"no event there any more (its last is at {position})."
        )
    return Chain(count, position, head)
