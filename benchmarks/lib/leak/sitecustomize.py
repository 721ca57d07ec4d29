"""Python runs this at its start when this directory is on its path: a service that leaks.

For whoever asks whether a soak would notice. Each append keeps `SOAK_LEAK_BYTES` for ever.
"""

from __future__ import annotations

import os
from typing import Any

from smartops.eventstore.store import EventStore

_append = EventStore.append
_bytes = int(os.environ["SOAK_LEAK_BYTES"])
_kept: list[bytes] = []


async def _leaking(self: EventStore, unit: Any) -> Any:
    _kept.append(b"x" * _bytes)
    return await _append(self, unit)


EventStore.append = _leaking  # type: ignore[method-assign]
