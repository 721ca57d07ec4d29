"""Faults on links between services and servers, at seeded random times and of seeded kinds."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.lib.experiment import progress
from benchmarks.lib.links import Link, Links
from benchmarks.lib.ordeal import Scene
from benchmarks.lib.tcp_proxy import Shape, TcpProxy, Way

__all__ = ["KINDS", "NetworkNemesis", "Strike"]

_LIE_BYTES = 400
"""A lie is told within so many bytes of answer."""


class Strike(NamedTuple):
    """One fault."""

    kind: str
    link: Link


def _slow(proxy: TcpProxy, chance: random.Random) -> None:
    latency = chance.uniform(0.05, 0.5)
    proxy.shape(Shape(latency_s=latency, jitter_s=latency))


def _thin(proxy: TcpProxy, chance: random.Random) -> None:
    proxy.shape(Shape(bytes_per_s=chance.uniform(8_000, 64_000)))


def _stall(proxy: TcpProxy, chance: random.Random) -> None:
    ways = chance.choice(((Way.THERE,), (Way.BACK,), (Way.THERE, Way.BACK)))
    proxy.shape(Shape(stalled=True), *ways)


def _drop(proxy: TcpProxy, _chance: random.Random) -> None:
    proxy.reset()


def _half_open(proxy: TcpProxy, chance: random.Random) -> None:
    proxy.half_open(chance.choice(tuple(Way)))


def _lie(proxy: TcpProxy, chance: random.Random) -> None:
    proxy.cut_after(Way.BACK, chance.randrange(_LIE_BYTES))


def _refuse(proxy: TcpProxy, _chance: random.Random) -> None:
    proxy.refuse()


KINDS: Mapping[str, Callable[[TcpProxy, random.Random], None]] = {
    "slow": _slow,
    "thin": _thin,
    "stall": _stall,
    "drop": _drop,
    "half-open": _half_open,
    "lie": _lie,
    "refuse": _refuse,
}
"""What is done to a link, by name; whatever it is, `heal` ends it."""


class NetworkNemesis:
    """Does one thing after the other to links; things on different links overlap."""

    def __init__(self, links: Links, seed: int) -> None:
        self._links = links
        self._random = random.Random(seed)
        self._under_way: dict[Link, asyncio.Task[None]] = {}
        self.by_link: Counter[str] = Counter()
        """How many faults each link has met."""

    def order(self, count: int) -> list[Strike]:
        """Every kind on every link before any is met twice, shuffled, so many of them."""
        order: list[Strike] = []
        while len(order) < count:
            every = [Strike(kind, link) for kind in KINDS for link in self._links.names()]
            self._random.shuffle(every)
            order += every
        return order[:count]

    async def strike(
        self, scene: Scene, order: Sequence[Strike], pause_s: float, longest_s: float
    ) -> None:
        """Do it all; returns when every link has healed.

        Args:
            scene: notes what was done.
            order: what, and where.
            pause_s: longest pause between two beginnings.
            longest_s: that a fault lasts.
        """
        for strike in order:
            pending = self._under_way.get(strike.link)
            if pending is not None:
                await pending
            await asyncio.sleep(self._random.uniform(0.2, 1.0) * pause_s)
            lasts = self._random.uniform(0.2, 1.0) * longest_s
            chance = random.Random(self._random.getrandbits(32))
            self._under_way[strike.link] = asyncio.create_task(
                self._fault(scene, strike, lasts, chance)
            )
        await asyncio.gather(*self._under_way.values())

    async def _fault(
        self, scene: Scene, strike: Strike, lasts: float, chance: random.Random
    ) -> None:
        self.by_link[str(strike.link)] += 1
        proxy = self._links[strike.link]
        with scene.fault(strike.kind) as fault:
            progress(f"{strike.kind} on {strike.link}, {fault.in_flight} tasks in flight")
            KINDS[strike.kind](proxy, chance)
            await asyncio.sleep(lasts)
            proxy.heal()
