"""The operations of the fleet's API, and which path and method ask for which."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from smartops.playground.errors import MethodNotAllowed, NotFound

__all__ = ["WRITES", "Operation", "Place", "locate"]


class Operation(StrEnum):
    """What can be asked of the fleet; fault switches name these."""

    LIST_SERVERS = "list_servers"
    GET_SERVER = "get_server"
    GET_GOLDEN = "get_golden"
    GET_ERROR_RATE = "get_error_rate"
    HEALTH = "health"
    METRICS = "metrics"
    SET_VERSION = "set_version"
    RESTART = "restart"
    DRAIN = "drain"
    UNDRAIN = "undrain"


WRITES = frozenset(
    {Operation.SET_VERSION, Operation.RESTART, Operation.DRAIN, Operation.UNDRAIN},
)


class Place(NamedTuple):
    """What stands at a path: an operation per method, and the server that is meant."""

    methods: dict[str, Operation]
    server: str | None

    def operation(self, method: str) -> Operation:
        """The operation that `method` asks for here.

        Raises:
            NotFound: Nothing stands at this path.
            MethodNotAllowed: Something does, but not for this method.
        """
        if not self.methods:
            raise NotFound("There is nothing at this path.")
        if method not in self.methods:
            raise MethodNotAllowed(method, tuple(self.methods))
        return self.methods[method]


_FLEET_WIDE = {
    "/v1/servers": {"GET": Operation.LIST_SERVERS},
    "/v1/golden": {"GET": Operation.GET_GOLDEN},
    "/metrics": {"GET": Operation.METRICS},
}
_OF_A_SERVER = {
    "version": {"PUT": Operation.SET_VERSION},
    "restart": {"POST": Operation.RESTART},
    "drain": {"POST": Operation.DRAIN},
    "undrain": {"POST": Operation.UNDRAIN},
    "error_rate": {"GET": Operation.GET_ERROR_RATE},
}
_SERVER = {"GET": Operation.GET_SERVER}
_HEALTH = {"GET": Operation.HEALTH}


def locate(path: str) -> Place:
    """What stands at `path`; a place without methods where nothing does. Never fails."""
    if path in _FLEET_WIDE:
        return Place(_FLEET_WIDE[path], None)
    match path.split("/"):
        case ["", "v1", "servers", server] if server:
            return Place(_SERVER, server)
        case ["", "v1", "servers", server, part] if server:
            return Place(_OF_A_SERVER.get(part, {}), server)
        case ["", "servers", server, "health"] if server:
            return Place(_HEALTH, server)
        case _:
            return Place({}, None)
