"""May this call go out? Request, grant, arguments and policy, in this order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pydantic import ValidationError
from smartops.contracts.events import CallFacts, Decided, PolicyInForce
from smartops.contracts.wire import Purpose
from smartops.policy_engine import GrantInput, ToolCallInput
from smartops.redact import RedactError, resolve
from smartops.tool_gateway.bundle import ActiveBundle
from smartops.tool_gateway.checks import (
    Denial,
    Permit,
    check_attempt,
    check_read,
    check_step,
    check_undo,
)
from smartops.tool_gateway.context import Context
from smartops.tool_gateway.secrets import Secrets
from smartops.tool_gateway.tools import Tool

__all__ = ["Assessor"]


class Assessor:
    """Assesses calls; reads nothing but what the context holds, and the secrets.

    Args:
        bundle: the policy in force.
        secrets: what references in arguments stand for.
        now: the database's clock.
    """

    def __init__(self, bundle: ActiveBundle, secrets: Secrets, now: Callable[[], datetime]) -> None:
        self._bundle = bundle
        self._secrets = secrets
        self._now = now

    def check(self, context: Context, tool: Tool | None) -> tuple[Permit, CallFacts] | Denial:
        """The permit and what is recorded of it, or why not."""
        request = context.request
        known = tool.descriptor if tool is not None else None
        match request.purpose:
            case Purpose.EVIDENCE | Purpose.OBSERVE:
                permit = check_read(request, known)
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
                permit = check_undo(request, context.run, context.gate, context.undone)
        if isinstance(permit, Denial):
            return permit
        if (denial := check_attempt(request, context.earlier)) is not None:
            return denial
        if tool is None:
            return Denial("unknown_tool", "gateway.registry", f"{request.tool} is not registered")
        try:
            # Resolved for the check and then forgotten: what is stored are the references.
            resolved = resolve(permit.arguments, self._secrets.lookup)
        except RedactError as error:
            return Denial("missing_secret", "gateway.secrets", str(error))
        try:
            tool.arguments.model_validate(resolved)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            return Denial("bad_arguments", "gateway.arguments", f"{where}: {first['msg']}")
        return self._policy(context, tool, permit)

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
        verdict = self._bundle.decide(asked)
        engine = f"{verdict.engine} {verdict.engine_version}"
        if not verdict.allow:
            first, *others = verdict.denials
            return Denial(
                "policy",
                first.rule,
                first.message,
                tuple((other.rule, other.message) for other in others),
                PolicyInForce(bundle=verdict.bundle_digest, engine=engine),
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
        return permit, facts


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
