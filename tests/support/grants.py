"""Grants of plans."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from smartops.contracts.bounds import Envelope
from smartops.contracts.canonical import digest
from smartops.contracts.events import TaskApprovalGranted
from smartops.contracts.ids import TaskId, run_id
from smartops.contracts.plan import Plan, seal
from support.plans import TASK

__all__ = ["GRANTED_AT", "grant_for"]

GRANTED_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def grant_for(plan: Plan, **fields: Any) -> TaskApprovalGranted:
    """The grant of a plan."""
    plan_hash, document, _ = seal(plan)
    return TaskApprovalGranted.model_validate(
        {
            "number": plan.header.number,
            "plan_hash": plan_hash,
            "document": document,
            "assessment_hash": digest(b"assessment"),
            "grant": 1,
            "run": run_id(TaskId(TASK), plan.header.number, 1),
            "environment": plan.header.environment,
            "automatic": True,
            "approvals": (),
            "bundle": digest(b"bundle"),
            "expires_at": GRANTED_AT + timedelta(hours=4),
            "envelope": Envelope(max_targets=len(plan.changed()), max_calls=10 * len(plan.steps)),
        }
        | fields
    )
