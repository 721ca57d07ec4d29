"""A child from its start to its end: what it is handed, what it answers, and when it is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio import SubprocessProtocol, SubprocessTransport, WriteTransport
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from typing_extensions import override

__all__ = ["Answer", "talk"]

_OUTPUT, _COMPLAINTS = 1, 2

_MAX_COMPLAINT = 2000
"""Bytes of standard error that are kept: what whoever starts the child has to say."""


@dataclass(frozen=True, slots=True)
class Answer:
    """All that can be said of a child that is gone."""

    output: bytes
    complaint: str
    status: int
    """As `subprocess` counts: below zero for a signal."""
    late: bool = False
    """It was killed because its time was over."""
    long: bool = False
    """It was killed because it said too much."""


async def talk(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: str,
    request: bytes,
    *,
    limit: timedelta,
    max_bytes: int,
) -> Answer:
    """Start a child in a session of its own, hand it the request, and wait for its end.

    When this returns, or is cancelled, the child and its process group are gone.

    Args:
        command: what to start.
        environment: all of its environment.
        folder: where it stands.
        request: its standard input.
        limit: of time, from now on.
        max_bytes: of its answer.

    Raises:
        OSError: it cannot be started.
    """
    loop = asyncio.get_running_loop()
    late = False
    transport, child = await loop.subprocess_exec(
        lambda: _Child(max_bytes),
        *command,
        env=dict(environment),
        cwd=folder,
        start_new_session=True,
    )
    try:
        stdin = cast("WriteTransport", transport.get_pipe_transport(0))
        stdin.write(request)
        stdin.close()
        async with asyncio.timeout(limit.total_seconds()):
            await child.silent.wait()
    except TimeoutError:
        late = True
    finally:
        await _bury(transport, child)
    return Answer(
        bytes(child.output),
        child.complaint.decode(errors="replace").strip(),
        transport.get_returncode() or 0,
        late,
        child.long,
    )


class _Child(SubprocessProtocol):
    """What is heard of a child."""

    def __init__(self, max_bytes: int) -> None:
        self.output = bytearray()
        self.complaint = bytearray()
        self.long = False
        self.exited = asyncio.Event()
        self.silent = asyncio.Event()
        """Nothing more will be heard, or nobody wants to hear more."""
        self._max_bytes = max_bytes
        self._open = {_OUTPUT, _COMPLAINTS}

    @override
    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == _COMPLAINTS:
            self.complaint += data[: _MAX_COMPLAINT - len(self.complaint)]
        elif not self.long:
            self.output += data
            self.long = len(self.output) > self._max_bytes
            if self.long:
                self.silent.set()

    @override
    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        self._look()

    @override
    def process_exited(self) -> None:
        self.exited.set()
        self._look()

    def _look(self) -> None:
        if self.exited.is_set() and not self._open:
            self.silent.set()


async def _bury(transport: SubprocessTransport, child: _Child) -> None:
    """Kill the whole group, also when its first process has ended: others may be left.

    Process numbers are counted up, so its own has not been given to anybody else meanwhile.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(transport.get_pid(), signal.SIGKILL)
    try:
        await child.exited.wait()
    finally:
        transport.close()
