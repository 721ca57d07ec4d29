"""Plans in a line, and the small made-up tools that they use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from smartops.contracts.canonical import digest
from smartops.contracts.ids import principal
from smartops.contracts.plan import AgentRef, Phase, Plan, PlanHeader, Requester, Step, UndoTemplate
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import (
    Category,
    Check,
    Environment,
    Idempotence,
    JsonObject,
    Risk,
    Scope,
)

__all__ = [
    "CHECKS",
    "REQUESTER",
    "TASK",
    "TENANT",
    "phase",
    "plan",
    "step",
    "tool",
]

TENANT = "acme"
TASK = UUID("11111111-1111-5111-8111-111111111111")
REQUESTER = Requester(principal=principal("local", "operator"), authtype="local")

CHECKS = (
    Check(type="http_200", window_ms=1000, interval_ms=500),
    Check(type="error_rate", threshold="< 1%", window_ms=1000, interval_ms=500),
)
"""Three samples each."""


def tool(
    name: str = "patch",
    *,
    category: Category = Category.REVERSIBLE,
    idempotence: Idempotence = Idempotence.IDEMPOTENT,
    undo: str | None = "unpatch",
    version: str = "1",
    timeout_ms: int = 5000,
) -> ToolDescriptor:
    """A made-up tool."""
    return ToolDescriptor(
        name=name,
        version=version,
        description="made up",
        category=category,
        risk=Risk.READ_ONLY if category is Category.READ else Risk.STATE_CHANGE_PROD,
        scope=Scope.ASSET,
        idempotence=idempotence,
        timeout_ms=timeout_ms,
        undo_tool=undo if category is Category.REVERSIBLE else None,
        input_schema={},
        output_schema={},
    )


def step(
    target: str,
    used: ToolDescriptor | None = None,
    *,
    phase: str = "p",
    arguments: JsonObject | None = None,
    undo: bool = True,
) -> Step:
    """One action on one target, with a way back if its tool has one."""
    used = used or tool()
    template = None
    if undo and used.undo_tool is not None:
        template = UndoTemplate(
            tool=used.undo_tool, version="1", arguments={"version": {"$before": "version"}}
        )
    return Step(
        id=f"{phase}/{used.name}/{target}",
        tool=used.name,
        version=used.version,
        schema_digest=used.digest(),
        category=used.category,
        target=target,
        arguments=arguments or {"asset": target},
        undo=template,
    )


def phase(
    *steps: Step,
    name: str = "p",
    parallelism: int = 1,
    sequential: bool = False,
    checks: Sequence[Check] = (),
    wait_ms: int = 0,
    rollback_if: str | None = None,
    **fields: Any,
) -> tuple[Phase, tuple[Step, ...]]:
    """Steps that share a fate; what is watched by checks has a condition, too."""
    if rollback_if is None:
        rollback_if = "error_rate > 1%" if checks else ""
    made = Phase(
        name=name,
        steps=tuple(member.hash() for member in steps),
        order="sequential" if sequential else "parallel",
        parallelism=parallelism,
        wait_ms=wait_ms,
        checks=tuple(checks),
        rollback_if=rollback_if,
        **fields,
    )
    return made, steps


def plan(
    *phases: tuple[Phase, tuple[Step, ...]],
    environment: Environment = Environment.PRODUCTION,
    number: int = 1,
    tenant: str = TENANT,
    task: UUID = TASK,
    **fields: Any,
) -> Plan:
    """A plan of phases, each made by `phase`; one harmless step if none is given."""
    chosen = phases or (phase(step("web-01")),)
    return Plan(
        header=PlanHeader(
            task=task,
            number=number,
            tenant=tenant,
            environment=environment,
            type="runbook",
            agent=AgentRef(name="runbook", version="1.0.0"),
            requester=REQUESTER,
            goal="mend what is broken",
            summary="mends what is broken",
            evidence=(digest(b"seen"),),
            total_assets=100,
            phases=tuple(made for made, _ in chosen),
            **fields,
        ),
        steps=tuple(member for _, members in chosen for member in members),
    )
