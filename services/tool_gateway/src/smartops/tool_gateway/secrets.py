"""What references in arguments stand for: secrets, one file each, and values of the vault.

Read when needed, kept nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from smartops.redact import Personal, placeholders
from smartops.redact.references import reference_name
from smartops.vault import Keeper, Vault

__all__ = ["Secrets", "looked_up"]


class Secrets:
    """The files of one folder, and the vault.

    Args:
        folder: none holds no secrets.
        vault: what tokens stand for.
        keeper: takes out of answers what must not be stored.
        own: credentials of the tools' drivers; a system that quotes them must not spread them.
    """

    def __init__(
        self, folder: Path | None, vault: Vault, keeper: Keeper, own: Collection[str] = ()
    ) -> None:
        self._folder = None if folder is None else folder.resolve()
        self._vault = vault
        self._own = tuple(own)
        self.keeper = keeper

    def lookup(self, name: str) -> str | None:
        """The secret called `name`; None when the folder holds none of that name."""
        if self._folder is None:
            return None
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            return None
        return path.read_text(encoding="utf-8").rstrip("\n")

    def told(self, arguments: Any) -> tuple[str, ...]:
        """Every secret that a tool is told with these arguments, or by its driver."""
        names = set(_names(arguments))
        return (*self._own, *(told for name in sorted(names) if (told := self.lookup(name))))

    async def personal(self, tenant: str, task: UUID, *arguments: Any) -> Mapping[str, Personal]:
        """What stands behind the tokens in these arguments, by token; for this task alone."""
        tokens = {token for value in arguments for token in placeholders(value)}
        return await self._vault.values(tenant, task, tokens)


def looked_up(values: Mapping[str, Personal]) -> Callable[[str], str | int | None]:
    """A lookup among these."""

    def look(token: str) -> str | int | None:
        found = values.get(token)
        return None if found is None else found.value

    return look


def _names(value: Any) -> Iterator[str]:
    """Of the secrets that are referred to; the value was searched before."""
    if isinstance(value, Mapping):
        name = reference_name(value)
        if name is not None:
            yield name
        for item in value.values():
            yield from _names(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _names(item)
