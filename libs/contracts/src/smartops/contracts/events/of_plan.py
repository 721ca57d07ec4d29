"""What every event of the gate about a plan names: which plan, byte for byte."""

from __future__ import annotations

from pydantic import Field
from smartops.contracts.wire import Digest, EventData

__all__ = [
    "OfPlan",
]


class OfPlan(EventData):
    """Said of one plan of a task. Base of events, none itself."""

    number: int = Field(ge=1)
    plan_hash: Digest
