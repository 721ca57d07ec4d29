"""What references in arguments stand for: secrets, one file each, and values of the vault.

Read when needed, kept nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from smartops.redact import Personal, placeholders
from smartops.redact.references import Lookup, reference_name
from smartops.tool_gateway.bindings import Binding, NotBound
from smartops.vault import Keeper, Vault

__all__ = ["Secrets", "looked_up"]


class Secrets:
    """The files of one folder, and the vault.

    Args:
        folder: none holds no secrets.
        vault: what tokens stand for.
        keeper: takes out of answers what must not be stored.
        own: credentials of the tools' drivers; a system that quotes them must not spread them.
        bindings: whom each secret is told, by its name; what is not named is told to nobody.
    """

    def __init__(
        self,
        folder: Path | None,
        vault: Vault,
        keeper: Keeper,
        own: Collection[str] = (),
        bindings: Mapping[str, Binding] | None = None,
    ) -> None:
        self._folder = None if folder is None else folder.resolve()
        self._vault = vault
        self._own = tuple(own)
        self._bindings = bindings or {}
        self.keeper = keeper

    def telling(self, tenant: str, tool: str) -> Lookup:
        """Looks up what this tool may be told in this tenant's work.

        It gives None when there is no such secret, and raises NotBound when it is not for them.
        """

        def lookup(name: str) -> str | None:
            self._check(name, tenant, tool)
            return self._read(name)

        return lookup

    def check(self, tenant: str, tool: str, arguments: Any) -> None:
        """Whether this tool may be told every secret that these arguments name.

        Raises:
            NotBound: one of them is not for it.
        """
        for name in _names(arguments):
            self._check(name, tenant, tool)

    def missing(self) -> tuple[str, ...]:
        """Secrets that are bound, and that the folder does not hold now."""
        return tuple(name for name in sorted(self._bindings) if self._read(name) is None)

    def _check(self, name: str, tenant: str, tool: str) -> None:
        binding = self._bindings.get(name)
        if binding is None or tool not in binding.tools or tenant not in binding.tenants:
            raise NotBound(name, tool, tenant)

    def _read(self, name: str) -> str | None:
        if self._folder is None:
            return None
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            return None
        return path.read_text(encoding="utf-8").rstrip("\n")

    def told(self, arguments: Any) -> tuple[str, ...]:
        """Every secret that a tool is told with these arguments, or by its driver.

        The binding is not asked here: what is named is kept out of the log in any case.
        """
        names = set(_names(arguments))
        return (*self._own, *(told for name in sorted(names) if (told := self._read(name))))

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
