"""Real OpenTelemetry spans. Imported only when a setting sends them somewhere."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from contextvars import Token
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from smartops.telemetry.attributes import CANCELLED, ERROR_TYPE, PHASE, Phase
from smartops.telemetry.errors import ExporterMissing
from smartops.telemetry.guard import Guard
from smartops.telemetry.span_lines import SpanLines, append_to
from smartops.telemetry.traceparent import (
    CURRENT,
    TraceContext,
    format_traceparent,
    parse_traceparent,
)
from smartops.telemetry.tracing import NO_FIELDS, Fields, Kind, Link, Span, Tracer, leave
from typing_extensions import override

__all__ = ["RecordingTracer", "record_to"]

OTLP_PACKAGE: Final = "opentelemetry-exporter-otlp-proto-http"

STOP_LIMIT: Final = timedelta(seconds=5)
"""How long stopping waits for the last spans: a collector that is gone must not hold up an exit."""

_log = logging.getLogger(__name__)

_KINDS: Final[Mapping[Kind, otel.SpanKind]] = {
    "internal": otel.SpanKind.INTERNAL,
    "server": otel.SpanKind.SERVER,
    "client": otel.SpanKind.CLIENT,
    "producer": otel.SpanKind.PRODUCER,
    "consumer": otel.SpanKind.CONSUMER,
}


class RecordingTracer(Tracer):
    """Records spans and sends them in batches from a thread of its own.

    Sampling follows the standard OTEL_TRACES_SAMPLER variables; without them, all is recorded but
    what the caller says is not sampled.
    """

    recording = True

    def __init__(self, service: str, exporter: SpanExporter, guard: Guard | None = None) -> None:
        resource = Resource.create({"service.namespace": "smartops", "service.name": service})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("smartops.telemetry")
        self._guard = guard or Guard()

    @override
    def span(
        self,
        name: str,
        kind: Kind = "internal",
        parent_traceparent: str | None = None,
        attributes: Fields = NO_FIELDS,
        *,
        phase: Phase | None = None,
        links: Iterable[Link] = (),
        new_trace: bool = False,
    ) -> AbstractContextManager[Span]:
        told = _told(self._guard, attributes)
        if phase is not None:
            told[PHASE] = phase
        parent = None if new_trace else parse_traceparent(parent_traceparent)
        around: Context | None = None  # None: whatever runs now.
        if new_trace:
            around = Context()
        elif parent is not None:
            around = otel.set_span_in_context(otel.NonRecordingSpan(_remote(parent)))
        span = self._tracer.start_span(
            name,
            around,
            _KINDS[kind],
            told,
            [otel.Link(_remote(one.context), _told(self._guard, one.attributes)) for one in links],
            record_exception=False,
            set_status_on_exception=False,
        )
        return _RecordedSpan(span, self._guard)

    @override
    async def stop(self) -> None:
        # A daemon thread and not the loop's executor: that would be waited for without limit.
        last = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        last.start()
        await asyncio.to_thread(last.join, STOP_LIMIT.total_seconds())
        if last.is_alive():
            _log.warning("the last spans could not be sent in time: they are lost")


class _RecordedSpan:
    """Ends with its block, and says how that ended by a code: messages may quote data."""

    def __init__(self, span: otel.Span, guard: Guard) -> None:
        self._span = span
        self._guard = guard
        known = span.get_span_context()
        self.traceparent = format_traceparent(
            TraceContext(
                otel.format_trace_id(known.trace_id),
                otel.format_span_id(known.span_id),
                known.trace_flags,
            )
        )

    @property
    def recording(self) -> bool:
        return self._span.is_recording()

    def set(self, attributes: Fields) -> None:
        self._span.set_attributes(_told(self._guard, attributes))

    def fail(self, code: str) -> None:
        self._span.set_attribute(ERROR_TYPE, code)
        self._span.set_status(otel.StatusCode.ERROR, code)

    def __enter__(self) -> Span:
        self._around = otel_context.attach(otel.set_span_in_context(self._span))
        self._token: Token[str | None] = CURRENT.set(self.traceparent)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._span.set_attribute(CANCELLED, value=True)
        elif error is not None:
            self.fail(str(getattr(error, "code", type(error).__qualname__)))
        leave(self._token)
        otel_context.detach(self._around)
        self._span.end()


def record_to(service: str, traces: str) -> RecordingTracer:
    """A tracer that records to where a valid setting says; see `start_tracer`.

    Raises:
        ExporterMissing: spans shall go to a collector, but no exporter is installed.
        OSError: the file cannot be opened.
    """
    target, _, path = traces.partition(":")
    match target:
        case "file":
            return RecordingTracer(service, append_to(Path(path).expanduser()))
        case "console":
            return RecordingTracer(service, SpanLines(_to_stdout, lambda: None))
        case _:
            return RecordingTracer(service, _collector(traces))


def _to_stdout(lines: bytes) -> None:
    sys.stdout.write(lines.decode("ascii"))
    sys.stdout.flush()


def _collector(traces: str) -> SpanExporter:
    try:
        package = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError as error:
        raise ExporterMissing(traces, OTLP_PACKAGE) from error
    exporter: SpanExporter = package.OTLPSpanExporter()
    return exporter


def _remote(context: TraceContext) -> otel.SpanContext:
    return otel.SpanContext(
        int(context.trace_id, 16),
        int(context.span_id, 16),
        is_remote=True,
        trace_flags=otel.TraceFlags(context.flags),
    )


def _told(guard: Guard, fields: Fields) -> dict[str, Any]:
    told, withheld = guard.fields(fields)
    shown: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    if withheld:
        shown["smartops.withheld"] = withheld
    return shown
