"""The JetStream streams and durables, as they are provisioned on one machine."""

from __future__ import annotations

from datetime import timedelta

from smartops.bus.topology import build_topology

from blocks.markdown import code, codes, table

__all__ = ["durables", "streams"]

_MIB = 1024 * 1024


def streams() -> str:
    """What is kept, for how long, and what gives way."""
    rows = []
    for spec in build_topology().streams:
        limits = [f"{spec.max_bytes // _MIB} MiB"]
        if spec.max_msgs > 0:
            limits.append(f"{spec.max_msgs:,} messages")
        limits.append(_days(spec.max_age) if spec.max_age else "no age limit")
        rows.append(
            [
                code(spec.name),
                codes(spec.subjects),
                spec.retention,
                ", ".join(limits),
                "the oldest" if spec.discard == "old" else "the publisher",
                "is asynchronous" if spec.persist_async else "comes before the ack",
            ]
        )
    head = ["stream", "subjects", "retention", "limits", "gives way", "flush to disk"]
    return table(head, rows)


def durables() -> str:
    """One per reaction."""
    rows = [
        [code(spec.durable), code(spec.stream), spec.service, codes(spec.filters)]
        for spec in build_topology().consumers
    ]
    return table(["durable", "on", "pulled by", "filters"], rows)


def _days(age: timedelta) -> str:
    return f"{age.days} days"
