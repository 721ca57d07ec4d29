"""Ending an experiment from outside: by Ctrl-C, by `kill`, by a terminal that goes away."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

__all__ = ["STOP_SIGNALS", "Interrupted", "until_signalled"]

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_T = TypeVar("_T")


class Interrupted(Exception):
    """A stop signal ended it, so whatever it had found by then says nothing.

    Attributes:
        number: the first signal.
        on_the_way: what else went wrong while it ended, in a sentence; empty: nothing did.
    """

    def __init__(self, number: signal.Signals, on_the_way: str = "") -> None:
        super().__init__(f"ended by {number.name}")
        self.number = number
        self.on_the_way = on_the_way

    @property
    def status(self) -> int:
        """The exit status that shells give to a process that this signal ended."""
        return 128 + self.number


async def until_signalled(body: Coroutine[Any, Any, _T]) -> _T:
    """Await a body; a stop signal cancels it, wherever it waits.

    It then leaves its blocks as it would after an error: supervisors stop their processes, folders
    are removed. A second signal cancels what that waits for: supervisors then kill.

    This is the one place that listens. A supervisor that listened too would swallow the signal, and
    the experiment would go on behind its block, and judge what it never saw.

    Raises:
        Interrupted: a signal came, and the body did not end by itself all the same.
    """
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(body)
    heard: list[signal.Signals] = []

    def hear(number: signal.Signals) -> None:
        heard.append(number)
        running.cancel()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, hear, number)
    try:
        return await running
    except asyncio.CancelledError:
        if not heard:
            raise
        raise Interrupted(heard[0]) from None
    except Exception as error:
        if not heard:
            raise
        raise Interrupted(heard[0], f"{type(error).__name__}: {error}") from error
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
