"""Anchored heads: what the chain hashed to at some time, noted outside the database.

Files `anchors-<date>.jsonl`, one JSON object per line with `tenant`, `position`, `head` (hex) and
`previous`, the SHA-256 of the line before. The oldest files may have been archived elsewhere. A
line with `rewound_to` says that the log was restored to that position: heads beyond it, noted
before, are void.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from smartops.sdk.errors import Unverified

__all__ = ["read_anchors"]

_PATTERN = "anchors-*.jsonl"


def read_anchors(directory: Path, tenant: str) -> dict[int, bytes]:
    """A tenant's anchored heads, by position; empty when nothing was anchored.

    Args:
        directory: of the files; an installation's lie in `<home>/anchors`.
        tenant: whose.

    Raises:
        Unverified: a line is missing, was changed, or contradicts another.
    """
    heads: dict[int, bytes] = {}
    previous: str | None = None
    for path in sorted(directory.glob(_PATTERN)):
        # What stands behind the last line's end was never flushed: nobody was told of it.
        *lines, _ = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            place = f"{path}, line {number}"
            try:
                anchor = json.loads(line)
                link, rewound = anchor["previous"], "rewound_to" in anchor
                position = int(anchor["rewound_to" if rewound else "position"])
                whose = None if rewound else anchor["tenant"]
                head = b"" if rewound else bytes.fromhex(anchor["head"])
            except (ValueError, KeyError, TypeError) as error:
                raise Unverified(f"{place} is no anchor ({error!r}).") from error
            if previous is not None and link != previous:
                raise Unverified(f"{place} does not link to the line before it.")
            previous = hashlib.sha256(line).hexdigest()
            if rewound:
                heads = {at: noted for at, noted in heads.items() if at <= position}
            elif whose == tenant and heads.setdefault(position, head) != head:
                raise Unverified(f"{place} contradicts another anchor of position {position}.")
    return heads
