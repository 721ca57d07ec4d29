"""The W3C trace context: the one string by which a trace crosses events, commands and tool calls.

Read by https://www.w3.org/TR/trace-context-2/: what is malformed is ignored, which starts a new
trace; a version newer than ours is read as far as we know it and written as ours.
"""

from __future__ import annotations

import os
import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

__all__ = [
    "CURRENT",
    "TraceContext",
    "current_trace_id",
    "current_traceparent",
    "format_traceparent",
    "new_traceparent",
    "normal_traceparent",
    "parse_traceparent",
]

SAMPLED: Final = 0x01
"""Flag: the caller may have recorded its part of the trace."""

KNOWN_FLAGS: Final = 0x03
"""Sampled and random-trace-id; a sender must clear all others."""

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_OURS = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]")
"""What we would write ourselves, so need not read and write again."""
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16
_LENGTH_LIMIT: Final = 512

CURRENT: Final[ContextVar[str | None]] = ContextVar("smartops_traceparent", default=None)
"""The traceparent of the span around the running code. Written by the tracers only."""


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Who called: a trace, a span of it, and whether that was recorded."""

    trace_id: str
    """32 hex digits, not all zero."""

    span_id: str
    """16 hex digits, not all zero."""

    flags: int = SAMPLED

    @property
    def sampled(self) -> bool:
        """Whether the caller may have recorded its part."""
        return bool(self.flags & SAMPLED)


def parse_traceparent(text: str | None) -> TraceContext | None:
    """Read a traceparent; None when there is none that can be believed."""
    if text is None or len(text) > _LENGTH_LIMIT:
        return None
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    if version == "00" and rest is not None:
        return None
    return TraceContext(trace_id, span_id, int(flags, 16) & KNOWN_FLAGS)


def format_traceparent(context: TraceContext) -> str:
    """Write a traceparent, in version 00."""
    return f"00-{context.trace_id}-{context.span_id}-{context.flags & KNOWN_FLAGS:02x}"


def normal_traceparent(text: str | None) -> str | None:
    """The same context in the form that we write; None when there is none that can be believed."""
    if text is not None and _OURS.fullmatch(text) is not None:
        return text
    context = parse_traceparent(text)
    return None if context is None else format_traceparent(context)


def new_traceparent() -> str:
    """Begin a trace where nobody records.

    It is marked as sampled, so that a recorder further on (another service, the system that a tool
    operates on) keeps its part: an operation on production is rare and worth a trace.
    """
    digits = os.urandom(24).hex()
    return f"00-{digits[:32]}-{digits[32:]}-01"


def current_traceparent() -> str | None:
    """The traceparent to put into an event or a request made now; None outside of any span."""
    return CURRENT.get()


def current_trace_id() -> str | None:
    """The id that joins a log record to its trace; None outside of any span."""
    current = CURRENT.get()
    return None if current is None else current[3:35]
