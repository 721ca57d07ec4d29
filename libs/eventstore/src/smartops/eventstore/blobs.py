"""Content-addressed blobs, kept in memory once read."""

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from smartops.eventstore.errors import BlobCorrupt, BlobMissing
from smartops.eventstore.limits import MAX_BLOB_BYTES

__all__ = ["DEFAULT_CACHE_BYTES", "Blobs"]

DEFAULT_CACHE_BYTES = MAX_BLOB_BYTES
"""Bytes of blobs kept: the largest fits. Each process has such a cache, and hardly asks for a plan
again once its task has ended: with eight times as much each service grew by 64 MB in an hour."""


class Blobs:
    """Blobs never change, so a copy is never stale; the digest is checked when one is read."""

    def __init__(
        self,
        read: Callable[[str, bytes], Awaitable[bytes | None]],
        max_bytes: int = DEFAULT_CACHE_BYTES,
    ) -> None:
        self._read = read
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[str, bytes], bytes] = OrderedDict()
        self._loading: dict[tuple[str, bytes], asyncio.Future[bytes]] = {}

    async def get(self, tenant: str, digest: bytes) -> bytes:
        """The bytes with this SHA-256.

        Raises:
            BlobMissing: The tenant has none.
            BlobCorrupt: The database returned other bytes.
        """
        key = (tenant, digest)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        loading = self._loading.get(key)
        if loading is not None:
            # Begun by somebody else, perhaps before it was stored: then nothing found says nothing.
            with contextlib.suppress(BlobMissing):
                return await asyncio.shield(loading)
        return await asyncio.shield(self._begin(key))

    def want(self, tenant: str, digest: bytes) -> None:
        """Begin to read what a `get` will soon ask for; what goes wrong shows there."""
        key = (tenant, digest)
        if key not in self._kept and key not in self._loading:
            self._begin(key)

    def _begin(self, key: tuple[str, bytes]) -> asyncio.Future[bytes]:
        loading = self._loading[key] = asyncio.ensure_future(self._load(*key))
        loading.add_done_callback(lambda done: self._forget(key, done))
        return loading

    def _forget(self, key: tuple[str, bytes], done: asyncio.Future[bytes]) -> None:
        if self._loading.get(key) is done:
            del self._loading[key]
        if not done.cancelled():
            done.exception()  # Seen by those who asked; none may be left when it fails.

    async def _load(self, tenant: str, digest: bytes) -> bytes:
        content = await self._read(tenant, digest)
        if content is None:
            raise BlobMissing(tenant, digest)
        if hashlib.sha256(content).digest() != digest:
            raise BlobCorrupt(tenant, digest)
        self.keep(tenant, digest, content)
        return content

    def keep(self, tenant: str, digest: bytes, content: bytes) -> None:
        """Remember a blob whose digest is known to be right."""
        key = (tenant, digest)
        if key in self._kept or len(content) > self._max_bytes:
            return
        self._kept[key] = content
        self._bytes += len(content)
        while self._bytes > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped)
