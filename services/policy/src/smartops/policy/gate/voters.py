"""Who decides on a plan: read from the directory and asked of policy, with what it rests on.

For voices on plans that wait, for one person's alone, and for words given beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from smartops.contracts.events import (
    Approval,
    Involved,
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRejected,
    TaskCancelled,
    TaskPlanRefused,
)
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Environment
from smartops.policy.actors import Directory
from smartops.policy.bundles.in_force import PolicyEngines
from smartops.policy.gate.quorum import lapsed
from smartops.policy.gate.reweighing import steps_again, weigh_again, withheld
from smartops.policy.gate.state import Gate
from smartops.policy.gate.voting import Voter
from smartops.policy.mandates.delegation import handed_to
from smartops.policy.settings import PolicySettings
from smartops.policy_engine import (
    ActingFor,
    ApprovalInput,
    ApprovalSettings,
    Approver,
    Asked,
    PolicyEngine,
    ask,
)
from smartops.runtime.cues import Order
from smartops.runtime.decision import Refusal
from smartops.runtime.people import Known
from smartops.runtime.service import Service

__all__ = ["Hands", "Question", "Voters"]

_SETTLED = tuple(
    event.topic
    for event in (
        TaskApprovalGranted,
        TaskApprovalRejected,
        TaskApprovalExpired,
        TaskPlanRefused,
        TaskCancelled,
    )
)

Way = Literal["voice", "standing", "break_glass"]


@dataclass(frozen=True, slots=True)
class Hands:
    """Who had a hand in a plan, as the directory knows them now."""

    requester: UUID | None
    editors: tuple[UUID, ...]
    reads: tuple[tuple[str, int], ...]
    involved: tuple[Involved, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What policy is asked about somebody."""

    way: Way
    decision: Literal["approve", "reject"]
    roles: Sequence[str]
    authtype: str
    known: Known | None
    acting_for: ActingFor | None = None


class Voters:
    """Finds out who somebody is to a plan."""

    def __init__(
        self,
        service: Service,
        engines: PolicyEngines,
        directory: Directory,
        settings: PolicySettings,
    ) -> None:
        self._service = service
        self._engines = engines
        self._directory = directory
        self._permitted = settings.local_credentials_in_production
        self._grant_ttl = settings.grant_ttl

    async def voter(
        self,
        order: Order[Any],
        gate: Gate,
        where: str,
        *,
        way: Way = "voice",
        decision: Literal["approve", "reject"] = "approve",
        for_actor: UUID | None = None,
        fresh: bool,
    ) -> tuple[Voter, Plan | None]:
        """Who speaks, as directory and policy see it; and the plan that is spoken of.

        Args:
            order: the command.
            gate: of its task.
            where: that gate's stream.
            way: how the speaker's word is to count.
            decision: what is said.
            for_actor: in whose name.
            fresh: ask the log, trust no memory.
        """
        tenant, required = order.tenant, gate.required
        known = await self._directory.find(tenant, order.principal, fresh=fresh)
        voter = Voter(order.principal, order.authtype)
        if known is not None:
            mapped = known.mapped
            voter = replace(voter, actor=mapped.actor, name=mapped.name, roles=mapped.roles)
            voter = replace(voter, version=known.version, reads=((known.stream, known.version),))
            if mapped.disabled:
                voter = replace(voter, refusal=_switched_off(mapped.name))
        if required is None:
            return voter, None
        plan = await self._service.plans.get(tenant, required.document, required.plan_hash)
        hands = await self.hands(tenant, gate, plan, fresh=fresh)
        voter = replace(
            voter,
            requester_actor=hands.requester,
            editors=hands.editors,
            reads=_once((*voter.reads, *hands.reads)),
        )
        acting: ActingFor | None = None
        if for_actor is not None and for_actor != voter.actor:
            voter, acting = await self._for(
                tenant, voter, for_actor, required.environment, fresh=fresh
            )
        if decision == "approve" and gate.waiting:
            voter = await self._with_lapsed(tenant, voter, gate, fresh=fresh)
        if not gate.waiting:
            voter = replace(voter, settled_at=await self._settled_at(where))
        policy = await self._engines.current(fresh=fresh)
        roles = (*required.roles, *gate.escalated)
        question = Question(way, decision, roles, order.authtype, known, acting)
        asked = [self.ask(policy.engine, tenant, plan, question, hands)]
        denials = [denial.message for denial in asked[0].verdict.denials]
        if decision == "approve" and gate.validated is not None:
            again = await weigh_again(self._service.store, tenant, gate.validated, policy.engine)
            denials += withheld(gate.validated, required, policy.engine, again)
            asked += again
            steps = await self._steps(tenant, gate, policy.engine)
            denials += [
                f"policy still denies what it came back for: {denial.message}"
                for one in steps
                for denial in one.verdict.denials
            ]
            asked += steps
        return replace(
            voter,
            denials=tuple(denials),
            evidence=tuple(one.evidence for one in asked),
            reads=(*voter.reads, policy.read),
        ), plan

    async def _steps(self, tenant: str, gate: Gate, engine: PolicyEngine) -> tuple[Asked, ...]:
        """What policy says by now to the steps for which a plan came back, if it did."""
        if gate.returned is None or not gate.waiting:
            return ()
        now = self._service.store.db_now()
        return await steps_again(
            self._service.store, tenant, gate.returned, engine, now, now + self._grant_ttl
        )

    async def hands(self, tenant: str, gate: Gate, plan: Plan, *, fresh: bool) -> Hands:
        """Who had a hand in a plan: as it says itself, and as was noted when others were edited.

        Whoever was mapped differently then counts as both.
        """
        requester = await self._directory.find(tenant, plan.header.requester.principal, fresh=fresh)
        asked = plan.header.requester.principal
        found = [requester] if requester is not None else []
        who = requester.mapped.actor if requester is not None else None
        involved = [Involved(principal=asked, actor=who, part="requester")]
        editors: dict[UUID, None] = {}
        noted = [] if gate.required is None else gate.required.excluded
        for one in noted:
            if one.actor is not None and one.actor != who:
                editors[one.actor] = None
        for by in gate.editors:
            editors |= dict.fromkeys(by.persons)
        for principal in _editors(plan, gate.editors):
            editor = await self._directory.find(tenant, principal, fresh=fresh)
            actor = editor.mapped.actor if editor is not None else None
            involved.append(Involved(principal=principal, actor=actor, part="editor"))
            if editor is not None:
                found.append(editor)
                editors[editor.mapped.actor] = None
        reads = _once((one.stream, one.version) for one in found)
        return Hands(who, tuple(editors), reads, tuple(involved))

    def ask(
        self, engine: PolicyEngine, tenant: str, plan: Plan, question: Question, hands: Hands
    ) -> Asked:
        """Ask policy whether somebody may decide on a plan."""
        known = question.known
        asked = ApprovalInput(
            task=plan.header.task,
            tenant=tenant,
            environment=plan.header.environment,
            decision=question.decision,
            way=question.way,
            roles=tuple(question.roles),
            approver=Approver(
                actor=known.mapped.actor if known is not None else None,
                roles=known.mapped.roles if known is not None else (),
                disabled=known.mapped.disabled if known is not None else False,
                local_credentials=question.authtype == "local",
            ),
            acting_for=question.acting_for,
            requester=hands.requester,
            editors=hands.editors,
            settings=ApprovalSettings(local_credentials_in_production=self._permitted),
        )
        return ask(engine, "approval", asked)

    async def _for(
        self, tenant: str, voter: Voter, actor: UUID, environment: Environment, *, fresh: bool
    ) -> tuple[Voter, ActingFor | None]:
        """The voter as somebody else's voice, if that one has handed it to him for here and now."""
        giver = await self._directory.actor(tenant, actor, fresh=fresh)
        if giver is None or voter.actor is None:
            return replace(voter, refusal=_no_voice(str(actor), environment)), None
        mapped, now = giver.mapped, self._service.store.db_now()
        roles = handed_to(giver.delegations, voter.actor, environment, mapped.roles, now)
        voter = replace(
            voter,
            for_actor=mapped.actor,
            for_name=mapped.name,
            roles=roles,
            reads=_once((*voter.reads, (giver.stream, giver.version))),
        )
        if not roles:
            return replace(voter, refusal=_no_voice(mapped.name, environment)), None
        if mapped.disabled:
            voter = replace(voter, refusal=_switched_off(mapped.name))
        return voter, ActingFor(actor=mapped.actor, roles=roles, disabled=mapped.disabled)

    async def _with_lapsed(self, tenant: str, voter: Voter, gate: Gate, *, fresh: bool) -> Voter:
        """The voter, knowing which voices count no more: of who lost a role, or all access."""
        if gate.required is None or not gate.yes:
            return voter
        voices = [one.by for one in gate.yes]
        found = [
            known
            for person in sorted(frozenset().union(*(voice.persons for voice in voices)))
            if (known := await self._directory.actor(tenant, person, fresh=fresh)) is not None
        ]
        people = {known.mapped.actor: known.mapped for known in found}
        return replace(
            voter,
            lapsed=lapsed(gate.required, gate.escalated, voices, people),
            reads=_once((*voter.reads, *((one.stream, one.version) for one in found))),
        )

    async def _settled_at(self, where: str) -> datetime | None:
        """When a gate was decided: told to who comes later. Read only for them."""
        rows = await self._service.store.read_stream(where)
        times = [row.recorded_at for row in rows if row.topic.rpartition(".v")[0] in _SETTLED]
        return times[-1] if times else None


def _editors(plan: Plan, edits: Iterable[Approval]) -> tuple[str, ...]:
    """The principals that edited the plan, or one that it replaces, each once."""
    own = () if plan.header.editor is None else (plan.header.editor.principal,)
    return tuple(dict.fromkeys((*own, *(by.principal for by in edits))))


def _no_voice(name: str, environment: Environment) -> Refusal:
    return Refusal(
        "no_delegation",
        f"{name} has handed you no voice for {environment.value}, or its time is over",
        "for_actor",
    )


def _switched_off(name: str) -> Refusal:
    """Whatever the policy in force makes of it."""
    return Refusal("forbidden", f"the access of {name} is switched off")


def _once(reads: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Each stream once, at the oldest version read: what was decided on may rest on that one."""
    found: dict[str, int] = {}
    for name, version in reads:
        found[name] = min(version, found.get(name, version))
    return tuple(found.items())
