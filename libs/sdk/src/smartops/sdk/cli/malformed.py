"""What a contract will not have, in the words of the command line: which option, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["complaint"]

_TYPED = frozenset({"Constraints", "Edit", "Limits", "StandingClass"})
"""What people type besides commands."""

_WORDS = {
    "string_too_short": "needs {min_length} characters at least",
    "string_too_long": "may have {max_length} characters at most",
    "too_short": "needs {min_length} at least",
    "too_long": "may have {max_length} at most",
    "string_pattern_mismatch": "{value} is not of the form {pattern}",
}

_CALLED = {
    "intent": "TEXT",
    "tags": "--tag",
    "asset_ids": "--target",
    "exclude_assets": "--exclude",
    "roles": "--role",
    "tools": "--tool",
    "environments": "--environment",
    "max_risk_level": "--max-risk",
    "max_uses": "--uses",
    "expires_at": "--until",
    "condition": "--while",
    "level": "LEVEL",
    "changes": "--set",
    "wait_ms": "--wait",
}
_ARGUMENTS = {("AutonomyRaise", "agent"): "AGENT", ("AutonomyLower", "agent"): "AGENT"}
_INSIDE = frozenset({"context", "scope", "plans", "limits", "constraints"})
"""Parts of commands that no option is called by."""


def complaint(error: ValidationError) -> str | None:
    """The first thing that is wrong with what was typed; None: nobody typed that."""
    from smartops.contracts.catalogue import COMMANDS  # noqa: PLC0415 - help must not wait for it
    from smartops.sdk.cli.text import clip, one_line  # noqa: PLC0415 - the same

    if error.title not in _TYPED.union(spec.data.__name__ for spec in COMMANDS.values()):
        return None
    first = error.errors(include_url=False)[0]
    where = [str(part) for part in first["loc"] if part not in _INSIDE]
    head, *rest = where or ["the command"]
    if head == "phases" and rest:
        head, rest = rest[-1], []  # Of an edit: the pace, by the option that sets it.
    option = _ARGUMENTS.get((error.title, head)) or _CALLED.get(head, _option(head))
    below = f" {'.'.join(rest)}" if rest and not all(part.isdecimal() for part in rest) else ""
    context: dict[str, Any] = dict(first.get("ctx", {}))
    words = _WORDS.get(first["type"], "{said}")
    if context.get("min_length") == 1:
        words = "may not be empty"
    value = clip(repr(one_line(str(first["input"]))), 60)
    return f"{option}{below}: {words.format(said=first['msg'], value=value, **context)}"


def _option(field: str) -> str:
    return field if " " in field else f"--{field.replace('_', '-')}"
