"""Secrets that arguments may refer to: one file each, read when needed, kept nowhere."""

from __future__ import annotations

from pathlib import Path

__all__ = ["Secrets"]


class Secrets:
    """The files of one folder.

    Args:
        folder: none holds no secrets.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder.resolve()

    def lookup(self, name: str) -> str | None:
        """The secret called `name`; None when the folder holds none of that name."""
        if self._folder is None:
            return None
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            return None
        return path.read_text(encoding="utf-8").rstrip("\n")
