"""What earlier steps of a run brought out, for the code of a later one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from pydantic import JsonValue
from smartops.contracts.events import TaskComputationEnded
from smartops.contracts.folds import CallStatus
from smartops.contracts.streams import parse_stream, stream
from smartops.contracts.wire import Purpose
from smartops.runner.state import Run
from smartops.runtime.reactor import decode
from smartops.runtime.service import Service

__all__ = ["outputs_of"]

_ENDED = TaskComputationEnded.type_key()


async def outputs_of(
    service: Service, name: str, run: Run, wanted: Collection[str]
) -> Mapping[str, JsonValue]:
    """The outputs of steps, by id.

    Args:
        service: reads the log.
        name: the run's stream.
        run: its state.
        wanted: ids of steps. One that was not applied is left out.
    """
    if not wanted:
        return {}
    found: dict[str, JsonValue] = {}
    for row in await service.store.read_stream(name):
        if row.topic == _ENDED:
            ended = decode(row)
            if isinstance(ended, TaskComputationEnded) and ended.ok and ended.question in wanted:
                found[ended.question] = ended.output
    tenant = parse_stream(name).tenant
    for step in wanted:
        call = _applied(run, step)
        if step not in found and call is not None:
            view = (await service.views.call.load(stream(tenant, "call", call), fresh=True)).state
            if view.status in (CallStatus.SUCCEEDED, CallStatus.APPLIED):
                found[step] = await service.views.output(tenant, view)
    return found


def _applied(run: Run, step: str) -> UUID | None:
    """The call by which a step was applied."""
    for call in run.applied:
        request = run.requests[call]
        if request.question == step and request.purpose is Purpose.DO:
            return call
    return None
