"""Reading the projections: the named views, as the read-only role, one tenant at a time.

Rows come as mappings with the views' own column names. Projections follow the log; what was
committed a moment ago may not be in them yet, but `v_events` is the log itself.
"""

from __future__ import annotations

from smartops.sdk.reader.agents import Agents
from smartops.sdk.reader.calls import Calls
from smartops.sdk.reader.database import Row
from smartops.sdk.reader.log import Log
from smartops.sdk.reader.people import People
from smartops.sdk.reader.policy import Policy
from smartops.sdk.reader.tasks import Tasks

__all__ = ["Reader", "Row"]


class Reader(Tasks, People, Calls, Policy, Agents, Log):
    """Reads one tenant's views. Connects at the first question; safe to share between tasks."""
