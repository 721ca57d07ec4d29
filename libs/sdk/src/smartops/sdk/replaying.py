"""History as test data: what another bundle would have decided, decision by decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from uuid import UUID

from smartops.contracts.canonical import digest
from smartops.contracts.deciding import Change, change_between
from smartops.sdk.errors import Unverified
from smartops.sdk.reader import Row
from smartops.sdk.second_engine import SecondEngine, Verdict

__all__ = ["Difference", "Replayed", "differs", "replay", "verified"]

MAX_KEPT = 1000
"""Differences kept one by one, with their tasks; more are counted."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One decision that comes out otherwise."""

    change: Change
    position: int
    entrypoint: str
    task: UUID | None
    call: UUID | None
    before: tuple[str, ...]
    """Rules that decided then."""
    after: tuple[str, ...]
    message: str
    """What the other bundle says."""


@dataclass(slots=True)
class Replayed:
    """What came of a replay."""

    decisions: int = 0
    """Recorded, as far as they were asked for."""
    recomputed: int = 0
    not_recomputable: int = 0
    """From before inputs were kept."""
    other_rules: int = 0
    """Decided alike, by other rules: no difference, but worth knowing."""
    by_entrypoint: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    """The first of them."""
    tasks: set[UUID] = field(default_factory=set)
    """Those affected."""

    @property
    def count(self) -> int:
        """How many decisions come out otherwise."""
        return self.changes.total()


async def replay(pages: AsyncIterator[Sequence[Row]], engine: SecondEngine) -> Replayed:
    """Decide recorded decisions again.

    Args:
        pages: of `v_decisions`, in order; a page at a time is held in memory.
        engine: with the other bundle.

    Raises:
        Unverified: a stored input is not the one that was decided on, or is gone.
    """
    found = Replayed()
    async for page in pages:
        found.decisions += len(page)
        asked = [row for row in page if row["input_digest"] is not None]
        found.not_recomputable += len(page) - len(asked)
        questions = [(row["entrypoint"], verified(row)) for row in asked]
        for row, verdict in zip(asked, await engine.decide(questions), strict=True):
            _compare(found, row, verdict)
    return found


def differs(row: Row, verdict: Verdict) -> Change | None:
    """How a recorded decision and another verdict on the same input differ, if they do."""
    names = ("allow", "requires_approval", "quorum", "roles")
    return change_between(SimpleNamespace(**{name: row[name] for name in names}), verdict)


def _compare(found: Replayed, row: Row, verdict: Verdict) -> None:
    found.recomputed += 1
    found.by_entrypoint[row["entrypoint"]] += 1
    change = differs(row, verdict)
    if change is None:
        found.other_rules += tuple(row["rules"]) != verdict.rules
        return
    found.changes[change] += 1
    if row["task"] is not None:
        found.tasks.add(row["task"])
    if len(found.differences) < MAX_KEPT:
        message = "; ".join(message for _, message in verdict.messages)
        found.differences.append(
            Difference(
                change=change,
                position=row["position"],
                entrypoint=row["entrypoint"],
                task=row["task"],
                call=row["call"],
                before=tuple(row["rules"]),
                after=verdict.rules,
                message=message,
            )
        )


def verified(row: Row) -> bytes:
    """The input of a recorded decision.

    Raises:
        Unverified: it is gone, or not the one that was decided on.
    """
    content = row["input"]
    if content is None:
        raise Unverified(
            f"the input of the decision at position {row['position']} is gone from the log"
        )
    if digest(content) != row["input_digest"]:
        raise Unverified(
            f"the input of the decision at position {row['position']} is not the one that was"
            " decided on"
        )
    return bytes(content)
