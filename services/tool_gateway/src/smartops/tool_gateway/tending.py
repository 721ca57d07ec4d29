"""What the vault needs from time to time: all values under the current key, and no orphans."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import timedelta

from smartops.eventstore.errors import StoreClosed, StoreError
from smartops.vault import CannotOpen, Vault

__all__ = ["Tending"]

_log = logging.getLogger(__name__)

_EVERY = timedelta(hours=1)


class Tending:
    """Tends the vault as long as the process lives.

    Args:
        vault: which.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._tend(), name="vault")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _tend(self) -> None:
        resealed = False
        while True:
            try:
                if not resealed:
                    await self._reseal()
                    resealed = True
                if swept := await self._vault.sweep():
                    _log.info("values without a task deleted", extra={"count": swept})
            except StoreClosed:
                return
            except StoreError as error:
                # The database may be back in an hour; what this is for must not end with it.
                _log.warning("the vault was not tended: %s", error, exc_info=error)
            await asyncio.sleep(_EVERY.total_seconds())

    async def _reseal(self) -> None:
        try:
            if count := await self._vault.reseal():
                _log.info("values put under the current key", extra={"count": count})
        except CannotOpen as error:
            _log.warning("some values stay under an older key: %s", error)
