"""The read models: one module per noun, pure functions from an event to changed rows."""

from __future__ import annotations

from smartops.audit.read_models.actors import ACTORS
from smartops.audit.read_models.approvals import APPROVALS
from smartops.audit.read_models.calls import CALLS
from smartops.audit.read_models.mandates import (
    DELEGATIONS,
    MANDATE_ENDS,
    STANDING_USES,
    STANDINGS,
)
from smartops.audit.read_models.model import ReadModel
from smartops.audit.read_models.phases import PHASES
from smartops.audit.read_models.plans import PLANS
from smartops.audit.read_models.runs import RUNS
from smartops.audit.read_models.tasks import TASKS
from smartops.audit.read_models.tenants import TENANTS
from smartops.audit.read_models.tools import TOOLS
from smartops.audit.read_models.track import TRACK
from smartops.audit.read_models.unknown import UNKNOWN_TOPICS

__all__ = ["ALL", "FOLDED", "PROJECTOR"]

FOLDED: tuple[ReadModel[tuple[object, ...]], ...] = (
    TASKS,
    PLANS,
    APPROVALS,
    RUNS,
    PHASES,
    CALLS,
    ACTORS,
    TOOLS,
    DELEGATIONS,
    STANDINGS,
    STANDING_USES,
    MANDATE_ENDS,
    TRACK,
)
"""Changed by reactions to events. Tasks first: the others look at what became of the task."""

ALL: tuple[ReadModel[tuple[object, ...]], ...] = (*FOLDED, TENANTS, UNKNOWN_TOPICS)
"""Every table that a rebuild must bring back, byte for byte."""

PROJECTOR = 7
"""Raise it with any change of a reaction: at the next start the read models are then rebuilt."""
