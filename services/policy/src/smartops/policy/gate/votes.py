"""Voices of people on all gates of this process, and what happens while nobody speaks."""

from __future__ import annotations

from uuid import UUID

from smartops.contracts.commands import ApprovalBreakGlass, ApprovalDecide
from smartops.contracts.streams import parse_stream, stream
from smartops.eventstore.rows import TimerRow
from smartops.policy import domain
from smartops.policy.gate.state import Gate
from smartops.policy.gate.terms import terms_of
from smartops.policy.gate.voters import Voters
from smartops.policy.settings import PolicySettings
from smartops.runtime.cues import Order
from smartops.runtime.decision import Decision
from smartops.runtime.evidence import with_evidence
from smartops.runtime.reactor import Reaction, Reactor
from smartops.runtime.service import Service

__all__ = ["Votes"]


class Votes:
    """Votes on all gates of this process."""

    def __init__(
        self, service: Service, gates: Reactor[Gate], voters: Voters, settings: PolicySettings
    ) -> None:
        self._service = service
        self._voters = voters
        self._terms = terms_of(settings)
        self._gates = gates

    async def vote(self, order: Order[ApprovalDecide]) -> Reaction:
        """A person approves or rejects."""
        vote = ApprovalDecide.of(order.data)
        name = stream(order.tenant, "gate", vote.task)

        async def decide(gate: Gate, fresh: bool) -> Decision:  # noqa: FBT001
            voter, plan = await self._voters.voter(
                order, gate, name, decision=vote.decision, for_actor=vote.for_actor, fresh=fresh
            )
            now = self._service.store.db_now()
            if plan is None:
                # Nothing awaits a decision; the domain says which way.
                return domain.refuse_vote(gate, vote, voter, now)
            decision = domain.decide_vote(gate, vote.task, vote, voter, plan, self._terms, now)
            return with_evidence(decision, voter.evidence)

        return await self._gates.react(name, self._service.orders.cause(order, vote.task), decide)

    async def break_glass(self, order: Order[ApprovalBreakGlass]) -> Reaction:
        """A person lets a plan run alone, in an emergency."""
        command = order.data
        name = stream(order.tenant, "gate", command.task)

        async def decide(gate: Gate, fresh: bool) -> Decision:  # noqa: FBT001
            voter, plan = await self._voters.voter(
                order, gate, name, way="break_glass", fresh=fresh
            )
            now = self._service.store.db_now()
            decision = domain.break_glass(gate, command, voter, plan, self._terms, now)
            return with_evidence(decision, voter.evidence)

        cause = self._service.orders.cause(order, command.task)
        return await self._gates.react(name, cause, decide)

    async def expire(self, row: TimerRow) -> Reaction:
        """An approval was due."""
        task = UUID(parse_stream(row.stream).id)

        async def decide(gate: Gate, _fresh: bool) -> Decision:  # noqa: FBT001
            now = self._service.store.db_now()
            return domain.expire(gate, row.name, row.due_at, now)

        return await self._gates.react(row.stream, self._service.cause_of_timer(row, task), decide)

    async def prompt(self, row: TimerRow) -> Reaction:
        """Nobody has decided by now."""
        task = UUID(parse_stream(row.stream).id)

        async def decide(gate: Gate, _fresh: bool) -> Decision:  # noqa: FBT001
            return domain.prompt(gate, row.name, self._service.store.db_now())

        return await self._gates.react(row.stream, self._service.cause_of_timer(row, task), decide)
