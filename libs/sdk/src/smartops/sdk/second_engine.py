"""A policy engine in a process of its own: bundles are tried and asked here, nothing is decided.

The client knows no engine. It starts the one that is installed beside it, and talks to it in lines
of JSON (`python -m smartops.policy_engine.worker` says which).
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from smartops.sdk.errors import SdkError

__all__ = ["BundleRefused", "EngineMissing", "Loaded", "SecondEngine", "Verdict"]

_LONGEST_LINE = 32 * 1024 * 1024
_PATIENCE_S = 60
"""Seconds for one answer: rules may compute for ever, and an engine has no time limit."""
_AT_ONCE = 64
"""Questions on their way at a time: less than a pipe holds would do, but inputs may be large."""


class EngineMissing(SdkError):
    """You meet it where the client is installed without a policy engine."""

    code = "engine_missing"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"no policy engine can be started here ({reason}). Install smartops-policy beside the"
            " client, or run this where the services are."
        )


class BundleRefused(SdkError):
    """You meet it when a folder or document is no bundle that could decide anything."""

    code = "bundle_refused"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A bundle that compiles."""

    digest: str
    document: str
    files: int
    cases: int
    failures: tuple[dict[str, str], ...]
    """Cases that it decides otherwise than they say: file, name, entrypoint, difference."""
    engine: str
    engine_version: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a bundle says."""

    allow: bool
    requires_approval: bool
    rules: tuple[str, ...]
    quorum: int
    roles: tuple[str, ...]
    messages: tuple[tuple[str, str], ...]
    """Rule and message, of the denials, else of the reasons."""


class SecondEngine:
    """One engine, for one bundle. An async context manager."""

    def __init__(self) -> None:
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "smartops.policy_engine.worker",
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
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
            # Reads what is left as well, so that no pipe stays open behind us.
            await self._process.communicate()

    async def load(self, **what: object) -> Loaded:
        """Take a bundle: a `directory`, a `document`, or the one that is `shipped`.

        Raises:
            BundleRefused: it is none.
            EngineMissing: there is no engine.
        """
        [told] = await self._ask([{"op": "load", **what}])
        if "refused" in told:
            raise BundleRefused(told["refused"])
        return Loaded(
            digest=told["digest"],
            document=told["document"],
            files=told["files"],
            cases=told["cases"],
            failures=tuple(told["failures"]),
            engine=told["engine"],
            engine_version=told["engine_version"],
        )

    async def decide(self, questions: Sequence[tuple[str, bytes]]) -> list[Verdict]:
        """What the bundle says to each: entrypoint and input."""
        verdicts: list[Verdict] = []
        for start in range(0, len(questions), _AT_ONCE):
            asked = [
                {"op": "decide", "entrypoint": entrypoint, "input": content.decode()}
                for entrypoint, content in questions[start : start + _AT_ONCE]
            ]
            verdicts += [_verdict(told) for told in await self._ask(asked)]
        return verdicts

    async def _ask(self, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise EngineMissing("it was not started")
        writing = asyncio.create_task(self._write(requests))
        try:
            lines = [await self._line(process.stdout) for _ in requests]
        except (TimeoutError, ValueError) as error:
            process.kill()  # Or it would never read what is still being written.
            late = isinstance(error, TimeoutError)
            why = f"no answer in {_PATIENCE_S} s" if late else str(error)
            raise BundleRefused(f"it is not fit to decide anything: {why}") from error
        finally:
            await writing
        if not all(lines):
            said = b"" if process.stderr is None else await process.stderr.read()
            last = said.decode(errors="replace").strip().rpartition("\n")[2]
            raise EngineMissing(last or "it ended")
        return [json.loads(line) for line in lines]

    async def _line(self, stream: asyncio.StreamReader) -> bytes:
        async with asyncio.timeout(_PATIENCE_S):
            return await stream.readline()

    async def _write(self, requests: Sequence[dict[str, Any]]) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        try:
            for request in requests:
                process.stdin.write(json.dumps(request).encode() + b"\n")
                await process.stdin.drain()
        except ConnectionError:
            return  # It has ended; who reads is told.


def _verdict(told: dict[str, Any]) -> Verdict:
    messages = told["denials"] or told["reasons"]
    return Verdict(
        allow=told["allow"],
        requires_approval=told["requires_approval"],
        rules=tuple(told["rules"]),
        quorum=told["quorum"],
        roles=tuple(told["roles"]),
        messages=tuple((one["rule"], one["message"]) for one in messages),
    )
