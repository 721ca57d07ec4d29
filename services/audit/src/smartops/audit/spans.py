"""Audit's part in the trace of a task: each batch that verifies and projects some of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from smartops.contracts.envelope import read_hint
from smartops.contracts.errors import ContractError
from smartops.eventstore.rows import StoredRow
from smartops.telemetry.attributes import TASK, TENANT
from smartops.telemetry.tracing import Tracer

__all__ = ["projecting"]

NAME = "audit.project"


@contextmanager
def projecting(tracer: Tracer, rows: Sequence[StoredRow]) -> Iterator[None]:
    """Spans around the projecting of a batch, one per task in it; none if nobody records.

    Each goes on from the first event of its task in the batch that carries a context.
    """
    if not tracer.recording:
        yield
        return
    with ExitStack() as spans:
        for row, traceparent in _firsts(rows):
            about = {TENANT: row.tenant, TASK: row.task, "smartops.position": row.position}
            spans.enter_context(tracer.span(NAME, "consumer", traceparent, about, phase="verify"))
        yield


def _firsts(rows: Sequence[StoredRow]) -> Iterator[tuple[StoredRow, str]]:
    seen: set[object] = {None}
    for row in rows:
        if row.task in seen:
            continue
        with suppress(ContractError):
            traceparent = read_hint(row.state).traceparent
            if traceparent is not None:
                seen.add(row.task)
                yield row, traceparent
