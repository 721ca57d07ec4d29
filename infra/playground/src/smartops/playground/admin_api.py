"""The switches: faults, golden versions, reset, and a look at everything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import TypeVar

from smartops.playground.changes import FaultsCleared, FaultSet, FleetReset, GoldenSet
from smartops.playground.errors import (
    InvalidField,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
)
from smartops.playground.faults import CONDITIONS, Fault, Mode
from smartops.playground.http import Answer, Request, json_answer
from smartops.playground.operations import WRITES, Operation
from smartops.playground.parsing import Fields, fields_of, query_of
from smartops.playground.world import World

__all__ = ["ADMIN_ROOT", "administer"]

ADMIN_ROOT = "/admin/"
"""Where the switches begin; requests below it are never recorded."""

MAX_DELAY_MS = 600_000
"""Longest delay that a switch can add to a request."""

_LONGEST_NUMBER = 18
_PIECE_BYTES = 64 * 1024

Choice = TypeVar("Choice", bound=StrEnum)

_COUNTED = frozenset({Mode.DELAY, Mode.APPLY_THEN_DROP, Mode.HANG, Mode.REFUSE})


def administer(world: World, request: Request) -> Answer:
    """Answer a request below `ADMIN_ROOT`.

    Raises:
        Problem: It cannot be carried out as it is.
    """
    methods = _PAGES.get(request.path.removeprefix(ADMIN_ROOT))
    if methods is None:
        raise NotFound("There is nothing at this path.")
    if request.method not in methods:
        raise MethodNotAllowed(request.method, tuple(methods))
    return methods[request.method](world, request)


def _fleet(world: World, request: Request) -> Answer:
    query_of(request, ())
    fleet = world.fleet
    return json_answer(
        {
            "environment": fleet.spec.environment,
            "servers": [fleet.view(server) for server in fleet.servers.values()],
            "golden": [
                {"role": role, "platform": platform, "version": version}
                for (role, platform), version in fleet.golden.items()
            ],
            "settings": [setting.view() for setting in fleet.settings.values()],
            "clusters": [cluster.view(fleet.passes) for cluster in fleet.clusters.values()],
            "backups": [backup.view(world.clock()) for backup in fleet.backups.all()],
            "faults": [fault.to_json() for fault in fleet.faults.all()],
            "keys": len(fleet.keys),
            "resets": fleet.resets,
            "last_request": world.record.last,
        }
    )


def _list_faults(world: World, request: Request) -> Answer:
    query_of(request, ())
    return json_answer({"faults": [fault.to_json() for fault in world.fleet.faults.all()]})


def _set_fault(world: World, request: Request) -> Answer:
    query_of(request, ())
    known = ("mode", "server", "operation", "value", "times")
    fault = _fault(world, fields_of(request, known))
    replaced = world.fleet.faults.replaced_by(fault)
    world.commit(FaultSet(fault))
    world.holds.release(replaced)
    return json_answer(fault.to_json(), status=201)


def _clear_faults(world: World, request: Request) -> Answer:
    wanted = query_of(request, ("id",)).get("id")
    ids = tuple(fault.id for fault in world.fleet.faults.all() if wanted in (None, fault.id))
    if wanted is not None and not ids:
        raise NotFound(f"There is no switch {wanted!r}.", field="id")
    if ids:
        world.commit(FaultsCleared(ids))
        world.holds.release(ids)
    return json_answer({"cleared": ids})


def _reset(world: World, request: Request) -> Answer:
    query_of(request, ())
    fields_of(request, ())
    world.commit(FleetReset())
    world.holds.drop_all()
    return json_answer({"resets": world.fleet.resets, "last_request": world.record.last})


def _set_golden(world: World, request: Request) -> Answer:
    query_of(request, ())
    fields = fields_of(request, ("role", "platform", "version"))
    role, version = fields.text("role"), fields.version("version")
    platform = fields.text("platform") if fields.has("platform") else None
    servers = world.fleet.servers.values()
    if all(server.role != role for server in servers):
        raise InvalidField("role", "is the role of no server")
    if platform is not None and all(server.platform != platform for server in servers):
        raise InvalidField("platform", "is the platform of no server")
    world.commit(GoldenSet(role, platform, version))
    return json_answer({"role": role, "platform": platform, "version": version})


def _record(world: World, request: Request) -> Answer:
    since = query_of(request, ("since",)).get("since", "0")
    if not since.isdecimal() or not since.isascii() or len(since) > _LONGEST_NUMBER:
        raise MalformedRequest("Give 'since' the number of a request.", field="since")
    return Answer(200, _pieces(world.record.lines(int(since))), b"application/jsonl")


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    # One send per line would cost more than reading it.
    piece = bytearray()
    for line in lines:
        piece += line + b"\n"
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def _fault(world: World, fields: Fields) -> Fault:
    mode = _one_of(Mode, "mode", fields)
    server = fields.text("server") if fields.has("server") else None
    if server is not None and not world.fleet.knows(server):
        raise InvalidField("server", "is no server of this fleet, no setting and no cluster")
    operation = _one_of(Operation, "operation", fields) if fields.has("operation") else None
    if mode in CONDITIONS:
        fields.absent("operation", f"has no meaning for {mode}, a state of the whole server")
    if mode is Mode.APPLY_THEN_DROP and operation is not None and operation not in WRITES:
        raise InvalidField("operation", "must be a write: a read applies nothing")
    value, left = _quantities(mode, fields)
    baseline = {}
    if mode is Mode.UNHEALTHY_AFTER_CHANGE:
        baseline = {
            found.id: found.version
            for found in world.fleet.servers.values()
            if server in (None, found.id)
        }
    return Fault(
        id=f"fault-{world.fleet.last_fault + 1}",
        mode=mode,
        server=server,
        operation=operation,
        value=value,
        left=left,
        baseline=baseline,
    )


def _quantities(mode: Mode, fields: Fields) -> tuple[float | None, int | None]:
    value: float | None = None
    left: int | None = None
    match mode:
        case Mode.ERROR_RATE:
            value = fields.number("value", most=1.0)
        case Mode.DELAY | Mode.LATENCY:
            value = fields.number("value", most=MAX_DELAY_MS)
        case Mode.FAIL_NEXT:
            value = left = fields.count("value")
        case _:
            fields.absent("value", f"has no meaning for {mode}")
    if mode not in _COUNTED:
        fields.absent("times", f"has no meaning for {mode}")
    elif fields.has("times"):
        left = fields.count("times")
    return value, left


def _one_of(kind: type[Choice], name: str, fields: Fields) -> Choice:
    try:
        return kind(fields.text(name))
    except ValueError as error:
        raise InvalidField(name, f"must be one of {', '.join(kind)}") from error


_PAGES: dict[str, dict[str, Callable[[World, Request], Answer]]] = {
    "fleet": {"GET": _fleet},
    "faults": {"GET": _list_faults, "POST": _set_fault, "DELETE": _clear_faults},
    "reset": {"POST": _reset},
    "golden": {"PUT": _set_golden},
    "record": {"GET": _record},
}
