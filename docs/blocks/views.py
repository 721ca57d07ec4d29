"""The named views of the read models, with their columns."""

from __future__ import annotations

import re
from collections.abc import Mapping

from blocks.markdown import code, codes, table
from blocks.rights import sql_of

__all__ = ["MEANINGS", "columns", "tables"]

MEANINGS: Mapping[str, str] = {
    "v_tenants": "The tenant: the length of its log, the end of its chain, how far audit verified.",
    "v_actors": "People and machine accounts, with the principals and roles they have.",
    "v_tasks": "Every task, with the one status that people see.",
    "v_plans": "Every plan of a task, with the stored bytes of plan and assessment.",
    "v_approvals": "Decisions asked of people, and those that policy took by itself.",
    "v_runs": "The carrying out of a granted plan.",
    "v_phases": "Phases of a run, with the verdicts of their checks and the grant's condition.",
    "v_tool_calls": "A call that was decided on: what went out, by which rule, what came back.",
    "v_decisions": "What policy decided, with what it was asked: the recorded input's bytes.",
    "v_bundles": "A policy bundle: who proposed and signed it, whether it is `active`; of tenant"
    " `_platform`.",
    "v_shadow": "A stretch of the log that a bundle without authority decided again.",
    "v_tools": "A form in which a tool was registered, one is `current`; of tenant `_platform`.",
    "v_autonomy": "A change of what an agent may do by itself; its scope's newest is `current`.",
    "v_track": "What became of an agent's work with a tool, per version and environment.",
    "v_events": "The tenant's log itself: the bytes of each event and its place in the hash chain.",
    "v_parked": "Triggers that a service gave up, with the reason.",
    "v_unknown_topics": "Topics that no projector knows, counted.",
}
"""What one row of a view is."""


def columns() -> dict[str, list[str]]:
    """The columns of each view, from the statements that create them."""
    statements = re.findall(
        r"create (?:or replace )?view smartops\.(\w+)[^;]*?\bas\s+select\s(.*?)\n\s*from\s",
        sql_of("smartops.audit"),
        re.DOTALL,
    )
    return {name: [_name(part) for part in _split(text)] for name, text in statements}


def tables() -> str:
    """Each view."""
    parts = []
    for name, names in sorted(columns().items()):
        parts.append([code(f"smartops.{name}"), MEANINGS.get(name, ""), codes(names)])
    return table(["view", "a row is", "columns"], parts)


def _split(text: str) -> list[str]:
    """The items of a select list."""
    items, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            items.append(text[start:place])
            start = place + 1
    return [*items, text[start:]]


def _name(item: str) -> str:
    return re.split(r"\s+as\s+|\.", item.strip())[-1].strip()
