"""The tools that the gateway ships, from their descriptors."""

from __future__ import annotations

from typing import Any

from smartops.tool_gateway.tools import fleet_tools, noop_tools

from blocks.markdown import code, codes, table

__all__ = ["tools"]


def tools() -> str:
    """Each tool with its traits and arguments."""
    driver: Any = None
    rows = []
    for tool in (*fleet_tools(driver), *noop_tools()):
        shown = tool.descriptor
        rows.append(
            [
                code(shown.name),
                shown.description,
                shown.category,
                shown.idempotence,
                code(shown.undo_tool) if shown.undo_tool else "-",
                codes(
                    _argument(name, field) for name, field in tool.arguments.model_fields.items()
                ),
            ]
        )
    head = ["tool", "does", "category", "after a lost answer", "taken back by", "arguments"]
    return table(head, rows)


def _argument(name: str, field: Any) -> str:
    return name if field.is_required() else f"{name}?"
