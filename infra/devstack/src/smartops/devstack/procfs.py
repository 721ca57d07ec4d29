"""Finding processes by where they work, for those whose parent is already gone."""

from __future__ import annotations

from pathlib import Path

__all__ = ["processes_in"]


def processes_in(directory: Path, program: str) -> set[int]:
    """Return the processes running `program` whose working directory is `directory`.

    Processes that have ended but were not yet collected by their parent do not count, nor do
    those we may not look into.
    """
    try:
        wanted = directory.stat()
    except FileNotFoundError:
        return set()
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            place = (entry / "cwd").stat()
            if (place.st_dev, place.st_ino) != (wanted.st_dev, wanted.st_ino):
                continue
            if (entry / "exe").readlink().name.removesuffix(" (deleted)") == program:
                found.add(int(entry.name))
        except OSError:
            continue
    return found
