"""Voices of people: who votes is read here, with the versions that the decision rests on."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from smartops.contracts.commands import ApprovalDecide
from smartops.contracts.plan import Plan
from smartops.contracts.streams import parse_stream, stream
from smartops.eventstore.rows import TimerRow
from smartops.policy import domain
from smartops.policy.actors import Directory
from smartops.policy.domain import Terms, Voter
from smartops.policy.settings import PolicySettings
from smartops.policy.state import Gate
from smartops.policy_engine import (
    ApprovalInput,
    ApprovalSettings,
    Approver,
    PolicyEngine,
)
from smartops.runtime.cues import Order
from smartops.runtime.decision import Decision
from smartops.runtime.people import Known
from smartops.runtime.reactor import Reaction, Reactor
from smartops.runtime.service import Service

__all__ = ["Votes"]


class Votes:
    """Votes on all gates of this process."""

    def __init__(
        self,
        service: Service,
        gates: Reactor[Gate],
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
        self._gates = gates

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

    async def expire(self, row: TimerRow) -> Reaction:
        """An approval was due."""
        task = UUID(parse_stream(row.stream).id)

        async def decide(gate: Gate, _fresh: bool) -> Decision:  # noqa: FBT001
            now = self._service.store.db_now()
            return domain.expire(gate, row.name, row.due_at, now)

        return await self._gates.react(row.stream, self._service.cause_of_timer(row, task), decide)

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
