"""Places at which a proof may have this process kill itself, on purpose and with nothing in order.

They exist only where `SMARTOPS_FAILPOINTS` names a folder. A file in it, called like the place,
arms it: a JSON list of what is waited for there, by name. Each that arrives is held; with the last
one the file is removed and the process kills itself (SIGKILL), all of them being exactly there.

A file called `<place>.hold.<pid>` holds them in one process, until it is removed; who is held is
noted beside it, so that somebody can stop that process (SIGSTOP) with all of them exactly there.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

__all__ = ["ARMED", "reach"]

_VARIABLE = "SMARTOPS_FAILPOINTS"

_folder = Path(found) if (found := os.environ.get(_VARIABLE)) else None
_arrived: dict[str, set[str]] = {}

_LOOK_S = 0.02
"""Between two looks whether the file that holds is gone."""

ARMED = _folder is not None
"""Whether places can be armed in this process at all."""


async def reach(place: str, about: object) -> None:
    """Say that something has come to a place.

    Args:
        place: its name.
        about: what it is that came; a proof arms a place for some, others pass.
    """
    if _folder is None:
        return
    await _hold(_folder / f"{place}.hold.{os.getpid()}", str(about))
    file = _folder / place
    awaited = _awaited(file)
    if str(about) not in awaited:
        return
    arrived = _arrived.setdefault(place, set())
    arrived.add(str(about))
    if arrived >= awaited:
        file.unlink()  # Else whoever comes after us would die there as well, for ever.
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.Event().wait()


async def _hold(file: Path, about: str) -> None:
    if about not in _awaited(file):
        return
    with file.with_name(f"{file.name}.held").open("a", encoding="utf-8") as held:
        held.write(f"{about}\n")
    while _awaited(file):  # noqa: ASYNC110 - nothing tells that a file is gone
        await asyncio.sleep(_LOOK_S)


def _awaited(file: Path) -> set[str]:
    try:
        return {str(name) for name in json.loads(file.read_text(encoding="utf-8"))}
    except FileNotFoundError:
        return set()
