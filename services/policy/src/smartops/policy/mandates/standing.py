"""Standing words: agreeing beforehand to a class of plans, and taking that back. Pure.

Whether policy lets the giver's word count is asked for each plan that it would let through, on what
is then known of giver and plan. What is refused here could never count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from smartops.contracts.commands import StandingGive, StandingRevoke
from smartops.contracts.events import Approval, StandingGiven, StandingRevoked
from smartops.contracts.wire import Environment
from smartops.policy.gate.quorum import APPROVER, SENIOR, holds
from smartops.policy.mandates.offers import Standing
from smartops.runtime.decision import NOTHING, Answer, Decision, Refusal
from smartops.runtime.people import Known

__all__ = ["Giver", "give", "giver_of", "revoke"]


@dataclass(frozen=True, slots=True)
class Giver:
    """Who gives a standing word, or takes one back."""

    principal: str
    authtype: str
    actor: UUID | None = None
    name: str = ""
    roles: tuple[str, ...] = ()
    disabled: bool = False
    version: int = 0
    reads: tuple[tuple[str, int], ...] = ()


def giver_of(principal: str, authtype: str, known: Known | None) -> Giver:
    """The actor behind a principal, as the directory knows it."""
    if known is None:
        return Giver(principal, authtype)
    mapped = known.mapped
    return Giver(
        principal,
        authtype,
        mapped.actor,
        mapped.name,
        mapped.roles,
        mapped.disabled,
        known.version,
        ((known.stream, known.version),),
    )


def give(
    standing: Standing,
    command: StandingGive,
    ident: UUID,
    giver: Giver,
    now: datetime,
    *,
    longest: timedelta,
    local_permitted: bool,
) -> Decision:
    """Agree beforehand to a class of plans.

    Args:
        standing: nothing, unless the command came twice.
        command: to which, how often, until when.
        ident: of the standing.
        giver: who.
        now: the database's clock.
        longest: how long it may last at most.
        local_permitted: credentials of this machine count for production.
    """
    if standing.given is not None:
        return NOTHING
    refusal = _refuse(command, giver, now, longest, local_permitted=local_permitted)
    if refusal is not None or giver.actor is None:
        return Decision(refusal=refusal, reads=giver.reads)
    given = StandingGiven(
        standing=ident,
        by=Approval(
            actor=giver.actor,
            actor_name=giver.name,
            principal=giver.principal,
            authtype=giver.authtype,
            actor_version=giver.version,
            roles=giver.roles,
        ),
        plans=command.plans,
        max_uses=command.max_uses,
        until=command.until,
        reason=command.reason,
    )
    return Decision([given], reads=giver.reads)


def revoke(standing: Standing, command: StandingRevoke, by: Giver) -> Decision:
    """Take a standing word back: whoever gave it may, and whoever may give one."""
    given = standing.given
    if given is None:
        told = f"there is no standing grant {command.standing}"
        return Decision(refusal=Refusal("not_found", told, "standing"), reads=by.reads)
    if by.actor is None or by.disabled:
        return Decision(refusal=_UNMAPPED, reads=by.reads)
    if by.actor != given.by.actor and not holds(by.roles, APPROVER):
        told = f"it was given by {given.by.actor_name}; taking it back needs the role {APPROVER}"
        return Decision(refusal=Refusal("forbidden", told), reads=by.reads)
    if standing.revoked is not None:
        told = f"{standing.revoked.name} took it back already"
        return Decision(answer=Answer("revoked", told), reads=by.reads)
    revoked = StandingRevoked(
        standing=command.standing,
        principal=by.principal,
        actor=by.actor,
        name=by.name,
        reason=command.reason,
    )
    return Decision([revoked], reads=by.reads)


_UNMAPPED = Refusal("unmapped", "only a known, active person has a voice")


def _refuse(
    command: StandingGive,
    giver: Giver,
    now: datetime,
    longest: timedelta,
    *,
    local_permitted: bool,
) -> Refusal | None:
    if giver.actor is None or giver.disabled:
        return _UNMAPPED
    if not holds(giver.roles, APPROVER):
        return Refusal("forbidden", f"agreeing beforehand needs the role {APPROVER}")
    if Environment.PRODUCTION in command.plans.environments:
        if SENIOR not in giver.roles:
            told = f"agreeing beforehand to changes in production needs the role {SENIOR}"
            return Refusal("forbidden", told, "plans.environments")
        if giver.authtype == "local" and not local_permitted:
            told = "local credentials do not decide on production here"
            return Refusal("forbidden", told, "plans.environments")
    if command.until <= now:
        return Refusal("past", "that moment is past", "until")
    if command.until > now + longest:
        latest = (now + longest).isoformat(timespec="seconds")
        return Refusal("too_long", f"until {latest} at most", "until")
    return None
