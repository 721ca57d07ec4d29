"""A TCP proxy that loses answers: the client sees a cut line, the server has done the work."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

__all__ = ["Proxy"]


class Proxy:
    """Forwards bytes to a server on this machine until told otherwise."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._is_refusing = False
        self._swallowed = asyncio.Event()
        self.swallows = False
        """Throw the server's answers away instead of forwarding them."""

    @property
    def port(self) -> int:
        """Where clients connect."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def refuse(self) -> None:
        """Cut all lines, and each new one at once, until `accept`."""
        self._is_refusing = True
        self.cut()

    def accept(self) -> None:
        """Forward again."""
        self._is_refusing = False

    def cut(self) -> None:
        """Cut all lines, now."""
        for line in tuple(self._lines):
            line.transport.abort()
        self._lines.clear()

    async def swallow_one(self) -> None:
        """Wait until an answer has been thrown away, then cut the lines and forward again."""
        self.swallows = True
        self._swallowed.clear()
        await self._swallowed.wait()
        self.swallows = False
        self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_refusing:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._lines |= {writer, back}
        for source, sink, is_answer in ((reader, back, False), (there, writer, True)):
            pump = asyncio.create_task(self._pump(source, sink, is_answer=is_answer))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if is_answer and self.swallows:
                    self._swallowed.set()
                    continue
                sink.write(data)
                await sink.drain()
        sink.transport.abort()
