"""What the log tells of plans that people disagreed over: one outcome each, no run of another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from smartops.contracts.events import (
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskBreakGlassUsed,
    TaskCancelRequested,
    TaskPlanEditAccepted,
    TaskStarted,
    ToolCallDispatched,
)

from benchmarks.lib.log_tail import Said

__all__ = ["Decided", "judge", "read_gates"]


@dataclass(slots=True)
class Decided:
    """One task's gate, as the log tells it.

    Attributes:
        required: hashes of the plans that awaited people, by number.
        outcomes: what was decided on each, in order; one, or something is wrong.
        yes: actors who approved, and in whose name, by plan hash.
        editors: actors who edited, in order.
        grants: what was granted.
        glass: who broke it, by plan hash.
        cancelled: nothing more comes of it.
        late: what was said of a plan after its outcome.
        ran: plan hashes that the task's runs, and their calls, name.
    """

    required: dict[int, str] = field(default_factory=dict)
    outcomes: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    yes: defaultdict[str, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    editors: list[tuple[int, UUID]] = field(default_factory=list)
    grants: list[TaskApprovalGranted] = field(default_factory=list)
    glass: dict[str, UUID] = field(default_factory=dict)
    cancelled: bool = False
    late: list[str] = field(default_factory=list)
    ran: set[str] = field(default_factory=set)

    def hear(self, said: Said) -> None:
        """The next event of the task."""
        match said.data:
            case TaskApprovalRequired():
                self.required[said.data.number] = said.data.plan_hash
            case TaskApprovalRecorded():
                if self.outcomes[said.data.number]:
                    self.late.append(f"a voice on plan {said.data.number}")
                if said.data.decision == "approve":
                    self.yes[said.data.plan_hash] |= said.data.by.persons
            case TaskBreakGlassUsed():
                self.glass[said.data.plan_hash] = said.data.by.actor
            case TaskApprovalGranted():
                how = "granted alone" if said.data.break_glass else "granted"
                self.outcomes[said.data.number].append(how)
                self.grants.append(said.data)
            case TaskApprovalRejected():
                how = "rejected" if said.data.then == "archive" else "planned anew"
                self.outcomes[said.data.number].append(how)
            case TaskApprovalExpired():
                self.outcomes[said.data.number].append("expired")
            case TaskPlanEditAccepted():
                self.outcomes[said.data.number].append("edited")
                self.editors.append((said.data.number, said.data.by.actor))
            case TaskCancelRequested():
                self.cancelled = True
                number = max(self.required, default=0)
                # Of what was granted already, a cancel is another matter: it ends the run.
                if not self.outcomes[number]:
                    self.outcomes[number].append("cancelled")
            case TaskStarted():
                self.ran.add(said.data.plan_hash)
            case ToolCallDispatched() if said.data.facts.plan_hash is not None:
                self.ran.add(said.data.facts.plan_hash)
            case _:
                pass


def read_gates(events: Iterable[Said], tasks: Iterable[UUID]) -> dict[UUID, Decided]:
    """All tasks' gates."""
    gates = {task: Decided() for task in tasks}
    for said in events:
        if said.row.task in gates:
            gates[said.row.task].hear(said)
    return gates


def judge(gates: dict[UUID, Decided], requester: UUID) -> tuple[list[str], Counter[str], int]:
    """What is wrong, how the first plans ended, and how many runs have another hash than approved.

    Args:
        gates: by task.
        requester: the actor who asked for all of them.
    """
    found: list[str] = []
    first: Counter[str] = Counter()
    other = 0
    for task, gate in gates.items():
        for number in gate.required:
            outcomes = gate.outcomes[number]
            if len(outcomes) != 1:
                found.append(f"task {task}, plan {number}: {outcomes or 'no outcome'}")
        first[next(iter(gate.outcomes[1]), "none")] += 1
        found += [f"task {task}: {late} after its outcome" for late in gate.late]
        granted = {grant.plan_hash for grant in gate.grants}
        for ran in gate.ran - granted:
            other += 1
            found.append(f"task {task}: {ran} ran, granted was {granted or 'nothing'}")
        for grant in gate.grants:
            if not _as_agreed(gate, grant, requester):
                found.append(f"task {task}, plan {grant.number}: granted by {grant.approvals}")
            if gate.required.get(grant.number) != grant.plan_hash:
                found.append(f"task {task}: plan {grant.number} was granted under another hash")
    return found, first, other


def _as_agreed(gate: Decided, grant: TaskApprovalGranted, requester: UUID) -> bool:
    """Whether people said so who had no hand in the plan, or one alone who broke the glass."""
    if grant.break_glass:
        return [gate.glass.get(grant.plan_hash)] == [voice.actor for voice in grant.approvals]
    yes: set[UUID] = set()
    for voice in grant.approvals:
        yes |= voice.persons
    involved = {requester, *(a for n, a in gate.editors if n < grant.number)}
    return bool(yes) and yes <= gate.yes[grant.plan_hash] and not yes & involved
