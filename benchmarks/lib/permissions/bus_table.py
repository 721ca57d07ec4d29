"""Who may say and hear what on the bus: a table written by hand from the design.

Every subject is spelled out once more, on purpose: a table made from the code that configures the
server would only compare that code with itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.lib.permissions.bus_events import commands, events
from benchmarks.lib.permissions.bus_kinds import SubjectClass
from benchmarks.lib.permissions.bus_others import acks, dead_letters, inboxes, nobody
from benchmarks.lib.permissions.bus_requests import keeper_requests, service_requests

__all__ = ["bus_table"]


def bus_table(principals: Mapping[str, str], entity: str) -> tuple[SubjectClass, ...]:
    """The table.

    Args:
        principals: subject token of each person.
        entity: last token of events and commands; not met elsewhere.
    """
    return (
        *events(entity),
        *commands(principals, entity),
        *inboxes(entity),
        *dead_letters(),
        *acks(),
        *service_requests(),
        *keeper_requests(),
        *nobody(entity),
    )
