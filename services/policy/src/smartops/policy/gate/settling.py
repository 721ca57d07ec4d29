"""What was decided already: told to who says the same again, and to who says otherwise. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from smartops.contracts.events import Approval
from smartops.policy.gate.state import Gate
from smartops.runtime.decision import Answer, Refusal

__all__ = ["settled"]


def settled(
    gate: Gate, decision: Literal["approve", "reject"], at: datetime | None
) -> Answer | Refusal | None:
    """How the plan at hand was decided on, for who decides on it now; None while nobody has.

    Args:
        gate: with a plan that people were asked about.
        decision: what is said now.
        at: when it was decided.
    """
    when = f" at {at.isoformat(timespec='seconds')}" if at is not None else ""
    required = gate.required
    if required is None:
        return None
    grant = gate.grant if gate.returned is None else None
    if grant is not None and grant.number == required.number:
        how = " by breaking the glass" if grant.break_glass else ""
        names = _names(*grant.approvals) or "policy"
        return _told(decision, "approve", "granted", f"approved by {names}{how}{when}")
    no = [voice.by for voice in gate.voices if voice.decision == "reject"]
    if no:
        return _told(decision, "reject", "rejected", f"rejected by {_names(no[-1])}{when}")
    if gate.outcome is not None:
        return Refusal("decided", f"already decided: {gate.outcome}{when}")
    if gate.cancel is not None or gate.halted is not None:
        return Refusal("stopped", "the task was cancelled or halted")
    if gate.revoked is not None:
        return Refusal("decided", f"already decided: {gate.revoked.reason}{when}")
    return None


def _told(said: str, was: str, outcome: str, told: str) -> Answer | Refusal:
    if said == was:
        return Answer(outcome, f"already {told}")
    return Refusal("decided", f"already {told}: the first decision holds")


def _names(*voices: Approval) -> str:
    return " and ".join(
        voice.actor_name + (f" (for {voice.for_name})" if voice.for_name else "")
        for voice in voices
    )
