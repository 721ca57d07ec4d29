"""The vault as the tool gateway has it: values found, told to who may know them, and erased."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import UUID

from nacl.public import PublicKey, SealedBox
from smartops.eventstore import EventStore
from smartops.redact import Personal
from smartops.vault.keys import Opener

__all__ = ["ORPHAN_AGE", "Vault"]

ORPHAN_AGE = timedelta(hours=1)
"""By then an intent is stored or refused, however long the database was away in between."""

_PAGE = 200


class Vault:
    """Reads and deletes.

    Args:
        store: connected as the gateway's role.
        opener: its keys. None: there is no vault, so there is no value behind any token.
    """

    def __init__(self, store: EventStore, opener: Opener | None) -> None:
        self._store = store
        self._opener = opener

    async def values(
        self, tenant: str, task: UUID | None, tokens: Collection[str]
    ) -> dict[str, Personal]:
        """What stands behind a task's tokens; those that were erased, or are not its, are left out.

        Args:
            tenant: whose.
            task: which may use them; None for people, who may ask for any of the tenant.
            tokens: which.

        Raises:
            CannotOpen: a value is there, but not its key.
        """
        if self._opener is None or not tokens:
            return {}
        rows = await self._store.vault_get(tenant, task, sorted(set(tokens)))
        return {
            row.token: Personal(
                row.token, row.kind, json.loads(self._opener.open(row.key_id, row.sealed))
            )
            for row in rows.values()
            if row.sealed is not None and row.key_id is not None
        }

    async def erase(self, tenant: str, *, token: str | None, task: UUID | None) -> int:
        """Delete a token's values or a task's; how many of them are gone by now."""
        return await self._store.vault_erase(tenant, token=token, task=task)

    async def tell(
        self, tenant: str, command: UUID, recipient: bytes, values: Mapping[str, Personal]
    ) -> None:
        """Leave values for who asked, sealed to a key that nobody else has."""
        told = json.dumps({token: one.value for token, one in values.items()}).encode()
        sealed = SealedBox(PublicKey(recipient)).encrypt(told)
        await self._store.vault_answer(tenant, command, sorted(values), sealed)

    async def reseal(self) -> int:
        """Put all values under the current key; afterwards older ones may go. Returns how many."""
        if self._opener is None:
            return 0
        sealer, count = self._opener.sealer, 0
        while rows := await self._store.vault_under_other_keys(sealer.key_id, _PAGE):
            for tenant, task, token, key_id, sealed in rows:
                plain = self._opener.open(key_id, sealed)
                await self._store.vault_reseal(
                    tenant, task, token, key_id, sealer.key_id, sealer.seal(plain)
                )
                count += 1
        return count

    async def sweep(self, age: timedelta = ORPHAN_AGE) -> int:
        """Delete what was kept for events that were never appended. Returns how many values."""
        return await self._store.vault_sweep(age)
