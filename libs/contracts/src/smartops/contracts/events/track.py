"""What became of an agent's work: policy's own notes, which scores and levels rest on.

`track-<agent>/<version>/<environment>`, one note per outcome, with the totals it leads to.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field
from smartops.contracts.autonomy import AgentVersion, ToolOrAny
from smartops.contracts.wire import Environment, EventData, ShortText, Wire

__all__ = ["RECENT", "TrackNoted", "TrackOutcome", "TrackTotals"]

RECENT = 100
"""Most ends of runs that a note remembers one by one."""

TrackOutcome = Literal["completed", "rolled_back", "failed", "escalated", "rejected"]


class TrackTotals(Wire):
    """All outcomes so far of work that changed something with one tool; `*`: of all work."""

    tool: ToolOrAny
    runs: int = Field(ge=0)
    """Ends of runs. One that a person resumed after an escalation ends twice."""
    succeeded: int = Field(ge=0)
    rolled_back: int = Field(ge=0)
    failed: int = Field(ge=0)
    escalated: int = Field(ge=0)
    rejected: int = Field(ge=0)
    """Plans that a person turned down."""
    approved: int = Field(ge=0)
    """Runs that ended under a person's approval."""
    senior_approvals: int = Field(ge=0)
    """Of these, those with the voice of a senior approver."""
    last_run_at: AwareDatetime | None = None
    last_approved_at: AwareDatetime | None = None


class TrackNoted(EventData):
    """An agent's work had an outcome. In `track-<agent>/<version>/<environment>`, by policy."""

    topic: ClassVar[str] = "track.noted"

    agent: ShortText
    agent_version: AgentVersion
    environment: Environment
    number: int = Field(ge=1)
    """Of the note: the version of its stream."""
    outcome: TrackOutcome
    task: UUID
    run: UUID | None = None
    requester: ShortText
    """In whose name the work was done."""
    totals: tuple[TrackTotals, ...]
    """Of what this work touched, this outcome included; of everything in a complete note."""
    complete: bool = False
    """The totals are all there are: a reader of the newest notes need not look further back."""
    recent: Annotated[str, Field(pattern=r"^[+-]*$", max_length=RECENT)] = ""
    """The last ends of runs, newest last: `+` succeeded, `-` did not. Begins anew when an anomaly
    was seen in it, so that the same ends are not held against the agent twice."""
    requesters: Annotated[tuple[ShortText, ...], Field(max_length=20)] = ()
    """In a complete note: in whose names the agent worked lately, newest last."""
