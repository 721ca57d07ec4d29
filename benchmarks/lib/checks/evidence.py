"""All that is left after a run, indexed for the checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from smartops.contracts.canonical import raw_digest
from smartops.contracts.events import (
    TaskApprovalGranted,
    ToolCallCompleted,
    ToolCallDispatched,
    ToolCallFailed,
)
from smartops.contracts.plan import Plan

from benchmarks.lib.fates import Fates
from benchmarks.lib.log_tail import Said
from benchmarks.lib.playground_record import Request
from benchmarks.lib.runbooks import Accepted

__all__ = ["Dispatched", "Evidence"]


@dataclass(frozen=True, slots=True)
class Dispatched:
    """One `tool.call.dispatched` of the log."""

    said: Said
    data: ToolCallDispatched


@dataclass(slots=True)
class Evidence:
    """A finished run.

    Attributes:
        accepted: what the command stream has acknowledged, by task.
        events: the whole log, in order.
        fates: the same, folded.
        requests: what arrived at the fleet, in order.
        fleet: the servers at the end, by id.
        blobs: the log's blobs by digest.
    """

    accepted: Mapping[UUID, Accepted]
    events: Sequence[Said]
    fates: Fates
    requests: Sequence[Request]
    fleet: Mapping[str, Mapping[str, object]]
    blobs: Mapping[bytes, bytes]
    dispatched: dict[UUID, list[Dispatched]] = field(init=False)
    """By call, in order."""
    completed: dict[UUID, ToolCallCompleted] = field(init=False)
    failed: dict[UUID, ToolCallFailed] = field(init=False)
    grants: dict[tuple[UUID, int], tuple[int, TaskApprovalGranted]] = field(init=False)
    """By task and number: position and event."""
    _plans: dict[str, Plan] = field(init=False, default_factory=dict)
    _by_call: dict[str | None, list[Request]] = field(init=False)

    def __post_init__(self) -> None:
        self.dispatched = defaultdict(list)
        self.completed, self.failed, self.grants = {}, {}, {}
        self._by_call = defaultdict(list)
        for request in self.requests:
            self._by_call[request.call].append(request)
        for said in self.events:
            match said.data:
                case ToolCallDispatched():
                    self.dispatched[said.data.call].append(Dispatched(said, said.data))
                case ToolCallCompleted():
                    self.completed[said.data.call] = said.data
                case ToolCallFailed():
                    self.failed[said.data.call] = said.data
                case TaskApprovalGranted() if said.row.task is not None:
                    key = (said.row.task, said.data.grant)
                    self.grants[key] = (said.row.position, said.data)
                case _:
                    pass

    def plan(self, grant: TaskApprovalGranted) -> Plan:
        """The approved plan, verified against the grant's hash.

        Raises:
            Malformed: the stored bytes are another plan.
            KeyError: there are none.
        """
        plan = self._plans.get(grant.plan_hash)
        if plan is None:
            document = self.blobs[raw_digest(grant.document)]
            plan = self._plans[grant.plan_hash] = Plan.read(document, plan_hash=grant.plan_hash)
        return plan

    def requests_of(self, call: UUID) -> list[Request]:
        """What arrived on behalf of a call."""
        return self._by_call.get(str(call), [])
