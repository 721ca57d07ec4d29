"""Structured logs: one record per line, typed fields, no payloads.

Services log with the standard library and give fields by `extra`:

    log.info("plan refused", extra={"task": task, "rule": rule})

Reserved names of a JSON record are `time`, `level`, `service`, `logger`, `message`, `trace_id`,
`exception`, `withheld` and `lost`; a field of the same name gets a trailing underscore.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, TextIO

from smartops.telemetry.errors import BadSetting
from smartops.telemetry.guard import Guard
from smartops.telemetry.log_lines import LineHandler, json_line, text_line

__all__ = ["LogSetup", "configure_logs"]

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

CHATTY: Final = ("uvicorn", "asyncio", "opentelemetry", "httpx2")
"""Libraries whose INFO tells nothing of our work: they are heard from WARNING on."""

_log = logging.getLogger(__name__)


class LogSetup:
    """What `configure_logs` has put in place; `close` puts back what was there before."""

    def __init__(self, handler: logging.Handler, level: str) -> None:
        root = logging.getLogger()
        self._before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)
        self._chatty = {name: logging.getLogger(name).level for name in CHATTY}
        root.handlers[:] = [handler]
        root.setLevel(level)
        for name in CHATTY:
            logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
        logging.captureWarnings(capture=True)
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_lost_thread

    def close(self) -> None:
        """Put the former handlers, levels and hooks back."""
        root = logging.getLogger()
        root.handlers[:], level, sys.excepthook, threading.excepthook = self._before
        root.setLevel(level)
        for name, chatty_level in self._chatty.items():
            logging.getLogger(name).setLevel(chatty_level)
        logging.captureWarnings(capture=False)


def configure_logs(
    service: str,
    level: str = "INFO",
    fmt: str = "json",
    stream: TextIO | None = None,
    *,
    scrub: Callable[[str], str] | None = None,
) -> LogSetup:
    """Send all logs of this process to one stream. Called again, it replaces what it did before.

    Python warnings and uncaught exceptions go the same way, so that no bare traceback (which may
    quote the values of settings) breaks the stream.

    Args:
        service: stands in every record.
        level: least level written, in any case.
        fmt: `json` or `text`.
        stream: stderr unless given.
        scrub: replaces sensitive parts of each text; see the redaction library.

    Raises:
        BadSetting: no such level or format.
    """
    if level.upper() not in LEVELS:
        raise BadSetting("log_level", level, " or ".join(LEVELS))
    if fmt not in ("json", "text"):
        raise BadSetting("log_format", fmt, "'json' or 'text'")
    layout = json_line if fmt == "json" else text_line
    return LogSetup(LineHandler(service, Guard(scrub), layout, stream), level.upper())


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    _log.critical("the process ends by an uncaught error", exc_info=(kind, error, trace))


def _log_lost_thread(lost: threading.ExceptHookArgs) -> None:
    name = "unknown" if lost.thread is None else lost.thread.name
    _log.error(
        "a thread ended by an uncaught error", extra={"ended": name}, exc_info=lost.exc_value
    )
