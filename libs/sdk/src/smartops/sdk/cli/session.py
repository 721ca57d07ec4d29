"""What every command shares: options, consoles, and how a command ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, TextIO, cast
from uuid import UUID

import typer
from smartops.sdk.cli.exits import Exit, of_error

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from smartops.sdk.client import Client
    from smartops.sdk.errors import SdkError
    from smartops.sdk.profile import Profile
    from smartops.sdk.reader import Reader

__all__ = ["Options", "Session", "Trimmed", "Usage", "fail", "run"]

_WIDE = 200
"""Columns where no terminal limits them."""


@dataclass(frozen=True, slots=True)
class Options:
    """The global options."""

    home: Path
    identity: str
    json: bool
    prefix: str | None


class Usage(Exception):
    """The command line makes no sense; the message says how it would."""


class Session:
    """One command's run: where it reads from and writes to."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.json = options.json
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr)
        self.about = "TASK"
        """Which task the command is about, for advice on what to do next."""
        self.if_interrupted = ""
        """What to tell a person who ends the command early."""

    # --- where from

    def profile(self) -> Profile:
        """The installation.

        Raises:
            NoProfile: there is none.
        """
        from smartops.sdk.profile import Profile  # noqa: PLC0415 - the same

        profile = Profile.load(self.options.home)
        prefix = self.options.prefix
        return profile if prefix is None else profile.with_prefix(prefix)

    async def client(self) -> Client:
        """A connected client, to be used as a context manager."""
        from smartops.sdk.client import Client  # noqa: PLC0415 - the same

        return await Client.connect(self.profile(), self.options.identity)

    def reader(self) -> Reader:
        """A reader of the projections, to be used as a context manager; needs no bus."""
        from smartops.sdk.reader import Reader  # noqa: PLC0415 - the same

        return Reader(self.profile())

    # --- where to

    @property
    def asks(self) -> bool:
        """Whether a person can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not self.json

    def data(self, value: Any) -> None:
        """One JSON document on stdout."""
        print(json.dumps(value, default=_plain, ensure_ascii=False, indent=2))  # noqa: T201

    def raw(self, document: bytes) -> None:
        """One JSON line on stdout."""
        print(document.decode(), flush=True)  # noqa: T201 - JSON lines are read as they come

    def show(self, *what: RenderableType) -> None:
        """Data for people, on stdout."""
        self.out.print(*what)

    def note(self, text: str, *, style: str = "") -> None:
        """A hint for people, on stderr."""
        from rich.text import Text  # noqa: PLC0415 - the same

        self.err.print(Text(text, style=style))

    def command(self, *words: str) -> str:
        """A command line as this person would type it: with the home that they named."""
        home = str(self.options.home)
        usual = home == os.environ.get("SMARTOPS_HOME", ".smartops")
        options = [] if usual else ["--home", shlex.quote(home)]
        return " ".join(["smartops", *options, *words])


def run(context: typer.Context, action: Callable[[Session], Awaitable[int | None]]) -> NoReturn:
    """Carry out a command and end with its exit code."""
    session = Session(context.obj)
    try:
        code = asyncio.run(_finished(action(session)))
    except KeyboardInterrupt:
        if session.if_interrupted:
            session.note(session.if_interrupted)
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has seen enough. Closing quietly keeps Python from complaining at exit.
        with suppress(OSError):
            sys.stdout.close()
        code = Exit.OK
    except Exception as error:  # noqa: BLE001 - what is not ours is raised again
        code = fail(session, error)
    raise typer.Exit(int(code or 0))


def fail(session: Session, error: Exception) -> int:
    """Tell of an error and give its exit code.

    Raises:
        Exception: the same, if it is none that people can do something about.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - the same
    from smartops.sdk.cli.hints import hint  # noqa: PLC0415 - the same
    from smartops.sdk.cli.malformed import complaint  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import harmless  # noqa: PLC0415 - the same
    from smartops.sdk.errors import Refused, SdkError  # noqa: PLC0415 - the same

    if isinstance(error, ValidationError) and (wrong := complaint(error)) is not None:
        error = Usage(wrong)
    if isinstance(error, Usage):
        document: dict[str, Any] = {"code": "usage", "message": str(error), "retryable": False}
        head, text, code = "usage", str(error), Exit.USAGE
    elif isinstance(error, SdkError):
        document = _document(error)
        code = of_error(error)
        head = f"refused ({error.code})" if isinstance(error, Refused) else "error"
        advice = hint(error, session)
        text = harmless(str(error)) + (f"\n{advice}" if advice else "")
    else:
        raise error
    if session.json:
        session.data({"error": document})
    _complain(session.err, head, text)
    return int(code)


def _console(stream: TextIO) -> Console:
    from rich.console import Console  # noqa: PLC0415 - help must not wait for it

    terminal = stream.isatty()
    # No markup: what services and people wrote stands there as it is, brackets and all.
    return Console(
        file=stream if terminal else cast("IO[str]", Trimmed(stream)),
        width=None if terminal else _WIDE,
        highlight=False,
        markup=False,
        emoji=False,
    )


class Trimmed:
    """A stream that loses the blanks at the ends of lines: tables fill theirs up to the margin."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write whole lines, as consoles do."""
        return self._stream.write(re.sub(r" +(?=\n|$)", "", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


async def _finished(action: Awaitable[int | None]) -> int | None:
    return await action


def _complain(console: Console, head: str, text: str) -> None:
    from rich.text import Text  # noqa: PLC0415 - the same

    console.print(Text(f"{head}: ", style="bold red") + Text(text, style="not bold"))


def _document(error: SdkError) -> dict[str, Any]:
    document: dict[str, Any] = {
        "code": error.code,
        "message": str(error),
        "retryable": error.retryable,
    }
    for name in ("field", "task"):
        if getattr(error, name, None) is not None:
            document[name] = getattr(error, name)
    return document


def _plain(value: object) -> object:
    match value:
        case UUID() | Path():
            return str(value)
        case datetime():
            return value.isoformat()
        case bytes():
            try:
                return json.loads(value)
            except ValueError:
                return value.hex()
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")
