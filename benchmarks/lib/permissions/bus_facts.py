"""What there is on the bus, and whose it is. Written by hand from the design, not derived.

Whoever adds a topic, a command or a durable says here, too, who may use it: what the servers or the
catalogue know and this page does not is a violation, and the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "APPROVER",
    "AUDIT",
    "COMMANDS",
    "CREDENTIALS",
    "DURABLES",
    "GATEWAY",
    "HERE",
    "LOGGED",
    "MONITOR",
    "NOT_SAID",
    "OPERATOR",
    "PEOPLE",
    "PLANNER",
    "POLICY",
    "PROVISIONER",
    "RESERVED",
    "RUNNER",
    "SAID_BY",
    "SERVICES",
    "STREAMS",
    "TENANTS",
]

PLANNER, POLICY, RUNNER, GATEWAY, AUDIT = "planner", "policy", "runner", "tool_gateway", "audit"
OPERATOR, APPROVER = "operator", "approver"
PROVISIONER, MONITOR = "provisioner", "monitor"

SERVICES = (PLANNER, POLICY, RUNNER, GATEWAY, AUDIT)
LOGGED = (PLANNER, POLICY, RUNNER, GATEWAY)
"""Those whose events stand in the log; they say them again when the stream has lost them."""
PEOPLE = (OPERATOR, APPROVER)
CREDENTIALS = (*SERVICES, *PEOPLE, PROVISIONER, MONITOR)

HERE = "acme"
"""The tenant of both people."""
TENANTS = (HERE, "globex", "_platform")

SAID_BY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # The planner turns intents into plans, and asks for evidence.
        "task.submitted": (PLANNER,),
        "task.specified": (PLANNER,),
        "task.evidence.attached": (PLANNER,),
        "task.planned": (PLANNER,),
        # Planning may fail, and so may a run.
        "task.failed": (PLANNER, RUNNER),
        # Reads for evidence, and the steps of a run.
        "tool.call.requested": (PLANNER, RUNNER),
        # The gate: may this plan run, and who says so?
        "task.plan.validated": (POLICY,),
        "task.plan.refused": (POLICY,),
        "task.approval.required": (POLICY,),
        "task.approval.recorded": (POLICY,),
        "task.approval.granted": (POLICY,),
        "task.approval.rejected": (POLICY,),
        "task.approval.expired": (POLICY,),
        "task.grant.revoked": (POLICY,),
        "task.cancel.requested": (POLICY,),
        "task.halted": (POLICY,),
        # People asked again, and higher up; one of them alone.
        "task.approval.reminded": (POLICY,),
        "task.approval.escalated": (POLICY,),
        "task.break_glass.used": (POLICY,),
        # A plan gives way to another: the gate says so, the planner writes the next.
        "task.plan.edit.accepted": (POLICY,),
        "task.plan.superseded": (POLICY,),
        "task.preconditions.stale": (RUNNER,),
        # What policy denies under way comes back to the gate.
        "task.plan.returned": (POLICY,),
        # A grant that holds while a condition does.
        "task.condition.checked": (RUNNER,),
        "task.reopened": (PLANNER,),
        # Before there is a run the gate ends the task, afterwards the run does.
        "task.cancelled": (POLICY, RUNNER),
        # Who is who, which bundle holds, how much an agent may do by itself.
        "actor.mapped": (POLICY,),
        "policy.bundle.activated": (POLICY,),
        "policy.bundle.proposed": (POLICY,),
        "policy.bundle.signed": (POLICY,),
        "policy.bundle.shadowed": (POLICY,),
        "autonomy.changed": (POLICY,),
        "autonomy.default.set": (POLICY,),
        # Words that people give beforehand.
        "actor.delegated": (POLICY,),
        "actor.delegation.ended": (POLICY,),
        "standing.given": (POLICY,),
        "standing.used": (POLICY,),
        "standing.revoked": (POLICY,),
        # The run, phase by phase.
        "task.started": (RUNNER,),
        "task.phase.started": (RUNNER,),
        "task.health.checked": (RUNNER,),
        "task.phase.completed": (RUNNER,),
        "task.computation.requested": (RUNNER,),
        "task.computation.ended": (RUNNER,),
        "task.batch.completed": (RUNNER,),
        "task.waiting": (RUNNER,),
        "task.stopping": (RUNNER,),
        "task.paused": (RUNNER,),
        "task.resumed": (RUNNER,),
        "task.rollback.started": (RUNNER,),
        "task.rolled_back": (RUNNER,),
        "task.completed": (RUNNER,),
        "task.escalated": (RUNNER,),
        # What became of a call.
        "tool.call.denied": (GATEWAY,),
        "tool.call.dispatched": (GATEWAY,),
        "tool.call.completed": (GATEWAY,),
        "tool.call.failed": (GATEWAY,),
        "tool.call.uncertain": (GATEWAY,),
        "tool.call.settled": (GATEWAY,),
        "tool.registered": (GATEWAY,),
        # Each service refuses commands that are addressed to it; audit is told none.
        "command.refused": (PLANNER, POLICY, RUNNER, GATEWAY),
        # Whoever says again what was decided hears that it was.
        "command.answered": (POLICY,),
        # Each service tells how another try at what it had parked ended.
        "parked.retried": (PLANNER, POLICY, RUNNER, GATEWAY),
        # What was done with personal data, by whom and why; never a value.
        "pii.revealed": (GATEWAY,),
        "pii.erased": (GATEWAY,),
        "audit.appended": (AUDIT,),
    }
)
"""Who says which event on the bus."""

NOT_SAID = (
    "task.step.settled",
    "task.step.withheld",
    "task.condition.bound",
    "target.claimed",
    "target.released",
    "limit.leased",
    "limit.returned",
    "track.noted",
    "policy.shadow.compared",
)
"""Events of the log that are nobody's business on the bus."""

RESERVED = (
    "task.clarification.required",
    "agent.registered",
    "agent.promoted",
    "agent.rolled_back",
    "notification.sent",
    "notification.failed",
)
"""Topics with a name and no sayer yet."""

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "intent.submit": PLANNER,
        "approval.decide": POLICY,
        "autonomy.raise": POLICY,
        "autonomy.lower": POLICY,
        "plan.edit": POLICY,
        "approval.break_glass": POLICY,
        "approval.delegate": POLICY,
        "delegation.revoke": POLICY,
        "standing.give": POLICY,
        "standing.revoke": POLICY,
        "bundle.propose": POLICY,
        "bundle.sign": POLICY,
        "bundle.activate": POLICY,
        "bundle.shadow": POLICY,
        "task.cancel": POLICY,
        "grant.revoke": POLICY,
        "run.halt": POLICY,
        "run.pause": RUNNER,
        "run.resume": RUNNER,
        "parked.retry_planner": PLANNER,
        "parked.retry_policy": POLICY,
        "parked.retry_runner": RUNNER,
        "parked.retry_tool_gateway": GATEWAY,
        # The service that sent the call; it asks for the role.
        "call.settle": GATEWAY,
        # The service that holds the vault's key; it asks for the role.
        "call.reveal": GATEWAY,
        "pii.erase": GATEWAY,
    }
)
"""Who decides which command; anybody with a name of its own may give it."""

STREAMS = ("SMARTOPS", "SMARTOPS_COMMANDS", "SMARTOPS_DLQ")

DURABLES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "planner-intents": ("SMARTOPS_COMMANDS", PLANNER),
        "planner-evidence": ("SMARTOPS", PLANNER),
        "policy-plans": ("SMARTOPS", POLICY),
        "policy-breaches": ("SMARTOPS", POLICY),
        "policy-decisions": ("SMARTOPS_COMMANDS", POLICY),
        "policy-controls": ("SMARTOPS_COMMANDS", POLICY),
        "runner-grants": ("SMARTOPS", RUNNER),
        "runner-calls": ("SMARTOPS", RUNNER),
        "runner-gate": ("SMARTOPS", RUNNER),
        # The runner asks itself: what it computes is asked for by an event of its own.
        "policy-outcomes": ("SMARTOPS", POLICY),
        "planner-incidents": ("SMARTOPS", PLANNER),
        "planner-replans": ("SMARTOPS", PLANNER),
        "policy-bundles": ("SMARTOPS_COMMANDS", POLICY),
        "policy-edits": ("SMARTOPS_COMMANDS", POLICY),
        "policy-preconditions": ("SMARTOPS", POLICY),
        "policy-conditions": ("SMARTOPS", POLICY),
        "policy-returns": ("SMARTOPS", POLICY),
        "policy-emergencies": ("SMARTOPS_COMMANDS", POLICY),
        "policy-mandates": ("SMARTOPS_COMMANDS", POLICY),
        "policy-autonomy": ("SMARTOPS_COMMANDS", POLICY),
        "runner-computations": ("SMARTOPS", RUNNER),
        "runner-controls": ("SMARTOPS_COMMANDS", RUNNER),
        "tool_gateway-calls": ("SMARTOPS", GATEWAY),
        "tool_gateway-stops": ("SMARTOPS", GATEWAY),
        "tool_gateway-settlements": ("SMARTOPS_COMMANDS", GATEWAY),
        "tool_gateway-privacy": ("SMARTOPS_COMMANDS", GATEWAY),
        "planner-parked": ("SMARTOPS_COMMANDS", PLANNER),
        "policy-parked": ("SMARTOPS_COMMANDS", POLICY),
        "runner-parked": ("SMARTOPS_COMMANDS", RUNNER),
        "tool_gateway-parked": ("SMARTOPS_COMMANDS", GATEWAY),
    }
)
"""The stream of each durable, and who pulls it."""
