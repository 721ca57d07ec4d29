"""Reads what a policy returned, strictly: anything but the agreed shape is no answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from smartops.policy_engine.verdict import MAX_TEXT, POLICY_ERROR, Denial, Entrypoint, Reason

__all__ = ["MAX_FINDINGS", "MAX_TEXT", "Answer", "Undecidable", "read_answer"]

MAX_FINDINGS = 50
"""Denials or reasons kept in one verdict: it is stored in an event. The rules stay complete."""

MAX_QUORUM = 10
"""Most people that one plan can need: more are never found."""

_FIELDS = frozenset({"allow", "requires_approval", "denials", "reasons"})
_GATE_FIELDS = _FIELDS | {"quorum", "roles"}
_MAY_WAIT: tuple[Entrypoint, ...] = ("plan", "gate")


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
    quorum: int = 1
    roles: tuple[str, ...] = ()


def read_answer(entrypoint: Entrypoint, raw: Any) -> Answer:
    """Check shape and consistency of `data.smartops.<entrypoint>.decision`.

    Allowed means: no denial, at least one reason. Denied means: at least one denial. Only a plan
    can wait for an approval, and only the gate says of how many people and which; a call or a vote
    is let through or it is not.

    Raises:
        Undecidable: anything else.
    """
    if raw is None:
        raise Undecidable("the decision is undefined")
    fields = _GATE_FIELDS if entrypoint == "gate" else _FIELDS
    if type(raw) is not dict or frozenset(raw) != fields:
        raise Undecidable(f"the decision is not {{{', '.join(sorted(fields))}}}")
    quorum, roles = _people(raw) if entrypoint == "gate" else (1, ())
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
    if waits and entrypoint not in _MAY_WAIT:
        raise Undecidable(f"a {entrypoint} decision cannot wait for an approval")
    if waits and entrypoint == "gate" and not roles:
        raise Undecidable("an approval is needed, but by nobody in particular")
    return Answer(
        allow=True,
        requires_approval=waits,
        denials=(),
        reasons=tuple(reasons[:MAX_FINDINGS]),
        rules=_rules(reasons),
        quorum=quorum if waits else 1,
        roles=roles if waits else (),
    )


def _people(raw: dict[str, Any]) -> tuple[int, tuple[str, ...]]:
    """How many must agree, and the roles among them."""
    quorum, roles = raw["quorum"], raw["roles"]
    if type(quorum) is not int or not 1 <= quorum <= MAX_QUORUM:
        raise Undecidable(f"the quorum is no whole number from 1 to {MAX_QUORUM}")
    if type(roles) is not list or not all(type(role) is str and role for role in roles):
        raise Undecidable("roles must be an array of strings, none empty")
    return quorum, tuple(sorted({role[:MAX_TEXT] for role in roles}))


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
