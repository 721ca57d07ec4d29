"""How a log record becomes one line: guarded fields first, then a layout.

A record may hold anything: arguments, fields, an exception with its chain. What is written has
passed the guard; the standard library's own error path, which prints raw arguments, is not used.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO, TypeAlias

from smartops.telemetry.failures import failure_of
from smartops.telemetry.guard import Guard
from smartops.telemetry.traceparent import current_trace_id
from typing_extensions import override

__all__ = ["Layout", "LineHandler", "json_line", "text_line"]

STACK_LIMIT: Final = 16_000
"""Characters kept of one stack."""

Layout: TypeAlias = Callable[[Mapping[str, Any]], str]
"""Makes the line of what is shown of a record."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_RESERVED: Final = frozenset(
    {"time", "level", "service", "logger", "message", "trace_id", "exception", "withheld", "lost"}
)
_encoder = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes one record per line, and never a record's raw arguments."""

    def __init__(self, service: str, guard: Guard, lay_out: Layout, stream: TextIO | None) -> None:
        super().__init__(stream)
        self._service = service
        self._guard = guard
        self._lay_out = lay_out
        self._lost = 0

    @override
    def format(self, record: logging.LogRecord) -> str:
        given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        fields, withheld = self._guard.fields(given)
        shown: dict[str, Any] = {
            "time": _instant(record.created),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": self._guard.text(_message(record, self._guard)),
        }
        for name, value in fields.items():
            shown[f"{name}_" if name in _RESERVED else name] = value
        if (trace_id := current_trace_id()) is not None:
            shown["trace_id"] = trace_id
        if record.exc_info and record.exc_info[1] is not None:
            failure = failure_of(record.exc_info[1])
            failure["message"] = self._guard.text(failure["message"])
            failure["stack"] = self._guard.text(failure["stack"], STACK_LIMIT)
            shown["exception"] = failure
        if withheld:
            shown["withheld"] = withheld
        if self._lost:
            shown["lost"] = self._lost
        return self._lay_out(shown)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.stream.write(self.format(record) + self.terminator)
            self.flush()
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - a full disk or a gone reader must not stop the work;
            self._lost += 1  # the next record that gets through tells how many did not.
        else:
            self._lost = 0


def json_line(shown: Mapping[str, Any]) -> str:
    """For collectors: compact JSON, plain ASCII, whatever the encoding of the stream."""
    return _encoder.encode(shown)


def text_line(shown: Mapping[str, Any]) -> str:
    """For people: time of day, level, service, message, fields; stacks are indented below."""
    head = f"{shown['time'][11:23]} {shown['level']:<8}{shown['service']:<13}{shown['message']}"
    fields = [
        f"{name}={value}"
        for name, value in shown.items()
        if name not in ("time", "level", "service", "message", "logger", "exception")
    ]
    line = _one_line("  ".join([head, *fields, f"({shown['logger']})"]))
    failure = shown.get("exception")
    if failure is None:
        return line
    stack = (_one_line(part) for part in failure["stack"].split("\n"))
    return "\n    ".join([line, *stack])


def _message(record: logging.LogRecord, guard: Guard) -> str:
    """The message, built without printing payloads.

    A template that does not fit its arguments is shown bare: the standard handler would print the
    arguments to stderr, whatever they are.
    """
    template = guard.argument(record.msg)
    if not record.args:
        return str(template)
    arguments: Any
    if isinstance(record.args, Mapping):
        told, withheld = guard.fields(record.args)
        arguments = told | dict.fromkeys(withheld, "<withheld>")
    else:
        arguments = tuple(guard.argument(argument) for argument in record.args)
    try:
        filled: str = str(template) % arguments
    except (TypeError, ValueError, KeyError):
        return f"{template} (arguments do not fit)"
    return filled


def _instant(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _one_line(text: str) -> str:
    """Escape what a terminal would obey: line breaks forge records, escapes colour or hide them."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )
