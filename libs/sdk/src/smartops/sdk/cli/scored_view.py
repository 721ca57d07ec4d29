"""Policy's assessment with its scores, in words; what this release does not know, it says so.

Each piece is taken out of the document as it is shown, and whatever is left at the end is listed
as not understood: so nothing that was hashed can hide by being new or misshapen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from rich.text import Text
from smartops.sdk.cli.returned_view import returned_lines
from smartops.sdk.cli.scores_view import quality_lines, radius_lines, risk_lines
from smartops.sdk.cli.taking import Line, Taken, digest_text, plain, said
from smartops.sdk.cli.text import count, duration, listing, one_line
from smartops.sdk.short_id import short

__all__ = ["SCHEMA", "scored_facts"]

SCHEMA = "smartops.assessment.v2"

_SOME = 5
"""Reasons, pieces of evidence and names shown, unless all are asked for."""

_MODES = {
    "plan_only": "plans are made, not carried out",
    "approve_all": "a person decides on every change",
    "canary_only": "one asset, or what begins with a canary, goes by itself",
    "risk_based": "what risks little goes by itself",
    "full_auto": "what is neither high nor critical goes by itself",
}


def scored_facts(assessment: Mapping[str, Any], *, full: bool) -> Iterator[Line]:
    """Labels and values; the risk first, what is not understood last.

    Args:
        assessment: the document, verified against its hash.
        full: every part and every point, not only those that weigh most.
    """
    document = Taken(assessment)
    for said_elsewhere in ("schema_name", "plan_hash", "requires_approval"):
        document.take(said_elsewhere, (str, bool))
    yield from (part := document.part("returned")).shown(returned_lines(part, full=full))
    yield from (part := document.part("risk")).shown(risk_lines(part, full=full))
    yield from (part := document.part("quality_score")).shown(quality_lines(part, full=full))
    yield from (part := document.part("blast_radius")).shown(radius_lines(part))
    yield from _reasons(document, full=full)
    yield from _wanted(document)
    yield from (part := document.part("approval")).shown(_people(part))
    yield from (part := document.part("autonomy")).shown(_autonomy(part))
    yield from (part := document.part("limits")).shown(_limits(part))
    yield from _evidence(document, full=full)
    yield from (part := document.part("policy")).shown(_policy(part, full=full))
    unknown = list(document.left())
    for number, (path, value) in enumerate(unknown):
        text = Text(f"{one_line(path)} = {plain(value, full=full)}", style="yellow")
        yield "" if number else "NOT UNDERSTOOD", text


def _reasons(document: Taken, *, full: bool) -> Iterator[Line]:
    lines, rules = [], []
    for reason in document.take("reasons", list) or ():
        match reason:
            case {"from": str(), "rule": str(rule), "message": str(message), **rest} if not rest:
                rules.append(one_line(rule))
                lines.append(Text(one_line(message)).append(f" ({rules[-1]})", style="dim"))
            case _:
                text = Text(f"not understood: {plain(reason, full=False)}", style="yellow")
                yield "Why ask", text
    for number, line in enumerate(lines if full else lines[:_SOME]):
        yield "" if number else "Why ask", line
    if rules[_SOME:] and not full:
        yield "", Text(f"and by {', '.join(rules[_SOME:])}", style="dim")


def _wanted(document: Taken) -> Iterator[Line]:
    for number, wanted in enumerate(document.take("changes_wanted", list) or ()):
        yield "" if number else "Would be better", Text(said(wanted))


def _people(approval: Taken) -> Iterator[Line]:
    numbers, roles = approval.numbers("quorum"), approval.take("roles", list)
    if numbers is None or roles is None:
        return
    people = "one person" if numbers["quorum"] == 1 else f"{numbers['quorum']} different people"
    held = ", ".join(map(said, roles)) or "approver"
    grave = numbers["quorum"] > 1
    yield "Decided by", Text(f"{people}, with the role {held}", style="bold" if grave else "")


def _autonomy(autonomy: Taken) -> Iterator[Line]:
    mode, numbers = autonomy.take("mode", str), autonomy.numbers("level")
    if mode is None or numbers is None:
        return
    meaning = _MODES.get(mode, "not understood")
    text = Text(f"L{numbers['level']}, {one_line(mode)}")
    yield "Agent may", text.append(f": {meaning}", style="dim")
    modes = autonomy.part("tool_modes").items()
    stricter = [f"{one_line(tool)} {said(its)}" for tool, its in modes if its != mode]
    if stricter:
        yield "", Text(f"stricter: {listing(stricter, _SOME)}")


def _limits(limits: Taken) -> Iterator[Line]:
    most = limits.numbers("max_assets", "max_critical_assets", "risk_threshold", "cooldown_left_ms")
    if most is None:
        return
    whole = (
        f"{most['max_assets']} assets, {most['max_critical_assets']} critical ones; "
        f"risk up to {most['risk_threshold']} where risk decides"
    )
    yield "Limits", Text(whole, style="dim")
    if most["cooldown_left_ms"]:
        rest = duration(timedelta(milliseconds=most["cooldown_left_ms"]))
        yield "", Text(f"its last run here is too recent by {rest}")
    if limits.take("window_blocked", bool):
        yield "", Text("a window is open in which nothing goes by itself")


def _evidence(document: Taken, *, full: bool) -> Iterator[Line]:
    label = "Evidence seen"
    found = document.take("evidence", list) or []
    for one in found if full else found[:_SOME]:
        match one:
            case {
                "tool": str(tool), "call": str(call), "age_ms": int(age_ms),
                "kind": str(), "digest": str(digest), **rest,
            } if not rest:  # fmt: skip
                age = duration(timedelta(milliseconds=age_ms))
                text = Text(f"{one_line(tool)}, {age} before: ")
                text.append(f"smartops call show {one_line(short(call))}", style="cyan")
                if full:
                    text.append(f" {one_line(digest)}", style="dim")
            case _:
                text = Text(f"not understood: {plain(one, full=full)}", style="yellow")
        yield label, text
        label = ""
    if len(found) > _SOME and not full:
        yield "", Text(f"and {len(found) - _SOME} more", style="dim")
    numbers = document.numbers("unconfirmed_evidence")
    if numbers is not None and numbers["unconfirmed_evidence"]:
        claimed = count(numbers["unconfirmed_evidence"], "finding")
        yield label, Text(f"{claimed} of the plan's that NO CALL in the log gave", style="bold red")


def _policy(policy: Taken, *, full: bool) -> Iterator[Line]:
    bundle, engine = policy.take("bundle", str), policy.take("engine", str)
    inputs = policy.part("inputs").items()
    if bundle is None or engine is None:
        return
    text = Text(f"{one_line(engine)}, bundle {digest_text(bundle, full=full)}", style="dim")
    yield "Policy", text
    if full:
        for name, digest in inputs:
            yield "", Text(f"{one_line(name)} input {said(digest)}", style="dim")
