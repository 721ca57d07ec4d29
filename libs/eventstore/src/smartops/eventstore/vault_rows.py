"""The rows of the vault: sealed values by tenant, task and token."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

__all__ = ["SealedValue", "VaultRows"]


@dataclass(frozen=True, slots=True)
class SealedValue:
    """A value as it lies there."""

    token: str
    kind: str
    key_id: str | None
    sealed: bytes | None
    """None: it was erased."""


class VaultRows:
    """A part of `EventStore`. During an outage these calls wait; all may safely run twice."""

    @abstractmethod
    async def _call(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run a statement that may safely run twice."""

    async def vault_put(
        self, tenant: str, task: UUID, key_id: str, values: Sequence[tuple[str, str, bytes]]
    ) -> None:
        """Keep sealed values, as (token, kind, sealed); what the task has, or had, stays as it is.

        Only for the roles of planner and tool gateway.
        """
        await self._call(
            "select smartops_vault.put($1, $2, $3, $4, $5, $6)",
            tenant,
            task,
            [token for token, _, _ in values],
            [kind for _, kind, _ in values],
            key_id,
            [sealed for _, _, sealed in values],
        )

    async def vault_get(
        self, tenant: str, task: UUID | None, tokens: Sequence[str]
    ) -> dict[str, SealedValue]:
        """What a task's tokens stand for; those of any task if none is named."""
        rows = await self._call(
            "select * from smartops_vault.get($1, $2, $3)", tenant, task, list(tokens)
        )
        return {row[0]: SealedValue(*row) for row in rows}

    async def vault_erase(
        self, tenant: str, *, token: str | None = None, task: UUID | None = None
    ) -> int:
        """Delete a token's values, a task's, or what is both; how many of them are gone by now."""
        [[count]] = await self._call("select smartops_vault.erase($1, $2, $3)", tenant, token, task)
        erased: int = count
        return erased

    async def vault_answer(
        self, tenant: str, command: UUID, tokens: Sequence[str], sealed: bytes
    ) -> None:
        """Leave an answer for who gave a command; it is there for ten minutes."""
        await self._call(
            "select smartops_vault.answer($1, $2, $3, $4)", tenant, command, list(tokens), sealed
        )

    async def vault_under_other_keys(
        self, key_id: str, limit: int
    ) -> list[tuple[str, UUID, str, str, bytes]]:
        """Values sealed to another key, as (tenant, task, token, key, sealed)."""
        rows = await self._call(
            "select * from smartops_vault.under_other_keys($1, $2)", key_id, limit
        )
        return [tuple(row) for row in rows]

    async def vault_reseal(
        self, tenant: str, task: UUID, token: str, old_key_id: str, key_id: str, sealed: bytes
    ) -> None:
        """Put a value under another key, unless it was erased or resealed meanwhile."""
        await self._call(
            "select smartops_vault.reseal($1, $2, $3, $4, $5, $6)",
            tenant,
            task,
            token,
            old_key_id,
            key_id,
            sealed,
        )

    async def vault_sweep(self, age: timedelta) -> int:
        """Delete answers that have run out, and values older than this of tasks that never were."""
        [[count]] = await self._call("select smartops_vault.sweep($1)", age)
        swept: int = count
        return swept
