"""Voices handed over: who may speak for whom, where, and until when. Pure.

What is handed over is a voice on plans, under roles that the giver holds himself and as long as he
holds them. Whoever speaks for another has nothing of that one's to hand on: only roles of one's own
can be given.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from smartops.contracts.commands import ApprovalDelegate, DelegationRevoke
from smartops.contracts.events import ActorDelegated, ActorDelegationEnded, ActorMapped
from smartops.contracts.folds import ActorView
from smartops.contracts.wire import Environment
from smartops.policy.gate.quorum import holds
from smartops.runtime.decision import Answer, Decision, Refusal

__all__ = ["BREAK_GLASS", "delegate", "end_delegation", "handed_to"]

BREAK_GLASS = "break-glass"
"""Never handed over: who answers for an emergency is who was trusted with it."""


def handed_to(
    delegations: Iterable[ActorDelegated],
    speaker: UUID,
    environment: Environment,
    held: Iterable[str],
    now: datetime,
) -> tuple[str, ...]:
    """The roles under which somebody may speak for the giver here and now; none: he may not.

    Args:
        delegations: of the giver, but for those that he took back.
        speaker: who would speak.
        environment: of the plan.
        held: roles of the giver as of now; what he lost, nobody has from him.
        now: the database's clock.
    """
    given = {
        role
        for one in delegations
        if one.to == speaker and environment in one.environments and now < one.until
        for role in one.roles
    }
    return tuple(sorted(role for role in given if holds(held, role)))


def delegate(
    giver: ActorView,
    to: ActorMapped | None,
    command: ApprovalDelegate,
    delegation: UUID,
    principal: str,
    now: datetime,
    longest: timedelta,
    reads: tuple[tuple[str, int], ...] = (),
) -> Decision:
    """Hand one's voice to another.

    Args:
        giver: who gives it.
        to: who gets it; None when there is no such actor.
        command: which roles, where, until when.
        delegation: its id.
        principal: the giver's credential.
        now: the database's clock.
        longest: how long it may last at most.
        reads: version of the receiver's stream.
    """
    mapped = giver.mapped
    if mapped is None or mapped.disabled:
        return Decision(refusal=Refusal("unmapped", "only a known, active person has a voice"))
    if principal not in mapped.principals:
        return Decision(refusal=_moved(mapped))
    refusal = _refuse(mapped, to, command, now, longest)
    if refusal is not None or to is None:
        return Decision(refusal=refusal, reads=reads)
    given = ActorDelegated(
        delegation=delegation,
        actor=mapped.actor,
        name=mapped.name,
        principal=principal,
        to=to.actor,
        to_name=to.name,
        roles=tuple(sorted(set(command.roles))),
        environments=tuple(sorted(set(command.environments))),
        until=command.until,
        reason=command.reason,
    )
    return Decision([given], reads=reads)


def end_delegation(giver: ActorView, command: DelegationRevoke, principal: str) -> Decision:
    """Take one's voice back. Only the giver's own are looked at: nobody ends another's."""
    mapped = giver.mapped
    if mapped is None:
        return Decision(refusal=Refusal("unmapped", "only a known person has a voice"))
    if principal not in mapped.principals:
        return Decision(refusal=_moved(mapped))
    if not any(one.delegation == command.delegation for one in giver.delegations):
        if command.delegation in giver.ended:
            return Decision(answer=Answer("ended", "it had been taken back already"))
        told = f"you have handed over no voice {command.delegation}"
        return Decision(refusal=Refusal("not_found", told, "delegation"))
    ended = ActorDelegationEnded(
        delegation=command.delegation,
        actor=mapped.actor,
        principal=principal,
        reason=command.reason,
    )
    return Decision([ended])


def _moved(mapped: ActorMapped) -> Refusal:
    """The credential was the giver's when he was looked up, and was taken away since."""
    return Refusal("unmapped", f"this principal is not mapped to {mapped.name} any more")


def _refuse(
    giver: ActorMapped,
    to: ActorMapped | None,
    command: ApprovalDelegate,
    now: datetime,
    longest: timedelta,
) -> Refusal | None:
    if to is None or to.disabled:
        return Refusal("not_found", f"there is no active actor {command.to}", "to")
    if to.actor == giver.actor:
        return Refusal("own_voice", "your voice is yours already", "to")
    if BREAK_GLASS in command.roles:
        told = f"{BREAK_GLASS} is never handed over"
        return Refusal("not_yours", told, "roles")
    for role in command.roles:
        if not holds(giver.roles, role):
            told = f"you do not hold the role {role} yourself, so you cannot hand it over"
            return Refusal("not_yours", told, "roles")
    if command.until <= now:
        return Refusal("past", "that moment is past", "until")
    if command.until > now + longest:
        latest = (now + longest).isoformat(timespec="seconds")
        return Refusal("too_long", f"until {latest} at most", "until")
    return None
