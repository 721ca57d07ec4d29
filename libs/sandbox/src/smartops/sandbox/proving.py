"""Which level holds here: tried, not looked up.

A kernel, a container or a policy may refuse what is installed, and a fence may stand and not hold.
So a piece of code tries from inside what must not work, against sockets that really listen and a
file that really is there, and both sides are asked how it went.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from smartops.sandbox.errors import SandboxError, TooWeak
from smartops.sandbox.levels import Level
from smartops.sandbox.limits import Limits
from smartops.sandbox.outcomes import Value
from smartops.sandbox.sandbox import Sandbox

__all__ = ["Standing", "strongest"]


@dataclass(frozen=True, slots=True)
class Standing:
    """The strongest level that held when it was tried."""

    level: Level
    fences: tuple[str, ...]
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why each stronger one does not hold."""


async def strongest(minimum: Level = Level.PROCESS, limits: Limits | None = None) -> Standing:
    """Try the levels, the strongest first; takes about a tenth of a second for each.

    Args:
        minimum: below this, nothing is good enough.
        limits: for whatever is run.

    Raises:
        TooWeak: no level that is demanded holds here.
    """
    missing: dict[str, str] = {}
    for level in reversed(Level):
        if not level.at_least(minimum):
            break
        try:
            fences = await _try(Sandbox(level, limits))
        except SandboxError as error:
            missing[level] = str(error)
        except _Broken as broken:
            missing[level] = f"it does not hold: {broken}"
        else:
            return Standing(level, fences, missing)
    raise TooWeak(minimum, missing)


class _Broken(Exception):
    """Something was possible inside that must not be."""


async def _try(sandbox: Sandbox) -> tuple[str, ...]:
    with _world() as world:
        ran = await sandbox.run(_ATTEMPTS, world.inputs())
        if not isinstance(ran.outcome, Value):
            raise _Broken(f"the trial ended with {ran.outcome}")
        if sandbox.level is Level.PROCESS:
            return ran.fences
        done = [str(name) for name in ran.outcome.value] + world.touched()
    if done:
        raise _Broken(f"possible inside: {', '.join(done)}")
    return ran.fences


@dataclass(frozen=True, slots=True)
class _World:
    """What can be reached from here."""

    stream: socket.socket
    datagrams: socket.socket
    abstract: socket.socket | None
    secret: Path

    def inputs(self) -> dict[str, object]:
        return {
            "tcp": self.stream.getsockname()[1],
            "udp": self.datagrams.getsockname()[1],
            "abstract": None if self.abstract is None else self.abstract.getsockname().decode(),
            "file": str(self.secret),
        }

    def touched(self) -> list[str]:
        """What was heard of on this side."""
        found = []
        with contextlib.suppress(BlockingIOError):
            self.stream.accept()[0].close()
            found.append("a connection was accepted")
        with contextlib.suppress(BlockingIOError):
            self.datagrams.recv(16)
            found.append("a datagram arrived")
        return found


@contextlib.contextmanager
def _world() -> Iterator[_World]:
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        for one in (stream, datagrams):
            one.bind(("127.0.0.1", 0))
            one.settimeout(0)
        stream.listen(4)
        secret = stack.enter_context(tempfile.NamedTemporaryFile(prefix="smartops-proof-"))
        yield _World(stream, datagrams, _abstract(stack), Path(secret.name))


def _abstract(stack: contextlib.ExitStack) -> socket.socket | None:
    try:
        one = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        one.bind("")  # Linux finds an abstract name that is free.
        one.listen(1)
    except (AttributeError, OSError):
        return None
    return one


_ATTEMPTS = """
import os, signal, socket
result = []

def attempt(name, action):
    try:
        action()
    except (OSError, AttributeError):
        return
    result.append(name)

def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"?", ("127.0.0.1", inputs["udp"]))

def abstract():
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.settimeout(1)
        one.connect(inputs["abstract"])

def child():
    if os.fork() == 0:
        os._exit(0)

attempt("tcp", lambda: socket.create_connection(("127.0.0.1", inputs["tcp"]), 1).close())
attempt("udp", datagram)
if inputs["abstract"]:
    attempt("abstract unix socket", abstract)
attempt("reading a file", lambda: open(inputs["file"]).close())
attempt("listing /home", lambda: os.listdir("/home"))
attempt("writing a file", lambda: open("written", "w").close())
attempt("a process", child)
attempt("a signal to its parent", lambda: os.kill(os.getppid(), 0))
"""
"""Says what worked. Whatever the network of its own holds, a datagram into it arrives nowhere, but
our side is asked, too; a socket that can be made at all is found by the sending."""
