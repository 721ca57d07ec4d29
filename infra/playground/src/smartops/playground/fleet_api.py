"""The fleet's own API: each request is checked first and carried out later.

Between the two the fault switches act, so that a request that hangs or fails is one that would
otherwise have been carried out.
"""

from __future__ import annotations

from smartops.playground.backup_api import prepare_backup
from smartops.playground.changes import DrainSet, Restarted, VersionSet
from smartops.playground.cluster_api import prepare_cluster
from smartops.playground.config_api import prepare_config
from smartops.playground.errors import NotFound
from smartops.playground.http import Act, Answer, Request, json_answer
from smartops.playground.operations import BACKUPS, CLUSTERS, CONFIG, WRITES, Operation, Place
from smartops.playground.parsing import fields_of, idempotency_key, query_of
from smartops.playground.spec import Server
from smartops.playground.traffic import metrics_page
from smartops.playground.world import World

__all__ = ["ERROR_RATE_WINDOW_S", "prepare"]

ERROR_RATE_WINDOW_S = 60
"""The window that an error rate is said to be about.

Nominal: the simulated rate is the one of this moment, so that a check need not wait for it.
"""


def prepare(world: World, request: Request, operation: Operation, place: Place, n: int) -> Act:
    """Check the request and return what carries it out.

    Args:
        world: What the request is about.
        request: The request as it arrived.
        operation: What it asks for.
        place: What its path names.
        n: Its number in the record; 0 for a read that is not recorded.

    Raises:
        Problem: It cannot be carried out as it is.
    """
    server_id = place.server
    if server_id is None:
        return _prepare_fleet_wide(world, request, operation)
    if operation in CONFIG:
        return prepare_config(world, request, operation, server_id, n)
    if operation in CLUSTERS:
        return prepare_cluster(world, request, operation, server_id, n)
    server = world.fleet.servers.get(server_id)
    if server is None:
        raise NotFound(f"There is no server {server_id!r}.", field="server")
    if operation in BACKUPS:
        return prepare_backup(world, request, operation, server.id, place.label, n)
    if operation in WRITES:
        return _prepare_write(world, request, operation, server.id, n)
    query_of(request, ())
    # By id: a reset makes new servers while a request waits.
    return lambda: _read(world, operation, world.fleet.servers[server_id])


def _prepare_fleet_wide(world: World, request: Request, operation: Operation) -> Act:
    match operation:
        case Operation.LIST_SERVERS:
            return _prepare_list(world, request)
        case Operation.GET_GOLDEN:
            return _prepare_golden(world, request)
        case _:
            query_of(request, ())
            return lambda: _metrics(world)


def _prepare_list(world: World, request: Request) -> Act:
    query = query_of(request, ("role", "environment", "ids"))
    ids = query["ids"].split(",") if "ids" in query else None
    for server_id in ids or ():
        if server_id not in world.fleet.servers:
            raise NotFound(f"There is no server {server_id!r}.", field="ids")

    def act() -> Answer:
        found = world.fleet.find(
            role=query.get("role"), environment=query.get("environment"), ids=ids
        )
        return json_answer({"servers": [world.fleet.view(server) for server in found]})

    return act


def _prepare_golden(world: World, request: Request) -> Act:
    query = query_of(request, ("role", "platform"))
    if "role" not in query:
        raise NotFound("Name a role, as in ?role=web-server.", field="role")

    def act() -> Answer:
        version = world.fleet.golden_version(query["role"], query.get("platform"))
        if version is None:
            raise NotFound(f"There is no role {query['role']!r}.", field="role")
        return json_answer({**query, "version": version})

    return act


def _prepare_write(
    world: World, request: Request, operation: Operation, server: str, n: int
) -> Act:
    query_of(request, ())
    match operation:
        case Operation.SET_VERSION:
            key = idempotency_key(request.headers)
            version = fields_of(request, ("version",)).version("version")
            return lambda: json_answer(world.write(VersionSet(n, server, version, key)))
        case Operation.RESTART:
            fields_of(request, ("reason",)).text("reason")
            return lambda: json_answer(world.write(Restarted(n, server)))
        case _:
            key = idempotency_key(request.headers)
            fields_of(request, ())
            draining = operation is Operation.DRAIN
            return lambda: json_answer(world.write(DrainSet(n, server, draining, key)))


def _read(world: World, operation: Operation, server: Server) -> Answer:
    fleet = world.fleet
    match operation:
        case Operation.GET_SERVER:
            return json_answer(fleet.view(server))
        case Operation.GET_ERROR_RATE:
            return json_answer(
                {"error_rate": fleet.error_rate(server), "window_s": ERROR_RATE_WINDOW_S}
            )
        case _:
            if fleet.healthy(server):
                return json_answer({"status": "ok"})
            return json_answer({"status": "unhealthy"}, status=503)


def _metrics(world: World) -> Answer:
    page = metrics_page(world.fleet, world.traffic, world.uptime())
    return Answer(200, page.encode(), b"text/plain; version=0.0.4; charset=utf-8")
