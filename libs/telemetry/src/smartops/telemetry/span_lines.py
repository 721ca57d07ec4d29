"""Spans as JSON lines: a trace to read with `jq`, without any collector.

Several processes may write the same file: a batch is appended by one write, so lines stay whole.
The file grows for as long as traces are on; it is meant for an afternoon's look.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from typing_extensions import override

__all__ = ["SpanLines", "append_to"]

_encoder: Final = json.JSONEncoder(separators=(",", ":"), default=str)


class SpanLines(SpanExporter):
    """Writes each span as one JSON object on one line."""

    def __init__(self, write: Callable[[bytes], object], close: Callable[[], object]) -> None:
        self._write = write
        self._close = close

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._write(b"".join(_line(span) for span in spans))
        return SpanExportResult.SUCCESS

    @override
    def shutdown(self) -> None:
        self._close()


def append_to(path: Path) -> SpanLines:
    """Append spans to a file, which is made with its directory if need be.

    Raises:
        OSError: it cannot be opened for appending.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return SpanLines(partial(_write_all, file), partial(os.close, file))


def _write_all(file: int, lines: bytes) -> None:
    while lines:
        lines = lines[os.write(file, lines) :]


def _line(span: ReadableSpan) -> bytes:
    context = span.context
    assert context is not None, "a span that ended has a context"
    assert span.start_time is not None, "a span that ended has begun"
    assert span.end_time is not None, "a span that ended has an end"
    shown: dict[str, Any] = {
        "time": _instant(span.start_time),
        "duration_ms": round((span.end_time - span.start_time) / 1e6, 3),
        "service": span.resource.attributes.get("service.name"),
        "name": span.name,
        "kind": span.kind.name.lower(),
        "status": span.status.status_code.name.lower(),
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "parent_id": None if span.parent is None else f"{span.parent.span_id:016x}",
        "attributes": dict(span.attributes or {}),
        "links": [
            {
                "trace_id": f"{link.context.trace_id:032x}",
                "span_id": f"{link.context.span_id:016x}",
                "attributes": dict(link.attributes or {}),
            }
            for link in span.links
        ],
    }
    return _encoder.encode(shown).encode("ascii") + b"\n"


def _instant(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"
