"""People at a gate, and what they say there: for tests of who may let a plan run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from smartops.contracts.bounds import Limits
from smartops.contracts.canonical import digest
from smartops.contracts.commands import ApprovalBreakGlass, ApprovalDecide
from smartops.contracts.events import (
    Approval,
    Involved,
    Prompt,
    StandingGiven,
    TaskApprovalRequired,
    TaskPlanned,
    TaskPlanValidated,
)
from smartops.contracts.ids import actor_id, principal
from smartops.contracts.plan import Plan, seal
from smartops.contracts.standing import StandingClass
from smartops.contracts.wire import Environment, RiskLevel
from smartops.policy import domain
from smartops.policy.domain import Terms, Voter, Weighed
from smartops.policy.gate.prompting import Schedule
from smartops.policy.gate.state import Gate
from smartops.policy.mandates.offers import Offer, Standing
from smartops.runtime.decision import Decision
from support.plans import TASK, TENANT, plan

__all__ = [
    "ASSESSMENT",
    "NOW",
    "TERMS",
    "Person",
    "breaking",
    "given_word",
    "offer_of",
    "planned",
    "required",
    "validated",
    "voting",
    "weighed",
]

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ASSESSMENT = b'{"risk":"high"}'
BUNDLE = digest(b"bundle")
TERMS = Terms(
    approval_ttl=timedelta(hours=1),
    grant_ttl=timedelta(hours=4),
    schedule=Schedule.parse("0.5", "duty-manager@0.75"),
)


@dataclass(frozen=True)
class Person:
    """Somebody with credentials, and the roles that count for what he says."""

    name: str
    roles: tuple[str, ...] = ("approver",)

    @property
    def actor(self) -> UUID:
        """Who that is."""
        return actor_id(TENANT, self.name)

    def voter(self, *, speaking_for: Person | None = None, **fields: Any) -> Voter:
        """As the directory tells of him; ana asked for the task."""
        known: dict[str, Any] = {
            "principal": principal("local", self.name),
            "authtype": "local",
            "actor": self.actor,
            "name": self.name,
            "version": 3,
            "roles": self.roles,
            "requester_actor": actor_id(TENANT, "ana"),
        }
        if speaking_for is not None:
            known |= {
                "for_actor": speaking_for.actor,
                "for_name": speaking_for.name,
                "roles": speaking_for.roles,
            }
        return Voter(**known | fields)


def planned(made: Plan) -> TaskPlanned:
    """The planner's announcement of a plan."""
    plan_hash, document, _ = seal(made)
    return TaskPlanned(
        number=made.header.number,
        plan_hash=plan_hash,
        document=document,
        type="runbook",
        summary="mends what is broken",
        environment=made.header.environment,
        targets=1,
        steps=1,
    )


def weighed(**fields: Any) -> Weighed:
    """What the pipeline found of a plan that people must decide on."""
    found: dict[str, Any] = {
        "problems": (),
        "requires_approval": True,
        "rules": ("plan.approval.production_write",),
        "bundle": BUNDLE,
        "engine": "regorus 1",
        "assessment": ASSESSMENT,
        "assessment_hash": digest(ASSESSMENT),
        "risk_level": RiskLevel.HIGH,
        "reads": (("_platform/bundle-default", 1),),
    }
    return Weighed(**found | fields)


def validated(made: Plan) -> TaskPlanValidated:
    """Policy lets it run, if people agree."""
    told = planned(made)
    return TaskPlanValidated(
        number=told.number,
        plan_hash=told.plan_hash,
        document=told.document,
        assessment_hash=digest(ASSESSMENT),
        rules=("plan.approval.production_write",),
        bundle=BUNDLE,
        engine="regorus 1",
        requires_approval=True,
    )


def required(made: Plan, **fields: Any) -> TaskApprovalRequired:
    """People are asked about a plan."""
    told = planned(made)
    expires_at = NOW + TERMS.approval_ttl
    roles: tuple[str, ...] = fields.get("roles", ("approver",))
    asked: dict[str, Any] = {
        "number": told.number,
        "plan_hash": told.plan_hash,
        "document": told.document,
        "assessment_hash": digest(ASSESSMENT),
        "environment": made.header.environment,
        "summary": "mends what is broken",
        "risk_level": RiskLevel.HIGH,
        "role": roles[0],
        "roles": roles,
        "quorum": 1,
        "requester": made.header.requester.principal,
        "reasons": ("plan.approval.production_write",),
        "expires_at": expires_at,
        "excluded": (
            Involved(
                principal=made.header.requester.principal,
                actor=actor_id(TENANT, "ana"),
                part="requester",
            ),
        ),
        "prompts": (
            Prompt(kind="remind", at=NOW + TERMS.approval_ttl / 2),
            Prompt(kind="escalate", role="duty-manager", at=NOW + TERMS.approval_ttl * 3 / 4),
        ),
    }
    return TaskApprovalRequired.model_validate(asked | fields)


def voting(
    gate: Gate,
    who: Voter,
    decision: Literal["approve", "reject"] = "approve",
    *,
    made: Plan | None = None,
    now: datetime = NOW,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Decision:
    """Somebody says yes or no to the plan at hand."""
    at_hand = made or plan()
    vote = ApprovalDecide(
        task=TASK,
        plan_hash=at_hand.hash(),
        assessment_hash=digest(ASSESSMENT),
        decision=decision,
        limits=limits,
        for_actor=who.for_actor,
    )
    return domain.decide_vote(gate, TASK, vote, who, at_hand, TERMS, now)


def breaking(gate: Gate, who: Voter, *, made: Plan | None = None, now: datetime = NOW) -> Decision:
    """Somebody lets the plan at hand run alone."""
    at_hand = made or plan()
    command = ApprovalBreakGlass(
        task=TASK,
        plan_hash=at_hand.hash(),
        assessment_hash=digest(ASSESSMENT),
        justification="customers cannot pay, nobody else is awake",
    )
    return domain.break_glass(gate, command, who, at_hand, TERMS, now)


def given_word(giver: Person, **fields: Any) -> StandingGiven:
    """A standing word for what `plan()` asks for."""
    made = plan()
    plans: dict[str, Any] = {
        "agent": made.header.agent.name,
        "tools": tuple(sorted({step.tool for step in made.steps})),
        "environments": (Environment.PRODUCTION,),
        "max_targets": 5,
        "max_risk_level": RiskLevel.HIGH,
    }
    told = {name: fields.pop(name) for name in list(fields) if name in plans}
    word: dict[str, Any] = {
        "standing": actor_id(TENANT, "standing"),
        "by": Approval(
            actor=giver.actor,
            actor_name=giver.name,
            principal=principal("local", giver.name),
            authtype="local",
            actor_version=3,
            roles=giver.roles,
        ),
        "plans": StandingClass.model_validate(plans | told),
        "max_uses": 2,
        "until": NOW + timedelta(days=1),
        "reason": "the nightly ones",
    }
    return StandingGiven.model_validate(word | fields)


def offer_of(standing: Standing, version: int) -> Offer:
    """It, as found in the log."""
    assert standing.given is not None
    where = f"{TENANT}/standing-{standing.given.standing}"
    return Offer(where, version, standing.given, standing.used, standing.given.by)
