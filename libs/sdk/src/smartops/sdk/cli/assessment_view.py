"""Policy's assessment in words: risk and reach first, and nothing of it left out.

Assessments with scores have a view of their own; those from before are shown as ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text
from smartops.contracts.canonical import canonical
from smartops.contracts.wire import RiskLevel
from smartops.sdk.cli.scored_view import SCHEMA, scored_facts
from smartops.sdk.cli.text import one_line

__all__ = ["assessment_facts", "value_text"]

_GRAVE = frozenset({RiskLevel.HIGH.value, RiskLevel.CRITICAL.value})
_UNSAID = frozenset({"schema_name", "plan_hash", "requires_approval"})
"""Said elsewhere on the card, or by its being shown at all."""

_RADIUS = frozenset({"changed_assets", "total_assets", "percent"})


def assessment_facts(
    assessment: Mapping[str, Any], *, full: bool = False
) -> Iterator[tuple[str, Text]]:
    """Labels and values, all of them: what a card left out, nobody would have agreed to."""
    if assessment.get("schema_name") == SCHEMA:
        yield from scored_facts(assessment, full=full)
        return
    left = {key: value for key, value in assessment.items() if key not in _UNSAID}
    risk = left.pop("risk_level", None)
    if risk is not None:
        yield "Risk", Text(one_line(str(risk)), style="bold red" if risk in _GRAVE else "")
    radius = left.get("blast_radius")
    if isinstance(radius, dict) and radius.keys() >= _RADIUS:
        del left["blast_radius"]
        yield "Blast radius", Text(_reach(radius))
    reasons = left.get("reasons")
    if isinstance(reasons, list) and reasons:
        del left["reasons"]
        for number, reason in enumerate(reasons):
            yield "" if number else "Why ask", _reason(reason)
    for label, text in _flat(left):
        yield label, Text(text, style="dim")


def value_text(value: Any) -> str:
    """A value of a plan on one line; references to what is hidden as what they stand for."""
    match value:
        case {"$before": name}:
            return f"<as before: {one_line(str(name))}>"
        case {"$secret": name}:
            return f"<secret: {one_line(str(name))}>"
        case {"$pii": kind, **_rest}:
            return f"<{one_line(str(kind))}, hidden>"
        case str() if re.fullmatch(r"sha256:[0-9a-f]{64}", value):
            return value[: len("sha256:") + 12] + "…"
        case str():
            return one_line(value)
        case _:
            return one_line(canonical(value).decode())


def _reason(reason: Any) -> Text:
    match reason:
        case {"rule": rule, "message": message}:
            text = Text(one_line(str(message)))
            return text.append(f" ({one_line(str(rule))})", style="dim")
        case _:
            return Text(value_text(reason))


def _reach(radius: Mapping[str, Any]) -> str:
    changed, total, percent = (
        value_text(radius[key]) for key in ("changed_assets", "total_assets", "percent")
    )
    rest = {key: value for key, value in radius.items() if key not in _RADIUS}
    rest.pop("environment", None)
    more = [f"{_words(key)} {value_text(value)}" for key, value in rest.items()]
    return "; ".join([f"{changed} of {total} assets ({percent}%)", *more])


def _flat(values: Mapping[str, Any], root: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        label = f"{root} {_words(key)}".strip()
        if isinstance(value, Mapping) and value:
            yield from _flat(value, label)
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            yield _label(label), ", ".join(map(one_line, value)) or "none"
        else:
            yield _label(label), value_text(value)


def _words(key: str) -> str:
    return one_line(key).replace("_", " ")


def _label(text: str) -> str:
    return text[:1].upper() + text[1:]
