"""The streams and durables of SmartOps, derived from the catalogue of contracts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from smartops.bus.specs import ConsumerSpec, StreamSpec, Topology
from smartops.contracts.catalogue import HANDLERS, HandlerSpec, families
from smartops.contracts.subjects import Subjects

__all__ = [
    "COMMANDS_STREAM",
    "DLQ_STREAM",
    "EVENTS_STREAM",
    "MAX_PAYLOAD_BYTES",
    "Sizing",
    "build_topology",
]

EVENTS_STREAM = "SMARTOPS"
COMMANDS_STREAM = "SMARTOPS_COMMANDS"
DLQ_STREAM = "SMARTOPS_DLQ"

_KIB = 1024
_MIB = 1024 * _KIB
_GIB = 1024 * _MIB

MAX_PAYLOAD_BYTES = 256 * _KIB
"""Largest message the server takes. What is larger belongs into a blob, with its digest here."""

_HEADERS_BYTES = 4 * _KIB
"""Room for headers beside a payload of the largest size."""

_ADVISORIES = "$JS.EVENT.ADVISORY.CONSUMER"
"""Where the server tells of messages that it gave up, or was told to give up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """What differs between installations. The defaults suit one machine."""

    replicas: int = 1
    """3 on a cluster of three or more servers."""
    events_max_bytes: int = 8 * _GIB
    commands_max_bytes: int = 1 * _GIB
    commands_max_msgs: int = 1_000_000
    """Commands waiting at most; then submitting is refused, which its publisher sees."""
    dlq_max_bytes: int = 256 * _MIB
    max_ack_pending: int = 1000

    @classmethod
    def small(cls) -> Sizing:
        """For tests and laptops."""
        return cls(
            events_max_bytes=512 * _MIB, commands_max_bytes=128 * _MIB, dlq_max_bytes=32 * _MIB
        )


def build_topology(subjects: Subjects | None = None, sizing: Sizing | None = None) -> Topology:
    """Turn the catalogue into streams and durables.

    Args:
        subjects: below which prefix; None: the usual one.
        sizing: None: one machine.
    """
    subjects = subjects or Subjects()
    sizing = sizing or Sizing()
    return Topology(
        streams=(_events(subjects, sizing), _commands(subjects, sizing), _dlq(subjects, sizing)),
        consumers=tuple(
            spec for handler in HANDLERS for spec in _consumers(handler, subjects, sizing)
        ),
    )


def _events(subjects: Subjects, sizing: Sizing) -> StreamSpec:
    return StreamSpec(
        name=EVENTS_STREAM,
        description="What happened. A hint and a window on the log, which is the truth.",
        subjects=subjects.all_events(families()),
        retention="limits",
        discard="old",
        max_age=timedelta(days=7),
        max_bytes=sizing.events_max_bytes,
        max_msg_bytes=MAX_PAYLOAD_BYTES + _HEADERS_BYTES,
        duplicate_window=timedelta(minutes=2),
        replicas=sizing.replicas,
        # Everything here is published again from the log if it is lost, so the publisher need
        # not wait for the disk. The server refuses this mode on replicated streams.
        persist_async=sizing.replicas == 1,
        deny_delete=True,
        deny_purge=True,
    )


def _commands(subjects: Subjects, sizing: Sizing) -> StreamSpec:
    return StreamSpec(
        name=COMMANDS_STREAM,
        description="What people ask for, until its service has decided it.",
        subjects=(subjects.all_commands(),),
        retention="workqueue",
        # Before its event exists, a command lives here only: nothing may push it out.
        discard="new",
        max_age=None,
        max_bytes=sizing.commands_max_bytes,
        max_msgs=sizing.commands_max_msgs,
        max_msg_bytes=MAX_PAYLOAD_BYTES + _HEADERS_BYTES,
        duplicate_window=timedelta(minutes=2),
        replicas=sizing.replicas,
    )


def _dlq(subjects: Subjects, sizing: Sizing) -> StreamSpec:
    return StreamSpec(
        name=DLQ_STREAM,
        description="Messages that were given up: where they stand and why.",
        subjects=(
            subjects.all_parked(),
            f"{_ADVISORIES}.MAX_DELIVERIES.>",
            f"{_ADVISORIES}.MSG_TERMINATED.>",
        ),
        retention="limits",
        discard="old",
        max_age=timedelta(days=30),
        max_bytes=sizing.dlq_max_bytes,
        max_msg_bytes=16 * _KIB,
        duplicate_window=timedelta(minutes=2),
        replicas=sizing.replicas,
        deny_delete=True,
        deny_purge=True,
    )


def _consumers(handler: HandlerSpec, subjects: Subjects, sizing: Sizing) -> list[ConsumerSpec]:
    """One durable, or two for a handler that takes events and commands."""
    specs = []
    if handler.events:
        specs.append(
            ConsumerSpec(
                stream=EVENTS_STREAM,
                durable=handler.durable,
                service=handler.service,
                description=f"{handler.name} on events",
                filters=tuple(
                    sorted(
                        {
                            subjects.event_filter(event.topic, party=handler.party or "*")
                            for event in handler.events
                        }
                    )
                ),
                # A durable made anew must not replay a week; what it missed is swept from the log.
                deliver="new",
                max_ack_pending=max(sizing.max_ack_pending, 4 * handler.concurrency),
            )
        )
    if handler.commands:
        specs.append(
            ConsumerSpec(
                stream=COMMANDS_STREAM,
                durable=handler.durable,
                service=handler.service,
                description=f"{handler.name} on commands",
                filters=tuple(
                    sorted({subjects.command_filter(command.name) for command in handler.commands})
                ),
                deliver="all",
                # No sweep finds a command whose receiver died with it: only the server does.
                ack_wait=timedelta(seconds=10),
                max_ack_pending=max(sizing.max_ack_pending, 4 * handler.concurrency),
            )
        )
    return specs
