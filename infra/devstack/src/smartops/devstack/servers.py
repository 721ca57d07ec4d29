"""The two real servers of the embedded stack."""

from smartops.devstack.cluster import SUPERUSER
from smartops.devstack.errors import ServerReloadError, ServerStartError
from smartops.devstack.identity import Way
from smartops.devstack.nats import DEFAULT_NATS_CONFIG, NatsServer
from smartops.devstack.postgres import DATABASE, DEFAULT_SETTINGS, PostgresServer

__all__ = [
    "DATABASE",
    "DEFAULT_NATS_CONFIG",
    "DEFAULT_SETTINGS",
    "SUPERUSER",
    "NatsServer",
    "PostgresServer",
    "ServerReloadError",
    "ServerStartError",
    "Way",
]
