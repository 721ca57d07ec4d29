"""The computed step: registered here like every tool, carried out by the runner alone."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from smartops.contracts.computing import COMPUTE
from smartops.contracts.wire import Category, Idempotence, Risk
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown
from smartops.tool_gateway.tools.base import Arguments, Output, Tool, descriptor

__all__ = ["compute_tools"]


class ComputeArguments(Arguments):
    """Code, and what it works on."""

    code: str
    inputs: dict[str, Any] = Field(default_factory=dict)


class ComputeOutput(Output):
    """Whether the step holds, and why."""

    ok: bool
    detail: str


class NotOurs:
    """Refuses: this process holds secrets and sockets, so it runs nobody's code."""

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        """Say so."""
        return NotApplied(
            "not_carried_out_here",
            f"{outbound.tool} is carried out by the runner, as a step of a plan",
            retryable=False,
        )

    async def close(self) -> None:
        """Nothing to let go of."""


def compute_tools() -> tuple[Tool, ...]:
    """The one tool."""
    described = descriptor(
        COMPUTE,
        "Runs the step's own Python in the runner's sandbox: it sees `inputs`, calls nobody, and "
        "assigns `result`, which says whether the step holds.",
        ComputeArguments,
        ComputeOutput,
        category=Category.READ,
        risk=Risk.PLAN_ONLY,
        idempotence=Idempotence.IDEMPOTENT,
        timeout_ms=10_000,
    )
    return (Tool(described, ComputeArguments, ComputeOutput, NotOurs()),)
