"""The operations of the API, and which path and method ask for which."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from smartops.playground.errors import MethodNotAllowed, NotFound

__all__ = ["BACKUPS", "CLUSTERS", "CONFIG", "WRITES", "Operation", "Place", "locate"]


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
    GET_BACKUP = "get_backup"
    RUN_BACKUP = "run_backup"
    DELETE_BACKUP = "delete_backup"
    GET_CONFIG = "get_config"
    SET_CONFIG = "set_config"
    RESTORE_CONFIG = "restore_config"
    GET_CLUSTER = "get_cluster"
    SIMULATE_FAILOVER = "simulate_failover"
    FAIL_OVER = "fail_over"


CONFIG = frozenset({Operation.GET_CONFIG, Operation.SET_CONFIG, Operation.RESTORE_CONFIG})
CLUSTERS = frozenset({Operation.GET_CLUSTER, Operation.SIMULATE_FAILOVER, Operation.FAIL_OVER})
BACKUPS = frozenset({Operation.GET_BACKUP, Operation.RUN_BACKUP, Operation.DELETE_BACKUP})

WRITES = frozenset(
    {
        Operation.SET_VERSION,
        Operation.RESTART,
        Operation.DRAIN,
        Operation.UNDRAIN,
        Operation.RUN_BACKUP,
        Operation.DELETE_BACKUP,
        Operation.SET_CONFIG,
        Operation.RESTORE_CONFIG,
        Operation.FAIL_OVER,
    },
)


class Place(NamedTuple):
    """What stands at a path: an operation per method, and what is meant."""

    methods: dict[str, Operation]
    server: str | None
    """The server, or the setting or cluster; all of them may be the target of a fault."""
    label: str | None = None
    """Of a server's backup."""

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
    "backups": {"POST": Operation.RUN_BACKUP},
}
_BACKUP = {"GET": Operation.GET_BACKUP, "DELETE": Operation.DELETE_BACKUP}
_SETTING = {"GET": Operation.GET_CONFIG, "PUT": Operation.SET_CONFIG}
_RESTORE = {"POST": Operation.RESTORE_CONFIG}
_CLUSTER = {"GET": Operation.GET_CLUSTER}
_FAILOVER = {"GET": Operation.SIMULATE_FAILOVER, "POST": Operation.FAIL_OVER}
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
        case ["", "v1", "servers", server, "backups", label] if server and label:
            return Place(_BACKUP, server, label)
        case ["", "servers", server, "health"] if server:
            return Place(_HEALTH, server)
        case ["", "v1", "config", key] if key:
            return Place(_SETTING, key)
        case ["", "v1", "config", key, "restore"] if key:
            return Place(_RESTORE, key)
        case ["", "v1", "clusters", cluster] if cluster:
            return Place(_CLUSTER, cluster)
        case ["", "v1", "clusters", cluster, "failover"] if cluster:
            return Place(_FAILOVER, cluster)
        case _:
            return Place({}, None)
