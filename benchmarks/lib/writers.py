"""Writers in processes of their own: asked by a line of JSON, they answer with one."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

__all__ = ["Answer", "Writer", "serve", "writers"]

Answer = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]

_ROOT = Path(__file__).resolve().parent.parent.parent
_LINE_BYTES = 16 * 1024 * 1024
"""Of an answer with every sample in it."""


class Writer:
    """One such process, seen from the benchmark."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def ask(self, **question: object) -> dict[str, Any]:
        """Have it do something; returns when it is done.

        Raises:
            ConnectionError: it is gone; what it said stands on standard error.
        """
        self.tell(**question)
        return await self.answer()

    def tell(self, **question: object) -> None:
        """Have it begin with something, whose `answer` is awaited later."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")

    async def answer(self) -> dict[str, Any]:
        """What came of the oldest question."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise ConnectionError(f"the writer {self.pid} is gone: see what it said above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


@asynccontextmanager
async def writers(module: str, count: int, *arguments: str) -> AsyncIterator[list[Writer]]:
    """So many processes of `python -m benchmarks.lib.<module>`, ready to be asked."""
    started: list[Writer] = []
    processes: list[Process] = []
    try:
        for _ in range(count):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"benchmarks.lib.{module}", *arguments),
                stdin=PIPE,
                stdout=PIPE,
                limit=_LINE_BYTES,
                cwd=_ROOT,
            )
            processes.append(process)
            started.append(Writer(process))
        for writer in started:
            await writer.answer()
        yield started
        for writer in started:
            await writer.close()
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


def serve(body: Callable[[Callable[[Answer], Awaitable[None]]], Awaitable[None]]) -> None:
    """The process's side: `body` makes ready and hands over what answers questions."""
    uvloop.run(_serve(body))


async def _serve(body: Callable[[Callable[[Answer], Awaitable[None]]], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def answer_all(answer: Answer) -> None:
        _say({"ready": True})
        while line := await reader.readline():
            _say(await answer(json.loads(line)))

    await body(answer_all)


def _say(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
