"""The tools that the gateway ships, from their descriptors."""

from __future__ import annotations

from typing import Any

from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Idempotence
from smartops.tool_gateway.tools import Drivers, compute_tools, control_tools, noop_tools
from smartops.tool_gateway.tools.schemas import reason_codes

from blocks.markdown import code, codes, table

__all__ = ["terms", "tools"]


def tools() -> str:
    """Each tool with its traits and arguments."""
    driver: Any = None
    rows = []
    for tool in (*control_tools(Drivers(*[driver] * 4)), *noop_tools(), *compute_tools()):
        shown = tool.descriptor
        rows.append(
            [
                code(shown.name),
                shown.description,
                shown.category,
                shown.risk,
                _lost(shown),
                code(shown.undo_tool) if shown.undo_tool else "-",
                codes(
                    _argument(name, field) for name, field in tool.arguments.model_fields.items()
                ),
            ]
        )
    head = ["tool", "does", "category", "risk", "after a lost answer", "taken back by", "arguments"]
    return table(head, rows)


def terms() -> str:
    """What calls of writes are held to beyond that."""
    driver: Any = None
    rows = []
    for tool in (*control_tools(Drivers(*[driver] * 4)), *noop_tools(), *compute_tools()):
        shown = tool.descriptor
        if not shown.blast_radius:
            continue
        rate = shown.rate
        rows.append(
            [
                code(shown.name),
                str(shown.blast_radius),
                code(shown.before) if shown.before else "-",
                code(shown.simulate) if shown.simulate else "-",
                codes(reason_codes(shown.input_schema)) if shown.reason_code else "-",
                f"{rate.calls} in {rate.window_ms // 60_000} min" if rate else "-",
                str(shown.concurrency or "-"),
                f"{shown.timeout_ms / 1000:g} s",
            ]
        )
    head = [
        *("tool", "changes at most", "looks before", "rehearsed by", "reason codes", "rate"),
        *("at once", "answers within"),
    ]
    return table(head, rows)


def _lost(tool: ToolDescriptor) -> str:
    match tool.idempotence:
        case Idempotence.PROBEABLE:
            return f"read back by {code(tool.probe or '')}"
        case Idempotence.OPAQUE:
            return "a person decides"
        case _:
            return "asked again"


def _argument(name: str, field: Any) -> str:
    return name if field.is_required() else f"{name}?"
