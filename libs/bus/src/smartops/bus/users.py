"""Who may say and hear what on the bus, as data: each user with the least it needs.

Acknowledgements are allowed by naming `$JS.ACK.<stream>.<durable>.>` of one's own durables, not
by `allow_responses`. Both keep others from forging them. But a right to respond is bound to one
connection and a time: after a reconnect, or a pause longer than its limit, acks would be refused
and the work done again; it also makes the server remember every delivery, and it overrides denied
subjects. The form of ack subjects is pinned in the server's configuration, since these
permissions depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from smartops.bus.api import API
from smartops.bus.specs import ConsumerSpec, Topology
from smartops.bus.topology import DLQ_STREAM, EVENTS_STREAM, build_topology
from smartops.contracts.catalogue import SERVICES, topics_of
from smartops.contracts.subjects import Subjects

__all__ = [
    "BusUser",
    "inbox_prefix",
    "monitor_user",
    "person_user",
    "provisioner_user",
    "service_publishes",
    "service_user",
    "service_users",
]

PROVISIONER = "provisioner"
MONITOR = "monitor"

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_PRINCIPAL = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class BusUser:
    """A user of the server. What is not listed is refused."""

    name: str
    key: str
    """Public NKEY, `U...`."""
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no user name (a-z, 0-9, _ and -)")


def inbox_prefix(name: str) -> str:
    """Below which a user hears answers. Its own, or it could read those meant for others."""
    return f"_INBOX_{name}"


def service_user(
    name: str,
    key: str,
    *,
    publishes: Iterable[str],
    durables: Sequence[ConsumerSpec],
    parks: Iterable[str],
) -> BusUser:
    """A service: says its own topics, pulls its own durables, and nothing else.

    Args:
        name: of the service.
        key: public NKEY.
        publishes: subjects of its topics; wildcards for tenant, version and ids.
        durables: the consumers it pulls and acknowledges.
        parks: subjects on which it tells of messages that it gave up.
    """
    own = [(spec.stream, spec.durable) for spec in durables]
    return BusUser(
        name,
        key,
        publish=(
            *publishes,
            *parks,
            *(f"{API}.CONSUMER.MSG.NEXT.{stream}.{durable}" for stream, durable in own),
            *(f"{API}.CONSUMER.INFO.{stream}.{durable}" for stream, durable in own),
            *(f"$JS.ACK.{stream}.{durable}.>" for stream, durable in own),
            f"{API}.STREAM.INFO.{EVENTS_STREAM}",
        ),
        subscribe=(f"{inbox_prefix(name)}.>",),
    )


def person_user(
    name: str, key: str, *, tenant: str, principal: str, subjects: Subjects | None = None
) -> BusUser:
    """A person: commands in its own name and tenant, and hears that tenant's events.

    Args:
        name: of the credential, for logs and the inbox.
        key: public NKEY.
        tenant: the only one it acts in.
        principal: who it is, as one subject token.
        subjects: below which prefix; None: the usual one.

    Raises:
        ValueError: tenant or principal is no single plain token. A wildcard there would make
            one person all persons.
    """
    if not _PRINCIPAL.fullmatch(principal) or not _PRINCIPAL.fullmatch(tenant):
        raise ValueError(f"{tenant!r} or {principal!r} is not a plain subject token")
    subjects = subjects or Subjects()
    return BusUser(
        name,
        key,
        publish=(subjects.commands_of(tenant, principal),),
        subscribe=(f"{inbox_prefix(name)}.>", subjects.tenant_events(tenant)),
    )


def provisioner_user(key: str, topology: Topology) -> BusUser:
    """Creates and updates the declared streams and durables; deletes and reads nothing."""
    return BusUser(
        PROVISIONER,
        key,
        publish=(
            f"{API}.INFO",
            f"{API}.STREAM.NAMES",
            *(
                f"{API}.STREAM.{verb}.{spec.name}"
                for spec in topology.streams
                for verb in ("INFO", "CREATE", "UPDATE")
            ),
            *(f"{API}.CONSUMER.NAMES.{spec.name}" for spec in topology.streams),
            *(
                f"{API}.CONSUMER.{verb}.{spec.stream}.{spec.durable}"
                for spec in topology.consumers
                for verb in ("INFO", "CREATE")
            ),
        ),
        subscribe=(f"{inbox_prefix(PROVISIONER)}.>",),
    )


def monitor_user(key: str) -> BusUser:
    """Reads the state of streams and consumers, for dashboards; no message is readable."""
    return BusUser(
        MONITOR,
        key,
        publish=(
            f"{API}.INFO",
            f"{API}.STREAM.NAMES",
            f"{API}.STREAM.INFO.*",
            f"{API}.CONSUMER.NAMES.*",
            f"{API}.CONSUMER.INFO.*.*",
        ),
        subscribe=(f"{inbox_prefix(MONITOR)}.>",),
    )


def service_publishes(service: str, subjects: Subjects) -> tuple[str, ...]:
    """The subjects of all topics that the catalogue lets a service say."""
    return tuple(subjects.event_filter(topic) for topic in topics_of(service))


def service_users(
    keys: dict[str, str], *, subjects: Subjects | None = None, topology: Topology | None = None
) -> tuple[BusUser, ...]:
    """The users of all services, as the catalogue wants them.

    Args:
        keys: public NKEY of each service by name.
        subjects: below which prefix; None: the usual one.
        topology: None: built from the catalogue.

    Raises:
        KeyError: a service has no key.
    """
    subjects = subjects or Subjects()
    topology = topology or build_topology(subjects)
    assert DLQ_STREAM in {spec.name for spec in topology.streams}
    return tuple(
        service_user(
            service,
            keys[service],
            publishes=service_publishes(service, subjects),
            durables=topology.of_service(service),
            parks=[
                subjects.parked(spec.stream, spec.durable) for spec in topology.of_service(service)
            ],
        )
        for service in SERVICES
    )
