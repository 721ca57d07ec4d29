"""Edits and their kin at the gate: what is read before they are decided."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from smartops.contracts.commands import PlanEdit
from smartops.contracts.editing import Unfit, edited
from smartops.contracts.events import TaskPreconditionsStale
from smartops.contracts.plan import Plan, Requester
from smartops.contracts.streams import PLATFORM, stream
from smartops.contracts.tools import ToolDescriptor
from smartops.policy.actors import Directory
from smartops.policy.bundles.in_force import PolicyEngines
from smartops.policy.gate.editing import Editor, decide_edit
from smartops.policy.gate.replanning import gone_stale, not_as_asked
from smartops.policy.gate.state import Gate
from smartops.policy.gate.voters import Hands, Question, Voters
from smartops.policy.gate.weighing import Weighed
from smartops.policy.scoring.grounding import Grounding
from smartops.policy.scoring.pipeline import weigh_plan
from smartops.policy.settings import PolicySettings
from smartops.redact import Finder, Pseudonyms, RedactError, refuse_secrets
from smartops.runtime.cues import Cue, Order
from smartops.runtime.decision import Decision, Refusal
from smartops.runtime.evidence import with_evidence
from smartops.runtime.reactor import Reaction, Reactor
from smartops.runtime.service import Service

__all__ = ["Edits"]

_NOBODYS = Hands(None, (), (), ())
"""Nobody is shut out for a hand in the plan."""

_REHEARSED_BEFORE = "tool_authorization.not_rehearsed"
"""The rule that wants evidence of a rehearsal: it is gathered before the next plan is written."""

_NO_KEY = b""
"""Of the tokens that a search makes, and that are thrown away: only what it finds counts."""


class Edits:
    """What has plans of this process's gates written anew, beside votes."""

    def __init__(
        self,
        service: Service,
        gates: Reactor[Gate],
        engines: PolicyEngines,
        directory: Directory,
        voters: Voters,
        grounding: Grounding,
        settings: PolicySettings,
    ) -> None:
        self._service = service
        self._gates = gates
        self._engines = engines
        self._directory = directory
        self._voters = voters
        self._grounding = grounding
        self._max_replans = settings.max_replans

    async def edit(self, order: Order[PlanEdit]) -> Reaction:
        """A person wants other values in the plan that awaits a decision."""
        command = order.data
        unstorable = _unstorable(command, self._service.orders.finder)

        async def decide(gate: Gate, fresh: bool) -> Decision:  # noqa: FBT001
            if unstorable is not None:
                return Decision(refusal=unstorable)
            plan = await self._plan(order.tenant, gate)
            editor = await self._editor(order, gate, plan, fresh=fresh)
            made: Plan | Unfit | None = None
            if plan is not None:
                who = Requester(principal=order.principal, authtype=order.authtype)
                tools = await self._tools({step.tool for step in plan.steps}, fresh=fresh)
                made = edited(plan, command.edit, who, tools)
            if isinstance(made, Plan):
                made = await self._allowed(order.tenant, command.task, made, fresh=fresh)
            decision = decide_edit(gate, command, editor, made, self._service.store.db_now())
            return with_evidence(decision, editor.evidence)

        name = stream(order.tenant, "gate", command.task)
        cause = self._service.orders.cause(order, command.task)
        return await self._gates.react(name, cause, decide)

    async def heed_stale(self, cue: Cue) -> Reaction:
        """A run found that its plan rests on what has changed."""
        told = await self._service.views.event(cue)
        if not isinstance(told, TaskPreconditionsStale):
            raise TypeError(f"{cue.topic} tells of no preconditions")
        run = (await self._service.views.verified(self._service.views.run, cue)).state

        async def decide(gate: Gate, _fresh: bool) -> Decision:  # noqa: FBT001
            return gone_stale(gate, told, run, self._max_replans)

        name = stream(cue.tenant, "gate", told.task)
        return await self._gates.react(name, self._service.cause(cue, told.task), decide)

    async def compared(
        self, tenant: str, gate: Gate, plan: Plan, weighed: Weighed, *, fresh: bool
    ) -> Weighed:
        """What was found about a plan, with where it is not what was asked for."""
        if not gate.replaced:
            return weighed
        before = await self._plan(tenant, gate) if gate.edit is not None else None
        tools = await self._tools({step.tool for step in plan.steps}, fresh=fresh)
        found = not_as_asked(gate, plan, before, tools)
        return replace(weighed, problems=(*weighed.problems, *found)) if found else weighed

    async def _tools(self, names: Iterable[str], *, fresh: bool) -> dict[str, ToolDescriptor]:
        """Those of these tools that are registered."""
        streams = {name: stream(PLATFORM, "tool", name) for name in sorted(set(names))}
        folded = await asyncio.gather(
            *(self._service.views.tool.load(where, fresh=fresh) for where in streams.values())
        )
        return {
            name: found.state.descriptor
            for name, found in zip(streams, folded, strict=True)
            if found.state.descriptor is not None
        }

    async def _allowed(self, tenant: str, task: UUID, made: Plan, *, fresh: bool) -> Plan | Unfit:
        """The edited plan if policy would let it wait for a person; else why not.

        It is weighed again when it is written. What must be rehearsed is not held against it: that
        is done before.
        """
        written = await self._service.views.task.load(stream(tenant, "task", task), fresh=True)
        policy = await self._engines.current(fresh=fresh)
        grounds, _ = await self._grounding.of(tenant, task, written.version, made, fresh=fresh)
        weighed = weigh_plan(made, grounds, policy.engine)
        for problem in weighed.problems:
            if problem.rule != _REHEARSED_BEFORE:
                told = f"policy would refuse the plan: {problem.rule}: {problem.message}"
                return Unfit("changes", told[:4000])
        return made

    async def _plan(self, tenant: str, gate: Gate) -> Plan | None:
        required = gate.required
        if required is None:
            return None
        return await self._service.plans.get(tenant, required.document, required.plan_hash)

    async def _editor(
        self, order: Order[PlanEdit], gate: Gate, plan: Plan | None, *, fresh: bool
    ) -> Editor:
        """Who edits: whoever might decide on the plan if nobody had a hand in it.

        A hand in the plan shuts nobody out: it shuts its owner out from approving, as will this.
        """
        editor = Editor(order.principal, order.authtype)
        known = await self._directory.find(order.tenant, order.principal, fresh=fresh)
        if known is not None:
            editor = replace(
                editor,
                actor=known.mapped.actor,
                name=known.mapped.name,
                version=known.version,
                roles=known.mapped.roles,
                reads=((known.stream, known.version),),
            )
        required = gate.required
        if plan is None or required is None:
            return editor
        policy = await self._engines.current(fresh=fresh)
        roles = (*required.roles, *gate.escalated)
        question = Question("voice", "approve", roles, order.authtype, known)
        asked = self._voters.ask(policy.engine, order.tenant, plan, question, _NOBODYS)
        denials = tuple(denial.message for denial in asked.verdict.denials)
        if not asked.verdict.allow and not denials:
            denials = ("policy does not allow it",)
        if known is not None and known.mapped.disabled:
            # Whatever the policy in force makes of it.
            denials = (*denials, f"the access of {known.mapped.name} is switched off")
        return replace(
            editor,
            denials=denials,
            evidence=(asked.evidence,),
            reads=(*editor.reads, policy.read),
        )


def _unstorable(command: PlanEdit, finder: Finder) -> Refusal | None:
    """Why a value must not be stored as it is. There is no vault here that could keep it."""
    for place, change in enumerate(command.changes):
        where = f"changes.{place}.value"
        try:
            refuse_secrets({change.argument.split(".")[-1]: change.value})
            search = Pseudonyms(finder, _NO_KEY, foreign=True)
            search.value(change.value)
        except RedactError as error:
            return Refusal("secret", str(error), where)
        if search.found:
            kind = next(iter(search.found.values())).kind
            told = f"it looks like personal data ({kind}): have the task asked for anew with it"
            return Refusal("personal_data", told, where)
    return None
