"""How far a grant reaches: the envelope that every call made under it must stay within.

The plan says what is to be done, byte for byte. The envelope says how much of it, at most: so many
targets, so many calls, arguments within these bounds, and as long as a condition holds. A person
may draw it closer than the plan; nobody can draw it wider.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field, JsonValue
from smartops.contracts.plan import MAX_STEPS
from smartops.contracts.wire import LongText, ToolName, Wire

__all__ = [
    "LONGEST_CONDITION",
    "MAX_CALLS",
    "OUTSIDE_ENVELOPE",
    "Envelope",
    "EnvelopeV1",
    "Limits",
    "LimitsV1",
    "ParameterBound",
]

OUTSIDE_ENVELOPE = "outside_envelope"
"""The reason code of a call that was denied because its grant does not reach so far."""

MAX_CALLS = 10 * MAX_STEPS
"""Most calls in one envelope: more attempts per step than any runner makes."""

LONGEST_CONDITION = 500
"""Characters of the condition that one person may set."""


class ParameterBound(Wire):
    """Which values one argument of a tool may take."""

    tool: ToolName
    parameter: Annotated[str, Field(min_length=1, max_length=100)]
    one_of: Annotated[tuple[JsonValue, ...], Field(max_length=20)] = ()
    """These values and no others; empty leaves it to `minimum` and `maximum`."""
    minimum: float | None = None
    maximum: float | None = None

    def allows(self, value: JsonValue) -> bool:
        """Whether the value lies within. A bound on numbers allows nothing else, nor a boolean."""
        if self.one_of and not any(_same(value, allowed) for allowed in self.one_of):
            return False
        if self.minimum is None and self.maximum is None:
            return True
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        above = self.minimum is None or value >= self.minimum
        return above and (self.maximum is None or value <= self.maximum)


# It held whatever was measured.
class EnvelopeV1(Wire):
    """What calls of a run may do under its grant. Expiry is the grant's own."""

    max_targets: Annotated[int, Field(ge=0, le=MAX_STEPS)]
    """Assets that may be changed, counted in the order in which the run asks for them."""
    max_calls: Annotated[int, Field(ge=1, le=MAX_CALLS)]
    """Calls that carry out steps, further attempts included. Taking back is not counted."""
    parameters: Annotated[tuple[ParameterBound, ...], Field(max_length=200)] = ()


class Envelope(EnvelopeV1):
    """What calls of a run may do under its grant, and while what holds. Expiry is the grant's."""

    condition: LongText | None = None
    """What must hold while the grant is used; of several approvers, all of theirs joined. None:
    nothing is measured for it."""


# Nobody could say "as long as".
class LimitsV1(Wire):
    """What an approver allows of a plan, where that is less than the plan asks for."""

    max_targets: Annotated[int, Field(ge=1, le=MAX_STEPS)] | None = None
    max_calls: Annotated[int, Field(ge=1, le=MAX_CALLS)] | None = None
    expires_at: AwareDatetime | None = None
    """No call goes out from this moment on."""


class Limits(LimitsV1):
    """What an approver allows of a plan, where that is less than the plan asks for."""

    condition: Annotated[str, Field(min_length=1, max_length=LONGEST_CONDITION)] | None = None
    """What must hold for every target, from the first step on: `error_rate < 1%`. In the grammar of
    `rollback_if`; see `requirement`."""

    @classmethod
    def of(cls, told: LimitsV1) -> Limits:
        """The same, as it is said today."""
        return told if isinstance(told, cls) else cls(**dict(told))

    @property
    def given(self) -> bool:
        """Whether anything is limited."""
        return self != Limits()


def _same(one: JsonValue, other: JsonValue) -> bool:
    """Equal as JSON is: `True` is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
