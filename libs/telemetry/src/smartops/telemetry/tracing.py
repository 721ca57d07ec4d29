"""Spans, and the context that travels with events whether or not anybody records.

With traces off a span costs about a microsecond: it hands the caller's traceparent on unchanged, or
begins one, and puts it where `current_traceparent` and the logs find it. The chain of a task can
thus be followed in log and logs even with no collector; and once a service records, its spans hang
below the nearest caller that recorded too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from contextvars import Token
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal, Protocol, TypeAlias

from smartops.telemetry.attributes import Phase
from smartops.telemetry.errors import BadSetting
from smartops.telemetry.traceparent import (
    CURRENT,
    TraceContext,
    new_traceparent,
    normal_traceparent,
    parse_traceparent,
)
from typing_extensions import override

__all__ = ["Fields", "Kind", "Link", "QuietTracer", "Span", "Tracer", "link_from", "start_tracer"]

Kind: TypeAlias = Literal["internal", "server", "client", "producer", "consumer"]

Fields: TypeAlias = Mapping[str, object]
"""Attributes of a span: the guard of the logs decides which may be told."""

NO_FIELDS: Final[Fields] = {}


@dataclass(frozen=True, slots=True)
class Link:
    """A span that led to this one without containing it."""

    context: TraceContext
    attributes: Fields = field(default_factory=dict)


def link_from(traceparent: str | None, attributes: Fields = NO_FIELDS) -> tuple[Link, ...]:
    """Link to where a traceparent came from; empty when there is none to believe.

    For what must not be a parent: the request behind an approval that took days (a span that
    long breaks collectors: end it when asking, start anew with a link when the answer comes), and
    the first delivery of a message that is delivered again.
    """
    context = parse_traceparent(traceparent)
    return () if context is None else (Link(context, attributes),)


class Span(Protocol):
    """A piece of work while it goes on."""

    traceparent: str
    """What to put into events and requests that this work makes."""

    @property
    def recording(self) -> bool:
        """Whether anybody will read attributes: ask before computing dear ones."""

    def set(self, attributes: Fields) -> None:
        """Add attributes that became known on the way."""

    def fail(self, code: str) -> None:
        """Mark the work as failed though nothing is raised; `code` is a stable error code."""


class Tracer(ABC):
    """Makes spans. One per process, handed down from the composition root."""

    recording: bool

    @abstractmethod
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
        """A span around a `with` block; an exception that leaves the block marks it as failed.

        Args:
            name: of low cardinality: no ids. See `attributes` for ours.
            kind: the span's side in an exchange.
            parent_traceparent: the sender's, from event or request. If it is None or malformed,
                the span is a child of the running span, or begins a trace.
            attributes: payloads and secrets among them are withheld, and named.
            phase: what the work is for, as attribute `smartops.phase`.
            links: spans that led here without being the parent.
            new_trace: begin a trace, whatever runs around the block.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Send what has been recorded, for a few seconds at most."""


class QuietTracer(Tracer):
    """Records nothing and keeps the context going."""

    recording = False

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
        if new_trace:
            return _QuietSpan(new_traceparent())
        return _QuietSpan(
            normal_traceparent(parent_traceparent) or CURRENT.get() or new_traceparent()
        )

    @override
    async def stop(self) -> None:
        """Nothing was recorded."""


class _QuietSpan:
    __slots__ = ("_token", "traceparent")

    recording = False

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def __enter__(self) -> Span:
        self._token: Token[str | None] = CURRENT.set(self.traceparent)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        leave(self._token)

    def set(self, attributes: Fields) -> None:
        """Nobody reads it."""

    def fail(self, code: str) -> None:
        """Nobody reads it."""


def leave(token: Token[str | None]) -> None:
    """Make the span around the ended one the running one again."""
    try:
        CURRENT.reset(token)
    except ValueError:
        # An async generator closed by the event loop ends in another context than it began in:
        # 1. the generator enters a span, 2. its reader drops it, 3. the loop closes it from a task
        # of its own. That task never had the span, so there is nothing to take back.
        return


def start_tracer(service: str, traces: str = "off") -> Tracer:
    """The tracer that a setting asks for; see `TelemetrySettings.traces`.

    Raises:
        BadSetting: the setting means nothing.
        ExporterMissing: spans shall go to a collector, but no exporter is installed.
    """
    target, _, path = traces.partition(":")
    match target:
        case "off" | "" if not path:
            return QuietTracer()
        case "console" | "otlp" if not path:
            pass
        case "file" if path:
            pass
        case _:
            raise BadSetting("traces", traces, "'off', 'console', 'file:<path>' or 'otlp'")
    # Imported here: the SDK costs 4 MB and 60 ms, which a service without traces does not pay.
    from smartops.telemetry.recording import record_to  # noqa: PLC0415

    return record_to(service, traces)
