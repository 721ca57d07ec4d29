"""Secrets that arguments may refer to: one file each, read when needed, kept nowhere."""

from __future__ import annotations

from pathlib import Path

__all__ = ["MissingSecret", "Secrets"]


class MissingSecret(Exception):
    """An argument refers to a secret that this gateway does not hold."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no secret {name!r}: put it into the gateway's secrets folder")
        self.name = name


class Secrets:
    """The files of one folder.

    Args:
        folder: none holds no secrets.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def lookup(self, name: str) -> str:
        """The secret called `name`.

        Raises:
            MissingSecret: there is none.
        """
        if self._folder is None:
            raise MissingSecret(name)
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder.resolve()) or not path.is_file():
            raise MissingSecret(name)
        return path.read_text(encoding="utf-8").rstrip("\n")
