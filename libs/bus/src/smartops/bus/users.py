"""Who may say and hear what on the bus, as data: each user with the least it needs.

**Three accounts.** Permissions check the subject of a message, not its reply subject, and the
server answers wherever the reply subject points, with rights of its own. Within one account any
service that may ask for messages could therefore have the "no messages" status sent to
`$JS.API.STREAM.DELETE...`, which deletes the stream, or have a message of its durable sent to the
command subject of another person. So the streams live in an account of their own, and services
and people in two others, which import exactly the requests they need. An answer to an imported
request ends in the asker's account and is never imported again.

**Acknowledgements** are allowed by naming `$JS.ACK.<stream>.<durable>.>` of one's own durables,
not by `allow_responses`. Both keep others from forging them. But a right to respond is bound to
one connection and a time: after a reconnect, or a pause longer than its limit, acks would be
refused and the work done again; it also makes the server remember every delivery, and it
overrides denied subjects. The form of ack subjects is pinned in the server's configuration, since
these permissions depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from smartops.bus.api import API, SERVICE_API
from smartops.bus.specs import ConsumerSpec, Topology
from smartops.bus.topology import EVENTS_STREAM
from smartops.contracts.catalogue import COMMANDS, SERVICES, categories_of, topics_of
from smartops.contracts.subjects import Subjects

__all__ = [
    "MONITOR",
    "PROVISIONER",
    "Account",
    "BusUser",
    "inbox_prefix",
    "monitor_user",
    "person_user",
    "provisioner_user",
    "service_user",
    "service_users",
]

PROVISIONER = "provisioner"
MONITOR = "monitor"

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Account(StrEnum):
    """Where a user lives; see the top of this module."""

    STREAMS = "STREAMS"
    SERVICES = "SERVICES"
    PEOPLE = "PEOPLE"


@dataclass(frozen=True, slots=True)
class BusUser:
    """A user of the server. What is not listed is refused."""

    name: str
    key: str
    """Public NKEY, `U...`."""
    account: Account
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
    looks: bool = True,
) -> BusUser:
    """A service: says its own topics, pulls its own durables, and looks at the event stream.

    Args:
        name: of the service.
        key: public NKEY.
        publishes: subjects of its topics; wildcards for tenant, version and ids.
        durables: the consumers it pulls and acknowledges.
        parks: subjects on which it tells of messages that it gave up.
        looks: whether it may see what the event stream holds, to be compared with what it has
            published. No secret: every service may read all events from the log.
    """
    held = ("STREAM.INFO", "STREAM.MSG.GET") if looks else ()
    own = [(spec.stream, spec.durable) for spec in durables]
    return BusUser(
        name,
        key,
        Account.SERVICES,
        publish=(
            *publishes,
            *parks,
            *(f"{SERVICE_API}.CONSUMER.MSG.NEXT.{stream}.{durable}" for stream, durable in own),
            *(f"{SERVICE_API}.CONSUMER.INFO.{stream}.{durable}" for stream, durable in own),
            *(f"$JS.ACK.{stream}.{durable}.>" for stream, durable in own),
            *(f"{SERVICE_API}.{request}.{EVENTS_STREAM}" for request in held),
        ),
        subscribe=(f"{inbox_prefix(name)}.>",),
    )


def person_user(
    name: str, key: str, *, tenant: str, principal: str, subjects: Subjects | None = None
) -> BusUser:
    """A person: commands in its own name and tenant, and hears that tenant's events.

    Only commands that somebody decides: others would lie in their stream for ever, since no
    durable takes them, and enough of them would keep everybody from commanding.

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
    if not _TOKEN.fullmatch(principal) or not _TOKEN.fullmatch(tenant):
        raise ValueError(f"{tenant!r} or {principal!r} is not a plain subject token")
    subjects = subjects or Subjects()
    return BusUser(
        name,
        key,
        Account.PEOPLE,
        publish=tuple(
            subjects.command_filter(name, tenant=tenant, principal=principal)
            for name in sorted({spec.data.name for spec in COMMANDS.values()})
        ),
        subscribe=(f"{inbox_prefix(name)}.>", subjects.tenant_events(tenant)),
    )


def provisioner_user(key: str, topology: Topology) -> BusUser:
    """Creates and updates the declared streams and durables; deletes and reads nothing."""
    return BusUser(
        PROVISIONER,
        key,
        Account.STREAMS,
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
        Account.STREAMS,
        publish=(
            f"{API}.INFO",
            f"{API}.STREAM.NAMES",
            f"{API}.STREAM.INFO.*",
            f"{API}.CONSUMER.NAMES.*",
            f"{API}.CONSUMER.INFO.*.*",
        ),
        subscribe=(f"{inbox_prefix(MONITOR)}.>",),
    )


def service_users(
    keys: Mapping[str, str], topology: Topology, *, subjects: Subjects | None = None
) -> tuple[BusUser, ...]:
    """The users of all services, as the catalogue wants them.

    Args:
        keys: public NKEY of each service by name.
        topology: whose durables they pull.
        subjects: below which prefix; None: the usual one.

    Raises:
        KeyError: a service has no key.
    """
    subjects = subjects or Subjects()
    return tuple(
        service_user(
            service,
            keys[service],
            publishes=[subjects.event_filter(topic) for topic in topics_of(service)],
            durables=topology.of_service(service),
            parks=[
                subjects.parked(spec.stream, spec.durable) for spec in topology.of_service(service)
            ],
            # Who decides nothing has no events in the log that it could publish again.
            looks=bool(categories_of(service)),
        )
        for service in SERVICES
    )
