"""The task decided: understand the intent, ask for evidence, write the plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue, ValidationError
from smartops.contracts.canonical import canonical, digest
from smartops.contracts.commands import IntentSubmit
from smartops.contracts.events import (
    EvidenceRef,
    TaskEvidenceAttached,
    TaskFailed,
    TaskPlanned,
    TaskPlanSuperseded,
    TaskSpecified,
    TaskSubmitted,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus, CallView
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Phase, Plan, PlanHeader, Requester, seal
from smartops.contracts.rehearsing import is_rehearsal
from smartops.contracts.streams import stream
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.watching import problems_of
from smartops.contracts.wire import EventData, Purpose
from smartops.planner.agents import Agent, Misunderstood, choose
from smartops.planner.agents.base import Draft, Question
from smartops.planner.anew import GivesWay, constraints_of, keeping, why_anew, with_edit, within
from smartops.planner.rehearsals import rehearsals_missing, rehearsals_told
from smartops.planner.state import Task, evolve
from smartops.planner.states import states_held, states_missing
from smartops.runtime.decision import NOTHING, Decision, Refusal

__all__ = ["MAX_ATTEMPTS", "GivesWay", "Submission", "answered", "reopen", "submit"]

MAX_ATTEMPTS = 3
"""Attempts at a read before the task fails for want of evidence."""


@dataclass(frozen=True, slots=True)
class Submission:
    """An `intent.submit` command with who sent it."""

    task: UUID
    tenant: str
    key: UUID
    content: str
    """Digest of the command's bytes under the tenant's key."""
    requester: Requester
    command: IntentSubmit
    """Free of secrets and personal data."""
    bare: str = ""
    """The digest without a key, as older events have it."""


def submit(
    task: Task,
    new: Submission,
    agents: Sequence[Agent],
    tools: Mapping[str, ToolDescriptor],
) -> Decision:
    """Accept an intent, understand it, and ask or plan at once."""
    if task.submitted is not None:
        if task.submitted.content in (new.content, new.bare):
            return NOTHING
        return Decision(
            refusal=Refusal("key_reused", "this command id was used with other content", "id")
        )
    command = new.command
    submitted = TaskSubmitted(
        intent=command.intent,
        environment=command.environment,
        context=command.context,
        source=command.source,
        tags=command.tags,
        requester=new.requester,
        command=new.key,
        content=new.content,
    )
    events: list[EventData] = [submitted]
    agent = choose(agents, submitted)
    if isinstance(agent, Misunderstood):
        return Decision([*events, _failed(new.task, agent)])
    unknown = [name for name in agent.tools(submitted) if name not in tools]
    if unknown:
        missing = Misunderstood("validation_error", f"no such tool: {', '.join(unknown)}")
        return Decision([*events, _failed(new.task, missing)])
    spec = agent.specify(submitted)
    if isinstance(spec, Misunderstood):
        return Decision([*events, _failed(new.task, spec)])
    events.append(TaskSpecified(spec=spec))
    questions = agent.questions(submitted, spec)
    if not questions:
        for event in events:
            task = evolve(task, event)
        planned, blobs = _plan(task, new.task, new.tenant, agent, {}, tools)
        return Decision([*events, *planned], blobs=blobs)
    return Decision([*events, *_ask(task, questions, new.task, new.tenant, tools)])


def answered(
    task: Task,
    ident: UUID,
    tenant: str,
    call: CallView,
    output: JsonValue,
    answers: Mapping[str, JsonValue],
    agents: Sequence[Agent],
    tools: Mapping[str, ToolDescriptor],
    now: datetime,
    before: Plan | None = None,
) -> Decision:
    """Take an answer as evidence; once all are there, plan.

    Args:
        task: the state.
        ident: the task's id.
        tenant: whose.
        call: the finished call.
        output: its output, also when too large to travel in the event.
        answers: the evidence already attached, by kind.
        agents: all agents.
        tools: the agent's tools, as registered.
        now: when the evidence was seen.
        before: the plan that is edited, if that is why another one is written.
    """
    submitted = task.submitted
    request = next((r for r in task.asked.values() if r.call == call.call), None)
    if (
        request is None
        or submitted is None
        or task.spec is None
        or not task.writing
        or request.question in task.evidence
    ):
        return NOTHING
    if call.status is not CallStatus.SUCCEEDED:
        return _no_answer(task, ident, tenant, request, call)
    stored = canonical(output)
    found = EvidenceRef(
        digest=digest(stored),
        kind=request.question,
        summary=_summary(request),
        call=request.call,
        captured_at=now,
    )
    attached = TaskEvidenceAttached(evidence=(found,))
    task = evolve(task, attached)
    if len(task.evidence) < len(task.asked):
        return Decision([attached], blobs=[stored])
    agent = choose(agents, submitted)
    if isinstance(agent, Misunderstood):
        return Decision([attached, _failed(ident, agent)], blobs=[stored])
    everything = {**answers, request.question: output}
    planned, blobs = _plan(task, ident, tenant, agent, everything, tools, before)
    return Decision([attached, *planned], blobs=[stored, *blobs])


def reopen(
    task: Task,
    ident: UUID,
    tenant: str,
    told: GivesWay,
    before: Plan | None,
    agents: Sequence[Agent],
    tools: Mapping[str, ToolDescriptor],
) -> Decision:
    """The gate says that a plan gives way to another: write that one.

    Args:
        task: the state.
        ident: the task's id.
        tenant: whose.
        told: the gate's word.
        before: the plan that gives way, if it was edited.
        agents: all agents.
        tools: the plan's or the agent's, as registered.
    """
    if task.submitted is None or task.spec is None or task.planned is None or task.writing:
        return NOTHING
    if task.failed is not None or told.number != task.planned.number:
        return NOTHING
    if isinstance(told, TaskPlanSuperseded) and told.then == "end":
        ended = Misunderstood("plan_stale", told.detail)
        return Decision([_failed(ident, ended, retryable=True)])
    reopened = why_anew(task, told)
    if reopened is None:
        return NOTHING
    task = evolve(task, reopened)
    agent = choose(agents, task.submitted) if task.submitted is not None else None
    if agent is None or isinstance(agent, Misunderstood):
        gone = agent or Misunderstood("parse_error", "nobody has asked for anything")
        return Decision([reopened, _failed(ident, gone)])
    if reopened.edit is None and task.submitted is not None and task.spec is not None:
        wanted = within(task.submitted, reopened.constraints)
        if questions := agent.questions(wanted, task.spec):
            return Decision([reopened, *_ask(task, questions, ident, tenant, tools)])
    events, blobs = _plan(task, ident, tenant, agent, {}, tools, before)
    return Decision([reopened, *events], blobs=blobs)


def _no_answer(
    task: Task, ident: UUID, tenant: str, request: ToolCallRequested, call: CallView
) -> Decision:
    if call.status in (None, CallStatus.DISPATCHED):
        return NOTHING
    made = request.attempt - task.spent.get(request.question, 0)
    if call.retryable and made < MAX_ATTEMPTS:
        attempt = request.attempt + 1
        again = request.model_copy(
            update={
                "attempt": attempt,
                "call": _call(tenant, ident, request.question, attempt),
            }
        )
        return Decision([again])
    failed = TaskFailed(
        task=ident,
        error_code="rehearsal_failed" if is_rehearsal(request.question) else "no_evidence",
        message=f"{_summary(request)}: {call.error_code}: {call.message}"[:4000],
        retryable=call.retryable,
    )
    return Decision([failed])


def _summary(request: ToolCallRequested) -> str:
    about = "rehearsal by " if is_rehearsal(request.question) else ""
    return f"{about}{request.tool} on {request.target}"


def _ask(
    task: Task,
    questions: Sequence[Question],
    ident: UUID,
    tenant: str,
    tools: Mapping[str, ToolDescriptor],
) -> list[EventData]:
    asked: list[EventData] = []
    for question in questions:
        # What was asked for an earlier plan has its answer: another look is another call.
        attempt = 1 + task.attempts.get(question.kind, 0)
        asked.append(
            ToolCallRequested(
                task=ident,
                call=_call(tenant, ident, question.kind, attempt),
                purpose=Purpose.EVIDENCE,
                tool=question.tool,
                version=tools[question.tool].version,
                target=question.target,
                question=question.kind,
                attempt=attempt,
                arguments=question.arguments,
            )
        )
    return asked


def _plan(
    task: Task,
    ident: UUID,
    tenant: str,
    agent: Agent,
    answers: Mapping[str, JsonValue],
    tools: Mapping[str, ToolDescriptor],
    before: Plan | None = None,
) -> tuple[list[EventData], list[bytes]]:
    """The plan, what is to be rehearsed before there is one, or why there will be none."""
    plan: Plan | Misunderstood | tuple[Question, ...]
    if task.reopened is not None and task.reopened.edit is not None:
        plan = with_edit(task, task.reopened, before, tools)
    else:
        plan = _draft(task, ident, tenant, agent, answers, tools)
    if isinstance(plan, Misunderstood):
        return [_failed(ident, plan)], []
    if isinstance(plan, tuple):
        return _ask(task, plan, ident, tenant, tools), []
    missing = rehearsals_missing(plan.steps, task.evidence, tools)
    if isinstance(missing, Misunderstood):
        return [_failed(ident, missing)], []
    if missing:
        return _ask(task, missing, ident, tenant, tools), []
    plan_hash, document_digest, document = seal(plan)
    planned = TaskPlanned(
        number=plan.header.number,
        plan_hash=plan_hash,
        document=document_digest,
        type=plan.header.type,
        summary=plan.header.summary,
        environment=plan.header.environment,
        targets=len(plan.targets()),
        steps=len(plan.steps),
    )
    return [planned], [document]


def _draft(
    task: Task,
    ident: UUID,
    tenant: str,
    agent: Agent,
    answers: Mapping[str, JsonValue],
    tools: Mapping[str, ToolDescriptor],
) -> Plan | Misunderstood | tuple[Question, ...]:
    """The agent's plan, why there is none, or what must be looked at before."""
    submitted, spec = task.submitted, task.spec
    if submitted is None or spec is None:
        raise ValueError("a plan needs a specified task")
    constraints = constraints_of(task)
    wanted = within(submitted, constraints)
    draft = agent.draft(wanted, spec, answers, tools, constraints)
    if isinstance(draft, Misunderstood):
        return draft
    if draft.look_first:
        steps = [step for phase in draft.phases for step in phase.steps]
        if unseen := states_missing(steps, task.evidence, tools):
            return unseen
        draft = replace(draft, preconditions=states_held(steps, answers, tools))
    try:
        plan = _bind(draft, task, ident, tenant, agent)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return _unsound(agent, where, first["msg"])
    if problems := problems_of(plan):
        return _unsound(agent, *problems[0])
    return plan if not constraints.given else keeping(plan, constraints)


def _bind(draft: Draft, task: Task, ident: UUID, tenant: str, agent: Agent) -> Plan:
    if task.submitted is None or task.spec is None:
        raise ValueError("a plan needs a specified task")
    steps = tuple(step for phase in draft.phases for step in phase.steps)
    header = PlanHeader(
        task=ident,
        number=1 + (task.planned.number if task.planned is not None else 0),
        tenant=tenant,
        environment=task.spec.environment,
        type=draft.type,
        agent=agent.ref,
        requester=task.submitted.requester,
        goal=task.spec.goal,
        summary=rehearsals_told(draft.summary, steps, task.evidence),
        evidence=tuple(found.digest for found in task.evidence.values()),
        preconditions=draft.preconditions,
        total_assets=draft.total_assets,
        approval_requested=task.submitted.context.approval,
        maintenance=draft.maintenance,
        max_run_ms=draft.max_run_ms,
        on_timeout=draft.on_timeout,
        rollback_timeout_ms=draft.rollback_timeout_ms,
        phases=tuple(
            Phase(
                name=phase.name,
                steps=tuple(step.hash() for step in phase.steps),
                order="parallel" if phase.parallel else "sequential",
                parallelism=phase.parallelism,
                wait_ms=phase.wait_ms,
                checks=phase.checks,
                rollback_if=phase.rollback_if,
                batch=phase.batch,
                watch_ms=phase.watch_ms,
                maintenance=phase.maintenance,
                timeout_ms=phase.timeout_ms,
                on_timeout=phase.on_timeout,
            )
            for phase in draft.phases
        ),
    )
    return Plan(header=header, steps=steps)


def _unsound(agent: Agent, where: str, why: str) -> Misunderstood:
    """A draft that no run could follow: the agent's mistake, told before anybody is asked."""
    message = f"the plan of {agent.ref.name} {agent.ref.version} is unsound: {where}: {why}"
    return Misunderstood("validation_error", message[:4000])


def _failed(ident: UUID, why: Misunderstood, *, retryable: bool = False) -> TaskFailed:
    return TaskFailed(
        task=ident, error_code=why.code, message=why.message[:4000], retryable=retryable
    )


def _call(tenant: str, ident: UUID, question: str, attempt: int) -> UUID:
    return call_id(stream(tenant, "task", ident), question, Purpose.EVIDENCE, attempt)
