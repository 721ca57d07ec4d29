"""A vault in memory, for what only puts values in and takes them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from uuid import UUID

from smartops.eventstore import EventStore
from smartops.eventstore.vault_rows import SealedValue
from smartops.redact import Finder
from smartops.vault import Keeper, Opener, Vault, new_key

__all__ = ["VaultMemory"]


class VaultMemory:
    """Rows by tenant, task and token, sealed as in the real one.

    Attributes:
        rows: what lies there.
        keeper: puts in.
        vault: takes out.
    """

    def __init__(self, finder: Finder | None = None, token_key: bytes = b"t" * 32) -> None:
        self.rows: dict[tuple[str, UUID, str], SealedValue] = {}
        store = cast("EventStore", self)
        opener = Opener([new_key()])
        self.keeper = Keeper(store, finder or Finder(), token_key, opener.sealer)
        self.vault = Vault(store, opener)

    async def vault_put(
        self, tenant: str, task: UUID, key_id: str, values: Sequence[tuple[str, str, bytes]]
    ) -> None:
        for token, kind, sealed in values:
            row = SealedValue(token, kind, key_id, sealed)
            self.rows.setdefault((tenant, task, token), row)

    async def vault_get(
        self, tenant: str, task: UUID | None, tokens: Sequence[str]
    ) -> dict[str, SealedValue]:
        return {
            token: row
            for (where, whose, token), row in self.rows.items()
            if where == tenant and task in (None, whose) and token in tokens
        }

    def forget(self) -> None:
        """Erase everything."""
        for place, row in self.rows.items():
            self.rows[place] = SealedValue(row.token, row.kind, None, None)
