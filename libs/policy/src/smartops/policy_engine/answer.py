"""Reads what a policy returned, strictly: anything but the agreed shape is no answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from smartops.policy_engine.verdict import POLICY_ERROR, Denial, Entrypoint, Reason

__all__ = ["MAX_FINDINGS", "MAX_TEXT", "Answer", "Undecidable", "read_answer"]

MAX_FINDINGS = 50
"""Denials or reasons kept in one verdict: it is stored in an event. The rules stay complete."""

MAX_TEXT = 500
"""Characters kept of a rule id, path or message: they may quote the input."""

_FIELDS = frozenset({"allow", "requires_approval", "denials", "reasons"})


class Undecidable(Exception):
    """Policy or input are not what they must be. Never leaves this library."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A well-shaped decision."""

    allow: bool
    requires_approval: bool
    denials: tuple[Denial, ...]
    reasons: tuple[Reason, ...]
    rules: tuple[str, ...]


def read_answer(entrypoint: Entrypoint, raw: Any) -> Answer:
    """Check shape and consistency of `data.smartops.<entrypoint>.decision`.

    Allowed means: no denial, at least one reason. Denied means: at least one denial. Only a plan
    can wait for an approval; a call or a vote is let through or it is not.

    Raises:
        Undecidable: anything else.
    """
    if raw is None:
        raise Undecidable("the decision is undefined")
    if type(raw) is not dict or frozenset(raw) != _FIELDS:
        raise Undecidable("the decision is not {allow, requires_approval, denials, reasons}")
    allow, waits = raw["allow"], raw["requires_approval"]
    if type(allow) is not bool or type(waits) is not bool:
        raise Undecidable("allow and requires_approval must be true or false")
    denials = sorted(
        (Denial(**entry) for entry in _entries(raw["denials"], ("rule", "path", "message"))),
        key=lambda denial: (denial.rule, denial.path, denial.message),
    )
    reasons = sorted(
        (Reason(**entry) for entry in _entries(raw["reasons"], ("rule", "message"))),
        key=lambda reason: (reason.rule, reason.message),
    )
    if POLICY_ERROR in (*_rules(denials), *_rules(reasons)):
        raise Undecidable(f"the rule id {POLICY_ERROR!r} belongs to the engine")
    if not allow:
        if not denials:
            raise Undecidable("denied, but no rule says why")
        return Answer(
            allow=False,
            requires_approval=True,
            denials=_capped(denials),
            reasons=(),
            rules=_rules(denials),
        )
    if denials:
        raise Undecidable("allowed and denied at once")
    if not reasons:
        raise Undecidable("allowed, but no rule says why")
    if waits and entrypoint != "plan":
        raise Undecidable(f"a {entrypoint} decision cannot wait for an approval")
    return Answer(
        allow=True,
        requires_approval=waits,
        denials=(),
        reasons=tuple(reasons[:MAX_FINDINGS]),
        rules=_rules(reasons),
    )


def _entries(value: Any, fields: tuple[str, ...]) -> list[dict[str, str]]:
    if type(value) is not list:
        raise Undecidable("denials and reasons must be arrays")
    for entry in value:
        if type(entry) is not dict or set(entry) != set(fields):
            raise Undecidable(f"an entry is not {{{', '.join(fields)}}}")
        if not all(type(entry[field]) is str for field in fields) or not entry["rule"]:
            raise Undecidable("an entry's fields must be strings, its rule not empty")
    return [{field: entry[field][:MAX_TEXT] for field in fields} for entry in value]


def _capped(denials: list[Denial]) -> tuple[Denial, ...]:
    if len(denials) <= MAX_FINDINGS:
        return tuple(denials)
    left_out = len(denials) - MAX_FINDINGS + 1
    last = denials[MAX_FINDINGS - 1]
    more = Denial(last.rule, "", f"and {left_out} more denials")
    return (*denials[: MAX_FINDINGS - 1], more)


def _rules(entries: Iterable[Denial | Reason]) -> tuple[str, ...]:
    return tuple(sorted({entry.rule for entry in entries}))
