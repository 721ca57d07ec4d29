"""The policy in force: which bundle decides now, loaded from the log and kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from smartops.bus.errors import Outage
from smartops.contracts.canonical import raw_digest
from smartops.contracts.folds import BundleView
from smartops.contracts.streams import PLATFORM
from smartops.eventstore.errors import BlobCorrupt, BlobMissing
from smartops.eventstore.folds import Folded, Folds

__all__ = ["BUNDLE", "Engines", "InForce", "Named"]

BUNDLE = f"{PLATFORM}/bundle-default"
"""Where it stands which bundle is in force. Whoever decides names its version: then the append
refuses what was decided under a bundle that is no longer it, in whichever process."""

MAX_ENGINES = 4
"""Bundles kept ready, the one in force included: who changes and changes back waits once."""


class Named(Protocol):
    """An engine says which bundle it holds."""

    @property
    def bundle_digest(self) -> str:
        """Digest of the bundle."""
        ...


class Blobs(Protocol):
    """What is needed of the store."""

    async def blob(self, tenant: str, digest: bytes) -> bytes:
        """The bytes with this SHA-256."""
        ...


E = TypeVar("E", bound=Named)


@dataclass(frozen=True, slots=True)
class InForce(Generic[E]):
    """The engine to ask, and the version of the log that says so."""

    engine: E
    read: tuple[str, int]
    """A condition of whatever is decided by it."""


class Engines(Generic[E]):
    """Engines by the digest of their bundle.

    Args:
        folds: of the streams that say which bundle is in force.
        blobs: where their documents lie.
        make: an engine of a bundle's document; raises what it likes where that must not decide.
            It may take its time: who needs this engine waits, and nobody gets another.
        local: an engine of the bundle that this process was given, for logs in which an older
            release put one in force and kept no copy. None: this process was given none.
    """

    def __init__(
        self,
        folds: Folds[BundleView],
        blobs: Blobs,
        make: Callable[[bytes], Awaitable[E]],
        local: Callable[[], Awaitable[E]] | None = None,
    ) -> None:
        self._folds = folds
        self._blobs = blobs
        self._make = make
        self._local = local
        self._ready: OrderedDict[str, E] = OrderedDict()
        self._loading = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._ready)

    async def current(self, *, fresh: bool = False) -> InForce[E]:
        """The engine of the bundle in force, as of now if `fresh`, else as far as it is known.

        Raises:
            Outage: none is in force, or the one that is cannot be had. Nothing is decided then:
                the work waits, and is neither allowed nor denied.
        """
        folded = await self._folds.load(BUNDLE, fresh=fresh)
        if folded.state.digest is None and not fresh:
            folded = await self._folds.load(BUNDLE, fresh=True)
        if folded.state.digest is None:
            raise Outage("policy", "no policy bundle has been activated yet")
        engine = self._ready.get(folded.state.digest)
        if engine is None:
            async with self._loading:
                engine = self._ready.get(folded.state.digest) or await self._load(folded)
        self._ready.move_to_end(folded.state.digest)
        return InForce(engine, (BUNDLE, folded.version))

    async def trouble(self) -> str | None:
        """Why nothing can be decided now, asked of the log anew."""
        try:
            await self.current(fresh=True)
        except Outage as outage:
            return outage.reason
        return None

    def keep(self, engine: E) -> None:
        """Have an engine ready that was made for another reason."""
        self._ready[engine.bundle_digest] = engine
        while len(self._ready) > MAX_ENGINES:
            self._ready.popitem(last=False)

    async def _load(self, folded: Folded[BundleView]) -> E:
        digest = folded.state.digest
        try:
            engine = await self._made(folded.state)
        except (BlobMissing, BlobCorrupt) as error:
            raise Outage("policy", f"the copy of {digest}, which is in force, is lost") from error
        except Outage:
            raise
        except Exception as error:
            # Whatever keeps an engine from being made keeps everything from being decided.
            raise Outage("policy", f"{digest} is in force and cannot be loaded: {error}") from error
        if engine.bundle_digest != digest:
            held = engine.bundle_digest
            raise Outage("policy", f"{digest} is in force, this process holds {held}")
        self.keep(engine)
        return engine

    async def _made(self, active: BundleView) -> E:
        if active.document is not None:
            return await self._make(await self._blobs.blob(PLATFORM, raw_digest(active.document)))
        if self._local is not None:
            return await self._local()
        raise Outage("policy", f"the log holds no copy of {active.digest}, which is in force")
