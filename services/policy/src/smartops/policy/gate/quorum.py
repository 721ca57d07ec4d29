"""Whether enough people agreed: distinct, uninvolved, and with the roles that were asked. Pure.

Voices are counted in the order in which they were heard. One counts if nobody who stands behind it
(who spoke, and for whom) stands behind one that counts already: a person with two credentials, or
one who speaks for another and that other himself, are one voice. Counting in order makes it
monotonous: a further yes never takes one away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from smartops.contracts.events import ActorMapped, Approval, TaskApprovalRequired

__all__ = ["APPROVER", "SENIOR", "Tally", "holds", "lapsed", "tally"]

APPROVER = "approver"
SENIOR = "senior-approver"
"""Counts as an approver, too."""


def holds(roles: Iterable[str], role: str) -> bool:
    """Whether somebody with these roles may speak as one with that role."""
    held = set(roles)
    return role in held or (role == APPROVER and SENIOR in held)


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a quorum has come."""

    counted: tuple[Approval, ...]
    missing: int
    """Voices still needed, by number."""
    wanted: tuple[str, ...]
    """Roles that none of the counted voices holds."""

    @property
    def reached(self) -> bool:
        """Enough people, and each role among them."""
        return not self.missing and not self.wanted

    def persons(self) -> frozenset[UUID]:
        """Everybody who stands behind a voice that counts."""
        return frozenset().union(*(voice.persons for voice in self.counted))


def tally(
    required: TaskApprovalRequired,
    escalated: Sequence[str],
    voices: Iterable[Approval],
    involved: frozenset[UUID] = frozenset(),
) -> Tally:
    """Count the voices that said yes.

    Args:
        required: how many, and which roles.
        escalated: roles that were asked later. Whoever holds one stands in for every role that was
            asked, but is still one voice: an escalation never lowers the number.
        voices: in the order in which they were heard.
        involved: actors who had a hand in the plan; whatever stands behind them does not count.
    """
    counted: list[Approval] = []
    persons: set[UUID] = set(involved)
    for voice in voices:
        if persons.isdisjoint(voice.persons) and _speaks(required, escalated, voice):
            counted.append(voice)
            persons |= voice.persons
    stand_ins = any(holds(_roles(required, voice), role) for voice in counted for role in escalated)
    wanted = tuple(
        role
        for role in required.roles
        if not stand_ins and not any(holds(_roles(required, voice), role) for voice in counted)
    )
    return Tally(tuple(counted), max(0, required.quorum - len(counted)), wanted)


def lapsed(
    required: TaskApprovalRequired,
    escalated: Sequence[str],
    voices: Iterable[Approval],
    people: Mapping[UUID, ActorMapped],
) -> tuple[Approval, ...]:
    """The voices that do not count by now, while others are awaited.

    Somebody behind them is switched off, or the one whose voice it is lacks a role that it was
    counted under. Under what he still holds he may say it anew; with the role back it counts as it
    did.

    Args:
        required: what was asked.
        escalated: roles that were asked later.
        voices: said so far.
        people: whoever stands behind them, as of now; who is missing is nobody any more.
    """
    asked = (*required.roles, *escalated)

    def stands(voice: Approval) -> bool:
        behind = [people.get(person) for person in voice.persons]
        if any(one is None or one.disabled for one in behind):
            return False
        held = people[voice.for_actor or voice.actor].roles
        counted = [one for one in _roles(required, voice) if any(holds((one,), r) for r in asked)]
        return all(holds(held, role) for role in counted)

    return tuple(voice for voice in voices if not stands(voice))


def _speaks(required: TaskApprovalRequired, escalated: Sequence[str], voice: Approval) -> bool:
    asked = (*required.roles, *escalated)
    return any(holds(_roles(required, voice), role) for role in asked)


def _roles(required: TaskApprovalRequired, voice: Approval) -> tuple[str, ...]:
    # Voices from before roles were noted had been let through for the one role asked then.
    return voice.roles or (required.role,)
