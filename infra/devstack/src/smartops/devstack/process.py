"""One child process: its log, its end, and the promise that it never outlives us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from smartops.devstack.errors import ServerStartError

__all__ = ["DEFAULT_GRACE", "Identity", "ServiceProcess", "base_env", "describe_exit", "tail"]

DEFAULT_GRACE = timedelta(seconds=10)
"""How long a child may take to end by itself before it is killed."""

LOG_TAIL_LINES = 20
LOG_TAIL_BYTES = 8192

_SHIM = str(Path(__file__).with_name("_shim.py"))

Identity = Sequence[str]
"""Options of the launcher that change who the child is; empty: the same user as we are."""


class ServiceProcess:
    """A child with a log file of its own, in a session of its own.

    The kernel sends it `death_signal` as soon as the thread that called `start` ends, however it
    ends: so start children from the main thread. Because it leads its own session, a Ctrl-C in
    the terminal reaches the supervisor alone, which then stops its children in order.

    `start` on a running child does nothing; every stopping call on an ended one does nothing.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | os.PathLike[str]],
        env: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        *,
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
        identity: Identity = (),
    ) -> None:
        """Describe a child.

        Args:
            name: What people call it.
            argv: Program and arguments. A bare program name is looked up on PATH.
            env: The child's whole environment; None: ours.
            log_path: Where its output is appended; None: it is dropped.
            cwd: Its working directory; None: ours.
            stop_signal: How it is asked to end.
            death_signal: What it gets when we are gone.
            identity: See `Identity`.
        """
        self.name = name
        self.argv = [os.fspath(part) for part in argv]
        self.env = dict(env) if env is not None else None
        self.log_path = log_path
        self._cwd = cwd
        self._stop_signal = stop_signal
        self._death_signal = death_signal
        self.identity = tuple(identity)
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()
        self._swept = True

    @property
    def pid(self) -> int:
        """The current, or last, process id.

        Raises:
            RuntimeError: It was never started.
        """
        if self._process is None:
            raise RuntimeError(f"{self.name} has not been started: call start() first")
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs or before it was started; negative: the signal that ended it."""
        return None if self._process is None else self._process.returncode

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self, *, pass_fds: Sequence[int] = ()) -> None:
        """Spawn it. Readiness is the caller's to await.

        Raises:
            ServerStartError: The program does not exist.
        """
        async with self._starting:
            if self.running:
                return
            program = shutil.which(self.argv[0])
            if program is None:
                raise ServerStartError(
                    self.name,
                    f"there is no program {self.argv[0]!r}",
                    advice="Run `make setup` to install what is missing.",
                )
            command = [
                *(sys.executable, "-I", "-S", _SHIM),
                *("--parent", str(os.getpid()), "--death-signal", str(int(self._death_signal))),
                *self.identity,
                *("--", program, *self.argv[1:]),
            ]
            self._sweep()
            with contextlib.ExitStack() as stack:
                output: int = asyncio.subprocess.DEVNULL
                if self.log_path is not None:
                    self.log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                    output = os.open(self.log_path, flags, 0o600)
                    stack.callback(os.close, output)
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=self.env,
                    cwd=self._cwd,
                    start_new_session=True,
                    pass_fds=tuple(pass_fds),
                )
                self._swept = False

    async def wait(self) -> int:
        """Wait for the end of the process that is current now; returns its exit code."""
        if self._process is None:
            raise RuntimeError(f"{self.name} has not been started: call start() first")
        code = await self._process.wait()
        self._sweep()
        return code

    async def terminate(self, grace: timedelta = DEFAULT_GRACE) -> None:
        """Ask it to end; after `grace`, or if we are cancelled meanwhile, kill it."""
        try:
            async with asyncio.timeout(grace.total_seconds()):
                await self.ask_to_end()
        except TimeoutError:
            await self.kill()
        except asyncio.CancelledError:
            self.kill_now()
            raise

    async def stop(self) -> None:
        """`terminate` with the default grace."""
        await self.terminate()

    async def ask_to_end(self) -> None:
        """Ask it to end, and wait for that as long as it takes."""
        if self.running:
            self.signal(self._stop_signal)
            await self.wait()

    async def kill(self) -> None:
        """SIGKILL it and all of its process group, and wait until it is gone."""
        self.kill_now()
        if self._process is not None:
            await self.wait()

    def kill_now(self) -> None:
        """SIGKILL it and all of its process group, without waiting; safe in a signal handler."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def restart(self, grace: timedelta = DEFAULT_GRACE) -> None:
        """End it, if it runs, and start it again."""
        await self.terminate(grace)
        await self.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone; nothing happens if it has ended."""
        if self._process is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _sweep(self) -> None:
        """Kill what an ended child left behind in its process group, once, right after its end.

        Later its number could already name a stranger's group.
        """
        if self._process is None or self._swept:
            return
        self._swept = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def log_tail(self, lines: int = LOG_TAIL_LINES) -> str:
        """Return the last lines it wrote, for people."""
        return tail(self.log_path, lines) if self.log_path is not None else ""


def tail(path: Path, lines: int = LOG_TAIL_LINES, *, since: int = 0) -> str:
    """Return the last lines of a log, from byte `since` on; nothing if there is no log."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, since, end - LOG_TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def describe_exit(code: int) -> str:
    """Say an exit code in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def base_env() -> dict[str, str]:
    """What every child needs of our environment; no more, so that secrets of ours stay ours."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "LOG_LEVEL", "LOG_FORMAT")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    return {**env, "PYTHONUNBUFFERED": "1"}
