"""Streams and consumers as data, in the units people think in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from smartops.bus.errors import TopologyError

__all__ = ["ConsumerSpec", "StreamSpec", "Topology", "nanoseconds", "overlap"]

Retention = Literal["limits", "workqueue"]
Discard = Literal["old", "new"]

UNLIMITED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSpec:
    """One JetStream stream, stored on file."""

    name: str
    subjects: tuple[str, ...]
    description: str
    retention: Retention
    discard: Discard
    """What gives way when it is full: the oldest message, or the publisher."""
    max_age: timedelta | None
    """None: messages do not age."""
    max_bytes: int
    max_msgs: int = UNLIMITED
    max_msg_bytes: int
    """Largest message, headers included."""
    duplicate_window: timedelta
    """How long message ids are remembered; each costs the server memory for that long."""
    replicas: int
    persist_async: bool = False
    """Acknowledge before the disk has it; only without replicas, only for what can be rebuilt."""
    deny_delete: bool = False
    deny_purge: bool = False

    def config(self) -> dict[str, Any]:
        """The fields of this stream's configuration that we decide, as the server spells them."""
        return {
            "name": self.name,
            "description": self.description,
            "subjects": list(self.subjects),
            "storage": "file",
            "retention": self.retention,
            "discard": self.discard,
            "max_age": nanoseconds(self.max_age or timedelta(0)),
            "max_bytes": self.max_bytes,
            "max_msgs": self.max_msgs,
            "max_msg_size": self.max_msg_bytes,
            "duplicate_window": nanoseconds(self.duplicate_window),
            "num_replicas": self.replicas,
            "persist_mode": "async" if self.persist_async else "default",
            "deny_delete": self.deny_delete,
            "deny_purge": self.deny_purge,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSpec:
    """One durable pull consumer: one handler of one service."""

    stream: str
    durable: str
    service: str
    """The only user that may pull and acknowledge."""
    filters: tuple[str, ...]
    description: str
    deliver: Literal["all", "new"]
    """Where it begins when it is made: what the stream holds, or only what comes after."""
    ack_wait: timedelta = timedelta(seconds=30)
    """Without a sign of life for so long, a message is delivered again."""
    max_ack_pending: int = 1000
    """Hard cap on messages in work over all processes. Those given back with a delay count too,
    so it needs room for them, or a few failing messages stop all others."""

    def config(self) -> dict[str, Any]:
        """The fields of this consumer's configuration that we decide, as the server spells them."""
        return {
            "durable_name": self.durable,
            "name": self.durable,
            "description": self.description,
            "filter_subjects": sorted(self.filters),
            "deliver_policy": self.deliver,
            "ack_policy": "explicit",
            "ack_wait": nanoseconds(self.ack_wait),
            # What we give up is parked and terminated; a limit here would strand messages
            # silently after a long outage.
            "max_deliver": UNLIMITED,
            "max_ack_pending": self.max_ack_pending,
            "replay_policy": "instant",
        }


@dataclass(frozen=True, slots=True)
class Topology:
    """All streams and durables of one installation."""

    streams: tuple[StreamSpec, ...]
    consumers: tuple[ConsumerSpec, ...]

    def __post_init__(self) -> None:
        _check(self)

    def stream(self, name: str) -> StreamSpec:
        """The stream called `name`.

        Raises:
            KeyError: there is none.
        """
        return {spec.name: spec for spec in self.streams}[name]

    def of_service(self, service: str) -> tuple[ConsumerSpec, ...]:
        """The durables that a service pulls."""
        return tuple(spec for spec in self.consumers if spec.service == service)


def nanoseconds(time: timedelta) -> int:
    """A duration as the server's JSON spells it."""
    return (time // timedelta(microseconds=1)) * 1000


def overlap(one: str, other: str) -> bool:
    """Whether a subject could match both filters."""
    first, second = one.split("."), other.split(".")
    for left, right in zip(first, second, strict=False):
        if ">" in {left, right}:
            return True
        if left != right and "*" not in {left, right}:
            return False
    return len(first) == len(second)


def _check(topology: Topology) -> None:
    """Find contradictions here, with names, rather than in a server's refusal."""
    streams: Mapping[str, StreamSpec] = {spec.name: spec for spec in topology.streams}
    if len(streams) != len(topology.streams):
        raise TopologyError("a stream stands twice")
    claimed = [(spec.name, subject) for spec in topology.streams for subject in spec.subjects]
    _apart(claimed, "streams")
    for name, spec in streams.items():
        if spec.persist_async and spec.replicas > 1:
            raise TopologyError(f"stream {name}: persist_async needs a single replica")
        members = [consumer for consumer in topology.consumers if consumer.stream == name]
        if len({consumer.durable for consumer in members}) != len(members):
            raise TopologyError(f"stream {name}: a durable stands twice")
        for consumer in members:
            if not consumer.filters:
                raise TopologyError(f"consumer {name}/{consumer.durable}: it filters nothing")
        if spec.retention == "workqueue":
            _apart([(one.durable, f) for one in members for f in one.filters], f"{name}'s durables")
    for consumer in topology.consumers:
        if consumer.stream not in streams:
            raise TopologyError(
                f"consumer {consumer.durable}: there is no stream {consumer.stream}"
            )


def _apart(claims: list[tuple[str, str]], what: str) -> None:
    for index, (owner, subject) in enumerate(claims):
        for other_owner, other in claims[index + 1 :]:
            if overlap(subject, other):
                raise TopologyError(
                    f"{what} {owner} and {other_owner} both claim {subject!r} / {other!r}"
                )
