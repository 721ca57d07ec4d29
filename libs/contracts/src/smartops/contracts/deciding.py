"""What policy decided, as it is recorded: enough to ask the same question again, exactly.

The input itself is a blob of the tenant, stored in the unit that records the decision: references
stand in it for secrets and personal data, never values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from pydantic import Field
from smartops.contracts.wire import Digest, ShortText, Wire, added

__all__ = [
    "Change",
    "Decisions",
    "Evidence",
    "Outcome",
    "PolicyDecision",
    "RuleId",
    "change_between",
]

RuleId = Annotated[str, Field(min_length=1, max_length=500)]
"""A rule as its bundle calls it; no longer than engines let it be."""


class PolicyDecision(Wire):
    """One question to policy, and its answer."""

    entrypoint: Literal["plan", "gate", "tool_call", "approval"]
    input: Digest
    """Of the very bytes that were decided on; they are stored as a blob under it."""
    allow: bool
    requires_approval: bool
    """A person must agree before it goes. Always true on a denial."""
    rules: tuple[RuleId, ...]
    """Of the denials, else of the reasons; sorted."""
    bundle: Digest
    engine: ShortText
    engine_version: ShortText
    quorum: int = added(1, ge=1)
    """How many people must agree, where the question was who."""
    roles: tuple[ShortText, ...] = added(())
    """Which roles must be among them."""


Decisions = Annotated[tuple[PolicyDecision, ...], Field(max_length=100)]
"""What policy was asked before an event was decided; none where it was not asked, and in events
from before inputs were kept."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A decision with the bytes that it was made on, to be stored beside it."""

    decision: PolicyDecision
    input: bytes


class Outcome(Protocol):
    """What counts of an answer: not by which rules it came about."""

    @property
    def allow(self) -> bool:
        """It may be."""

    @property
    def requires_approval(self) -> bool:
        """Once people agree."""

    @property
    def quorum(self) -> int:
        """How many."""

    @property
    def roles(self) -> Sequence[str]:
        """Which roles among them, in any order."""


Change = Literal["allow_to_deny", "deny_to_allow", "now_asks", "asks_no_more", "asks_others"]


def change_between(before: Outcome, after: Outcome) -> Change | None:
    """How two answers to the same question differ for those whom they concern, if they do."""
    if before.allow != after.allow:
        return "allow_to_deny" if before.allow else "deny_to_allow"
    if not after.allow:
        return None
    if before.requires_approval != after.requires_approval:
        return "now_asks" if after.requires_approval else "asks_no_more"
    if (before.quorum, sorted(before.roles)) != (after.quorum, sorted(after.roles)):
        return "asks_others"
    return None
