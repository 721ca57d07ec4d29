"""Deciding on gates: what the pure domain needs is read here, with the versions it rests on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

from smartops.contracts.commands import ApprovalDecide, GrantRevoke, RunHalt, TaskCancel
from smartops.contracts.errors import Malformed
from smartops.contracts.events import TaskPlanned, ToolCallDenied
from smartops.contracts.folds import RunView
from smartops.contracts.plan import Plan
from smartops.contracts.streams import PLATFORM, parse_stream, stream
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Environment
from smartops.eventstore.rows import TimerRow
from smartops.policy import domain
from smartops.policy.actors import Directory
from smartops.policy.domain import Terms, Voter, Weighed
from smartops.policy.pipeline import check_header, check_rules, malformed, weigh_plan
from smartops.policy.settings import PolicySettings
from smartops.policy.state import Gate, evolve
from smartops.policy_engine import (
    ApprovalInput,
    ApprovalSettings,
    Approver,
    PolicyEngine,
)
from smartops.runtime.cues import Cue, Order
from smartops.runtime.decision import Decision
from smartops.runtime.people import Known
from smartops.runtime.reactor import Reaction
from smartops.runtime.service import Service

__all__ = ["Gates"]

_BUNDLE = f"{PLATFORM}/bundle-default"


class Gates:
    """All gates of this process."""

    def __init__(
        self,
        service: Service,
        engine: PolicyEngine,
        directory: Directory,
        settings: PolicySettings,
    ) -> None:
        self._service = service
        self._views = service.views
        self._engine = engine
        self._directory = directory
        self._settings = settings
        self._terms = Terms(settings.approval_ttl, settings.grant_ttl)
        self._gates = service.reactor(Gate(), evolve)

    async def weigh(self, cue: Cue) -> Reaction | None:
        """A plan was written: may it run, and who must say so?"""
        claimed = cue.claimed()
        if isinstance(claimed, TaskPlanned):
            self._service.plans.want(cue.tenant, claimed.document)
        event = await self._views.event(cue, claimed)
        if not isinstance(event, TaskPlanned):
            raise TypeError(f"{cue.topic} is no plan")
        task = UUID(parse_stream(cue.stream).id)
        plan, why = await self._read(cue.tenant, event)

        async def decide(gate: Gate, fresh: bool) -> Decision:  # noqa: FBT001
            if plan is None:
                weighed = malformed(why, self._engine)
            else:
                weighed = await self._weigh(cue.tenant, task, event, plan, fresh=fresh)
            now = self._service.store.db_now()
            return domain.weigh(gate, task, event, plan, weighed, self._terms, now)

        name = stream(cue.tenant, "gate", task)
        return await self._gates.react(
            name, self._service.cause(cue, task), decide, new=event.number == 1
        )

    async def vote(self, order: Order[ApprovalDecide]) -> Reaction:
        """A person approves or rejects."""
        vote = order.data

        async def decide(gate: Gate, fresh: bool) -> Decision:  # noqa: FBT001
            voter, plan = await self._voter(order, gate, fresh=fresh)
            now = self._service.store.db_now()
            if plan is None:
                # Nothing awaits a decision; the domain says which way.
                return domain.refuse_vote(gate, vote, voter, now)
            return domain.decide_vote(gate, vote.task, vote, voter, plan, self._terms, now)

        name = stream(order.tenant, "gate", vote.task)
        cause = self._service.orders.cause(order, vote.task)
        return await self._gates.react(name, cause, decide)

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

    async def expire(self, row: TimerRow) -> Reaction:
        """An approval was due."""
        task = UUID(parse_stream(row.stream).id)

        async def decide(gate: Gate, _fresh: bool) -> Decision:  # noqa: FBT001
            now = self._service.store.db_now()
            return domain.expire(gate, row.name, row.due_at, now)

        return await self._gates.react(row.stream, self._service.cause_of_timer(row, task), decide)

    # ---- what the decisions rest on --------------------------------------------------------

    async def _read(self, tenant: str, planned: TaskPlanned) -> tuple[Plan | None, str]:
        try:
            return await self._service.plans.get(tenant, planned.document, planned.plan_hash), ""
        except Malformed as error:
            return None, str(error)

    async def _weigh(
        self, tenant: str, task: UUID, planned: TaskPlanned, plan: Plan, *, fresh: bool
    ) -> Weighed:
        problems = [*check_header(plan, tenant, str(task), planned), *check_rules(plan)]
        tools = await self._tools({step.tool for step in plan.steps}, fresh=fresh)
        where = stream(tenant, "autonomy", plan.header.agent.name)
        autonomy, bundle = await asyncio.gather(
            self._views.autonomy.load(where, fresh=fresh),
            self._views.bundle.load(_BUNDLE, fresh=fresh),
        )
        level = autonomy.state.level
        if level is None:
            level = (
                self._settings.production_autonomy
                if plan.header.environment is Environment.PRODUCTION
                else self._settings.default_autonomy
            )
        weighed = weigh_plan(plan, problems, tools, self._engine, level)
        return replace(weighed, reads=((where, autonomy.version), (_BUNDLE, bundle.version)))

    async def _tools(self, names: set[str], *, fresh: bool) -> dict[str, ToolDescriptor]:
        streams = {name: stream(PLATFORM, "tool", name) for name in sorted(names)}
        folded = await asyncio.gather(
            *(self._views.tool.load(where, fresh=fresh) for where in streams.values())
        )
        return {
            name: found.state.descriptor
            for name, found in zip(streams, folded, strict=True)
            if found.state.descriptor is not None
        }

    async def _voter(
        self, order: Order[ApprovalDecide], gate: Gate, *, fresh: bool
    ) -> tuple[Voter, Plan | None]:
        """Who votes, as the directory and policy see it; and the plan that is voted on."""
        known = await self._directory.find(order.tenant, order.principal, fresh=fresh)
        voter = Voter(order.principal, order.authtype)
        if known is not None:
            voter = replace(
                voter,
                actor=known.mapped.actor,
                name=known.mapped.name,
                version=known.version,
                reads=((known.stream, known.version),),
            )
        if gate.required is None:
            return voter, None
        required = gate.required
        plan = await self._service.plans.get(order.tenant, required.document, required.plan_hash)
        requester = await self._directory.find(order.tenant, required.requester, fresh=fresh)
        if requester is not None:
            voter = replace(
                voter,
                requester_actor=requester.mapped.actor,
                reads=(*voter.reads, (requester.stream, requester.version)),
            )
        editor = None
        if plan.header.editor is not None:
            editor = await self._directory.find(
                order.tenant, plan.header.editor.principal, fresh=fresh
            )
        return replace(voter, denials=self._denials(order, plan, known, requester, editor)), plan

    def _denials(
        self,
        order: Order[ApprovalDecide],
        plan: Plan,
        known: Known | None,
        requester: Known | None,
        editor: Known | None,
    ) -> tuple[str, ...]:
        asked = ApprovalInput(
            task=plan.header.task,
            tenant=order.tenant,
            environment=plan.header.environment,
            decision=order.data.decision,
            approver=Approver(
                actor=known.mapped.actor if known is not None else None,
                roles=known.mapped.roles if known is not None else (),
                disabled=known.mapped.disabled if known is not None else False,
                local_credentials=order.authtype == "local",
            ),
            requester=requester.mapped.actor if requester is not None else None,
            editors=(editor.mapped.actor,) if editor is not None else (),
            settings=ApprovalSettings(
                local_credentials_in_production=self._settings.local_credentials_in_production
            ),
        )
        verdict = self._engine.decide("approval", asked.canonical_bytes())
        return tuple(denial.message for denial in verdict.denials)

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
