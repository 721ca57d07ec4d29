"""No-ops: tools whose calls cost what the platform costs, and nothing else."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from smartops.contracts.wire import Category, Idempotence, Risk
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown
from smartops.tool_gateway.tools.base import Arguments, Output, Tool, descriptor

__all__ = ["noop_tools"]


class NoopArguments(Arguments):
    """Which one of a series; the rest is ballast."""

    n: int = 0
    pad: Annotated[str, Field(max_length=4096)] = ""


class NoopOutput(Output):
    """What went in comes out."""

    n: int
    pad: str


class NoopDriver:
    """Answers at once, here in the process."""

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        """Do nothing, successfully."""
        return Answer(
            {"n": outbound.arguments.get("n", 0), "pad": outbound.arguments.get("pad", "")}
        )

    async def close(self) -> None:
        """Nothing to let go of."""


def noop_tools() -> tuple[Tool, ...]:
    """A read and an idempotent write that both do nothing."""
    driver = NoopDriver()
    read = descriptor(
        "noop",
        "Does nothing, as a read: a step is recorded with its outcome.",
        NoopArguments,
        NoopOutput,
        category=Category.READ,
        risk=Risk.READ_ONLY,
        idempotence=Idempotence.IDEMPOTENT,
    )
    write = descriptor(
        "noop_write",
        "Does nothing, as an idempotent write: dispatched first, then recorded.",
        NoopArguments,
        NoopOutput,
        category=Category.REVERSIBLE,
        risk=Risk.STATE_CHANGE_NONPROD,
        idempotence=Idempotence.IDEMPOTENT,
        undo_tool="noop_write",
        blast_radius=1,
    )
    return (
        Tool(read, NoopArguments, NoopOutput, driver),
        Tool(write, NoopArguments, NoopOutput, driver),
    )
