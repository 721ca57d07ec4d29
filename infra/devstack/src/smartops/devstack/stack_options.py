"""What a stack on one machine may differ in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from smartops.bus.users import BusUser
from smartops.contracts.catalogue import SERVICES

__all__ = ["PERSONS", "StackOptions"]

PERSONS: Mapping[str, tuple[str, ...]] = {
    "operator": ("operator", "policy-admin"),
    "approver": (
        "approver",
        "autonomy-admin",
        "break-glass",
        "policy-admin",
        "privacy",
        "senior-approver",
    ),
}
"""Local people and the roles of their actors."""


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """What a stack on one machine may differ in.

    Attributes:
        tenant: whose the local people are.
        servers: size of the playground's fleet; 0 runs none.
        drifted: how many of them are off their golden version; None: all.
        environment: the fleet's environment.
        canary_window: how long a canary is watched.
        wave_window: the same for later phases.
        sample_interval: between two health samples.
        settings: environment variables for every service, below those that the stack sets itself.
        service_env: further environment variables, per service.
        services: which services run; tests may leave some out.
        persons: credentials of local people, each with the roles of its actor. An `actors.json`
            that is there already says otherwise who is who.
        replicas: processes per service; one where it is not named.
        postgres_settings: laid over the server's own.
        postgres_launcher: as of `PostgresServer`.
        bus_users: further users of the bus.
        bus_config: from the server configuration of the bus to the one that is used.
        reach: from a service and the URL of a server to the URL under which it is told of it; for
            whoever stands between the two.
    """

    tenant: str = "acme"
    servers: int = 12
    drifted: int | None = None
    environment: str = "production"
    canary_window: timedelta = timedelta(seconds=2)
    wave_window: timedelta = timedelta(seconds=1)
    sample_interval: timedelta = timedelta(milliseconds=250)
    settings: Mapping[str, str] = field(default_factory=dict)
    service_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    services: Sequence[str] = SERVICES
    persons: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(PERSONS))
    replicas: Mapping[str, int] = field(default_factory=dict)
    postgres_settings: Mapping[str, str] = field(default_factory=dict)
    postgres_launcher: Sequence[str] = ()
    bus_users: Sequence[BusUser] = ()
    bus_config: Callable[[str], str] = lambda text: text
    reach: Callable[[str, str], str] = lambda _service, url: url
