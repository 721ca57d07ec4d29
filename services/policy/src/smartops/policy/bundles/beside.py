"""An engine in a process of its own, as policy uses it: bundles that are not trusted yet."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from smartops.policy_engine.bundle import MAX_BUNDLE_BYTES

__all__ = ["Beside", "Stuck"]

_LONGEST_LINE = 16 * MAX_BUNDLE_BYTES
"""Bytes of one answer; that to `load` repeats the bundle."""


class Stuck(Exception):
    """It gave no answer in time, or ended: the bundle is not fit to decide anything."""


class Beside:
    """Asks one bundle, with a time limit for each answer.

    Args:
        patience: for one answer; who takes longer is ended.
    """

    def __init__(self, patience: timedelta) -> None:
        self._patience_s = patience.total_seconds()
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "smartops.policy_engine.worker",
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=_LONGEST_LINE,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()

    async def load(self, document: str) -> dict[str, Any]:
        """Put a bundle to its test; see the worker for what comes back.

        Raises:
            Stuck: see there.
        """
        return await self._ask({"op": "load", "document": document})

    async def decide(self, entrypoint: str, content: bytes) -> dict[str, Any]:
        """Ask the bundle that was loaded.

        Raises:
            Stuck: see there.
        """
        asked = {"op": "decide", "entrypoint": entrypoint, "input": content.decode()}
        return await self._ask(asked)

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise Stuck("it was not started")
        try:
            async with asyncio.timeout(self._patience_s):
                process.stdin.write(json.dumps(request).encode() + b"\n")
                await process.stdin.drain()
                line = await process.stdout.readline()
        except TimeoutError:
            process.kill()
            raise Stuck(f"no answer within {self._patience_s:g} s") from None
        except (ConnectionError, ValueError) as error:
            raise Stuck(f"it ended: {error}") from error
        if not line:
            raise Stuck("it ended without an answer")
        answer: dict[str, Any] = json.loads(line)
        return answer
