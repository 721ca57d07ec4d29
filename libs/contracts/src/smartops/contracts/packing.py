"""Documents that travel in commands: deflated, in base64, and never larger than they may be.

A policy bundle is a hundred kilobytes of text that repeats itself; packed it fits into a command.
"""

from __future__ import annotations

import base64
import binascii
import zlib

from smartops.contracts.errors import Malformed

__all__ = ["MAX_PACKED", "pack", "unpack"]

MAX_PACKED = 60_000
"""Characters of a packed document: with it a command stays within what commands may be."""


def pack(document: bytes) -> str:
    """A document as text; the same for the same bytes.

    Raises:
        Malformed: too large for a command even so.
    """
    packed = base64.b64encode(zlib.compress(document, 9)).decode("ascii")
    if len(packed) > MAX_PACKED:
        raise Malformed(
            f"{len(document)} bytes are {len(packed)} when packed, and a command holds at most"
            f" {MAX_PACKED}: leave out what is not needed to decide"
        )
    return packed


def unpack(packed: str, *, max_bytes: int) -> bytes:
    """What `pack` was given.

    Args:
        packed: as it came.
        max_bytes: no more is ever unpacked, whatever it claims to hold.

    Raises:
        Malformed: not packed like that, or larger.
    """
    try:
        inflater = zlib.decompressobj()
        document = inflater.decompress(base64.b64decode(packed, validate=True), max_bytes + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise Malformed(f"no packed document: {error}") from error
    if len(document) > max_bytes:
        raise Malformed(f"more than {max_bytes} bytes when unpacked")
    if not inflater.eof or inflater.unused_data:
        raise Malformed("no packed document: it does not end where it should")
    return document
