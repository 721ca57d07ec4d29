"""May this call go out? Request, grant, arguments and policy, in this order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError
from smartops.contracts.events import CallFacts, Decided, PolicyInForce, UndoEntitlement
from smartops.contracts.folds import BY_POLICY
from smartops.contracts.wire import Purpose
from smartops.policy_engine import GrantInput, ToolCallInput, ask
from smartops.redact import MissingPersonal, RedactError, resolve
from smartops.tool_gateway.bindings import NotBound
from smartops.tool_gateway.checks import (
    Denial,
    Permit,
    check_attempt,
    check_course,
    check_going,
    check_place,
    check_read,
    check_step,
    check_undo,
)
from smartops.tool_gateway.context import Context
from smartops.tool_gateway.promises import check_promises
from smartops.tool_gateway.reach import check_budget, check_reach
from smartops.tool_gateway.secrets import Secrets, looked_up
from smartops.tool_gateway.tools import Tool

__all__ = ["Assessor"]


class Assessor:
    """Assesses calls; reads nothing but what the context holds, and the secrets.

    Args:
        secrets: what references in arguments stand for.
        now: the database's clock.
        budget: reads that one task may ask for, evidence and samples.
    """

    def __init__(self, secrets: Secrets, now: Callable[[], datetime], budget: int) -> None:
        self._secrets = secrets
        self._now = now
        self._budget = budget

    def check(self, context: Context, tool: Tool | None) -> tuple[Permit, CallFacts] | Denial:
        """The permit and what is recorded of it, or why not."""
        request = context.request
        known = tool.descriptor if tool is not None else None
        if (denial := check_place(request, context.requester_stream, context.run)) is not None:
            return denial
        match request.purpose:
            case Purpose.EVIDENCE | Purpose.OBSERVE:
                permit = check_budget(context.reads_asked, self._budget) or check_read(
                    request, known
                )
            case Purpose.DO:
                permit = check_step(
                    request,
                    known,
                    context.run,
                    context.gate,
                    context.plan,
                    self._now(),
                )
            case Purpose.UNDO:
                permit = check_undo(request, known, context.run, context.gate, context.undone)
        if isinstance(permit, Denial):
            return permit
        if (denial := check_going(context.run)) is not None:
            return denial
        if (denial := check_attempt(request, context.earlier)) is not None:
            return denial
        if (denial := check_course(context.skipped)) is not None:
            return denial
        if (denial := _reach(context, permit)) is not None:
            return denial
        if tool is None:
            return Denial("unknown_tool", "gateway.registry", f"{request.tool} is not registered")
        if (denial := _promises(context, tool, permit)) is not None:
            return denial
        try:
            # Resolved for the check and then forgotten: what is stored are the references.
            resolved = resolve(
                permit.arguments,
                self._secrets.telling(context.tenant, request.tool),
                personal=looked_up(context.personal),
            )
        except NotBound as error:
            return Denial(error.code, "gateway.secrets", str(error))
        except MissingPersonal as error:
            return Denial(error.code, "gateway.vault", str(error))
        except RedactError as error:
            return Denial("missing_secret", "gateway.secrets", str(error))
        try:
            tool.arguments.model_validate(resolved)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            # It may quote what stood for a token, a key of it at least.
            said = self._secrets.keeper.take_out_foreign(
                context.tenant,
                f"{where}: {first['msg']}",
                told=context.personal.values(),
                secret=self._secrets.told(permit.arguments),
                as_text=True,
            )
            return Denial("bad_arguments", "gateway.arguments", said.value)
        return self._policy(context, tool, permit)

    def check_way_back(self, tenant: str, undo: UndoEntitlement) -> Denial | None:
        """Whether what would take a step back is told the secrets that it needs.

        Looked at before the step: once it is done, it is too late to find out.
        """
        try:
            self._secrets.check(tenant, undo.tool, undo.arguments)
        except NotBound as error:
            why = f"it could not be taken back: {error}"
            return Denial(error.code, "gateway.secrets", why)
        return None

    def _policy(
        self, context: Context, tool: Tool, permit: Permit
    ) -> tuple[Permit, CallFacts] | Denial:
        request = context.request
        grant = context.gate.grant
        now = self._now()
        asked = ToolCallInput(
            tenant=context.tenant,
            task=request.task,
            environment=context.environment,
            tool=request.tool,
            version=request.version,
            category=tool.descriptor.category,
            registered=True,
            purpose=request.purpose,
            target=request.target,
            arguments=permit.arguments,
            halted=context.gate.halted is not None,
            undo_owed=context.undone.undo is not None,
            grant=GrantInput(
                valid=permit.step is not None,
                environment=grant.environment,
                expires_at_ms=_milliseconds(grant.expires_at),
                automatic=grant.automatic,
            )
            if grant is not None
            else None,
            now_ms=_milliseconds(now),
        )
        answer = ask(context.policy.engine, "tool_call", asked)
        verdict = answer.verdict
        engine = f"{verdict.engine} {verdict.engine_version}"
        if not verdict.allow:
            first, *others = verdict.denials
            return Denial(
                BY_POLICY,
                first.rule,
                first.message,
                tuple((other.rule, other.message) for other in others),
                PolicyInForce(bundle=verdict.bundle_digest, engine=engine),
                (answer.evidence,),
            )
        facts = CallFacts(
            task=request.task,
            run=request.run,
            requester=context.requester,
            requester_stream=context.requester_stream,
            request=context.event,
            purpose=request.purpose,
            tool=request.tool,
            version=request.version,
            schema_digest=tool.descriptor.digest(),
            target=request.target,
            question=request.question,
            attempt=request.attempt,
            phase=request.phase,
            step=request.step,
            undoes=request.undoes,
            arguments=permit.arguments,
            plan_hash=grant.plan_hash if grant is not None else None,
            grant=grant.grant if grant is not None else None,
            approvers=tuple(voice.actor for voice in grant.approvals) if grant else (),
            policy=Decided(
                allow=True,
                rules=verdict.rules,
                bundle=verdict.bundle_digest,
                engine=engine,
            ),
        )
        return replace(permit, evidence=(answer.evidence,)), facts


def _promises(context: Context, tool: Tool, permit: Permit) -> Denial | None:
    return check_promises(
        tool.descriptor,
        context.request.purpose,
        context.request.target,
        permit.arguments,
        simulated=context.simulated,
    )


def _reach(context: Context, permit: Permit) -> Denial | None:
    """Whether the grant reaches as far as a step; nothing else is under a grant."""
    grant = context.gate.grant
    if permit.step is None or context.plan is None or grant is None or grant.envelope is None:
        return None
    outside = check_reach(context.request, permit.step, context.run, context.plan, grant.envelope)
    return outside or context.unheld


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
