"""Cancel, revoke, halt, and breaches of a grant: what is read before they are decided."""

from __future__ import annotations

from uuid import UUID

from smartops.contracts.commands import GrantRevoke, RunHalt, TaskCancel
from smartops.contracts.events import TaskConditionChecked, ToolCallDenied
from smartops.contracts.folds import RunView
from smartops.contracts.streams import stream
from smartops.policy import domain
from smartops.policy.actors import Directory
from smartops.policy.gate.state import Gate
from smartops.runtime.cues import Cue, Order
from smartops.runtime.decision import Decision
from smartops.runtime.reactor import Reaction, Reactor
from smartops.runtime.service import Service

__all__ = ["Stops"]


class Stops:
    """What ends or interrupts a task from outside, at its gate."""

    def __init__(self, service: Service, gates: Reactor[Gate], directory: Directory) -> None:
        self._service = service
        self._views = service.views
        self._directory = directory
        self._gates = gates

    async def control(self, order: Order[TaskCancel | GrantRevoke | RunHalt]) -> Reaction:
        """A person cancels, revokes or halts."""
        command = order.data

        async def decide(gate: Gate, fresh: bool) -> Decision:  # noqa: FBT001
            if not await self._known(order.tenant, command.task):
                return domain.no_such_task(command.task)
            actor = await self._directory.find(order.tenant, order.principal, fresh=fresh)
            who = actor.mapped.actor if actor is not None else None
            run = await self._run(order.tenant, gate)
            match command:
                case TaskCancel():
                    return domain.cancel(gate, command.task, command, order.principal, who, run)
                case GrantRevoke():
                    return domain.revoke(gate, command, order.principal, who, run)
                case RunHalt():
                    return domain.halt(gate, command, order.principal, who, run)

        name = stream(order.tenant, "gate", command.task)
        cause = self._service.orders.cause(order, command.task)
        return await self._gates.react(name, cause, decide)

    async def heed_breach(self, cue: Cue) -> Reaction | None:
        """The gateway refused a call; when its grant did not reach so far, the grant ends."""
        denied = await self._views.event(cue)
        if not isinstance(denied, ToolCallDenied):
            raise TypeError(f"{cue.topic} is no denial")

        async def decide(gate: Gate, _fresh: bool) -> Decision:  # noqa: FBT001
            return domain.breach(gate, denied)

        name = stream(cue.tenant, "gate", denied.task)
        return await self._gates.react(name, self._service.cause(cue, denied.task), decide)

    async def heed_condition(self, cue: Cue) -> Reaction:
        """A run measured its grant's condition; when that does not hold, the grant ends."""
        checked = await self._views.event(cue)
        if not isinstance(checked, TaskConditionChecked):
            raise TypeError(f"{cue.topic} measures no condition")

        async def decide(gate: Gate, _fresh: bool) -> Decision:  # noqa: FBT001
            return domain.unmet(gate, checked)

        name = stream(cue.tenant, "gate", checked.task)
        return await self._gates.react(name, self._service.cause(cue, checked.task), decide)

    async def _known(self, tenant: str, task: UUID) -> bool:
        name = stream(tenant, "task", task)
        folded = await self._views.task.load(name)
        if folded.version == 0:
            folded = await self._views.task.load(name, fresh=True)
        return folded.version > 0

    async def _run(self, tenant: str, gate: Gate) -> RunView:
        """The task's run, read anew: whether it has ended decides what can still be stopped."""
        if gate.grant is None:
            return RunView()
        name = stream(tenant, "run", gate.grant.run)
        folded = await self._views.run.load(name, fresh=True)
        return folded.state
