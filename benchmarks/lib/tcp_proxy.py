"""A TCP proxy that behaves like a bad network: slow, thin, silent, cut, and lying.

What is set holds for each direction by itself, for lines that are open and for new ones. The same
seed gives the same jitter to the same line.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

__all__ = ["Counts", "Shape", "TcpProxy", "Way"]

LOOPBACK = "127.0.0.1"
_CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: on, and no time for what is still to be sent; so the other end sees a reset."""


class Way(StrEnum):
    """A direction."""

    THERE = "there"
    """From the client to the server."""
    BACK = "back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How bytes travel in one direction. Their order is always kept."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    """Up to so much more, evenly spread."""
    bytes_per_s: float | None = None
    stalled: bool = False
    """Bytes are taken and none arrives, until that ends."""


STRAIGHT = Shape()


@dataclass(slots=True)
class Counts:
    """What happened since the start; only ever rises."""

    attempts: int = 0
    """Connections that clients opened."""
    turned_away: int = 0
    """Of those, reset at once: refused, or the server was away."""
    cut: int = 0
    """Lines that were cut in the middle of what they carried."""
    passed: dict[Way, int] = field(default_factory=lambda: dict.fromkeys(Way, 0))
    """Bytes."""


class TcpProxy:
    """Between clients on this machine and one server on it; use as a context manager.

    Args:
        name: goes into the seed of each line.
        seed: of jitter.

    Attributes:
        target: the server's port; may be set, and changed, at any time.
        counts: see `Counts`.
    """

    def __init__(self, name: str = "", seed: int = 0, target: int | None = None) -> None:
        self.target = target
        self.counts = Counts()
        self._seed = f"{seed}/{name}"
        self._shapes = dict.fromkeys(Way, STRAIGHT)
        self._flows = {way: asyncio.Event() for way in Way}
        self._refuses = False
        self._lines: set[_Line] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        for flow in self._flows.values():
            flow.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()
        if self._serving:
            await asyncio.wait(self._serving)

    @property
    def port(self) -> int:
        """Where clients connect."""
        if self._server is None:
            raise RuntimeError("the proxy has not been started: enter its context first")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def open_lines(self) -> int:
        """Connections that are being carried."""
        return len(self._lines)

    # ---- faults ----------------------------------------------------------------------------

    def shape(self, shape: Shape, *ways: Way) -> None:
        """Let bytes travel like this; without ways: in both."""
        for way in ways or Way:
            self._shapes[way] = shape
            flow = self._flows[way]
            if shape.stalled:
                flow.clear()
            else:
                flow.set()

    def refuse(self) -> None:
        """Cut every line, and each new one at once, until `heal`."""
        self._refuses = True
        self.reset()

    def reset(self) -> None:
        """Cut every line; both ends see a reset, and what was under way is lost."""
        for line in tuple(self._lines):
            line.reset()

    def half_open(self, way: Way) -> None:
        """End one direction of every line, and never tell of the end of the other.

        Whoever sent that way may go on sending, for nothing; `heal` resets what is left.
        """
        for line in self._lines:
            line.half_open(way)

    def cut_after(self, way: Way, count: int) -> None:
        """Cut each line that is open now as soon as it has carried so many bytes more.

        0 bytes back: what was asked arrives, and is done; the answer does not.
        """
        for line in self._lines:
            line.left[way] = count

    def heal(self) -> None:
        """Be a good network again; lines that were only held up go on where they stood."""
        self._refuses = False
        self.shape(STRAIGHT)
        for line in tuple(self._lines):
            line.left.clear()
            if line.ended:
                line.reset()

    # ---- inside ----------------------------------------------------------------------------

    def travels(self, way: Way) -> Shape:
        """How bytes travel now."""
        return self._shapes[way]

    async def flows(self, way: Way) -> None:
        """Wait until a direction is not stalled."""
        await self._flows[way].wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counts.attempts += 1
        number = self.counts.attempts
        if self._refuses or self.target is None:
            return self._turn_away(writer)
        try:
            there = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            return self._turn_away(writer)
        line = _Line(self, f"{self._seed}/{number}", (reader, writer), there)
        self._lines.add(line)
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            await line.carry()
        finally:
            self._lines.discard(line)
        return None

    def _turn_away(self, writer: asyncio.StreamWriter) -> None:
        self.counts.turned_away += 1
        _abort(writer)


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Line:
    """One connection through the proxy."""

    def __init__(self, proxy: TcpProxy, seed: str, client: _Stream, server: _Stream) -> None:
        self._proxy = proxy
        self._seed = seed
        self._ends = {Way.THERE: (client[0], server[1]), Way.BACK: (server[0], client[1])}
        self._gone = asyncio.Event()
        self.left: dict[Way, int] = {}
        """Bytes until it is cut, by direction."""
        self.ended: set[Way] = set()
        """Directions that were ended by force."""

    async def carry(self) -> None:
        """Carry bytes both ways, until both have ended or it is cut."""
        pumps = [asyncio.create_task(self._pump(way)) for way in Way]
        gone = asyncio.create_task(self._gone.wait())
        try:
            both = asyncio.gather(*pumps, return_exceptions=True)
            either: set[asyncio.Future[Any]] = {both, gone}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)
            for _, writer in self._ends.values():
                _abort(writer) if self._gone.is_set() else writer.close()

    def reset(self) -> None:
        """Cut it."""
        self._gone.set()
        for _, writer in self._ends.values():
            _abort(writer)

    def half_open(self, way: Way) -> None:
        """See `TcpProxy.half_open`."""
        self.ended.add(way)
        _end(self._ends[way][1])

    async def _pump(self, way: Way) -> None:
        source, sink = self._ends[way]
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        writing = asyncio.create_task(self._write(way, held, sink))
        try:
            await self._read(way, source, held)
            await writing
        except OSError:  # the other side was reset: so is this one
            self.reset()
        finally:
            writing.cancel()
            await asyncio.wait({writing})

    async def _read(
        self, way: Way, source: asyncio.StreamReader, held: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        """Take bytes as they come, each with the time at which it may arrive."""
        chance = random.Random(f"{self._seed}/{way}")
        clock = asyncio.get_running_loop().time
        due = 0.0
        while True:
            data = await source.read(_CHUNK)
            shape = self._proxy.travels(way)
            delay = shape.latency_s + chance.uniform(0, shape.jitter_s)
            due = max(due, clock() + delay)
            if shape.bytes_per_s is not None:
                due += len(data) / shape.bytes_per_s
            held.put_nowait((due, data))
            if not data:
                return

    async def _write(
        self, way: Way, held: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter
    ) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, data = await held.get()
            if (early := due - clock()) > 0:
                await asyncio.sleep(early)
            await self._proxy.flows(way)
            if not data:
                # Told only if the other direction was not ended by force: a half-open line
                # stays silent.
                if not self.ended:
                    _end(sink)
                    return
                await self._gone.wait()
                return
            if way in self.ended:
                continue
            left = self.left.get(way)
            if left is not None and left <= len(data):
                sink.write(data[:left])
                await sink.drain()
                self._proxy.counts.cut += 1
                self.reset()
                return
            if left is not None:
                self.left[way] = left - len(data)
            sink.write(data)
            self._proxy.counts.passed[way] += len(data)
            await sink.drain()


def _end(writer: asyncio.StreamWriter) -> None:
    if writer.can_write_eof() and not writer.is_closing():
        writer.write_eof()


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset."""
    endpoint: socket.socket | None = writer.get_extra_info("socket")
    if endpoint is not None and endpoint.fileno() >= 0 and not writer.is_closing():
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
