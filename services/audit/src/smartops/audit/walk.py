"""One tenant's chain, walked event by event, and the anchors that have to lie on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from smartops.audit.anchors import Anchor, read_anchors
from smartops.audit.errors import AnchorsDamaged, LogTampered, NewerEvent, UnreadableEvent
from smartops.audit.reading import read
from smartops.contracts.canonical import raw_digest
from smartops.contracts.events import TaskEvidenceAttached, TaskPlanned, TaskPlanValidated
from smartops.eventstore.chain import GENESIS, chain_hash
from smartops.eventstore.rows import StoredRow

__all__ = ["MAX_PROBLEMS", "Report", "Walk", "WantedAnchors"]

MAX_PROBLEMS = 20
"""Told per tenant; one edit breaks much behind it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the check found for one tenant."""

    tenant: str
    events: int
    head_position: int
    head_hash: str
    """Hex; of the last event that was read."""
    ok: bool
    first_bad_position: int | None
    anchors_checked: int
    problems: tuple[str, ...]
    newer_events: int = 0
    """In versions of a newer release: their bytes are sound, what they say was not looked at."""


@dataclass(slots=True)
class Walk:
    """One tenant's chain, as far as it was read."""

    tenant: str
    events: int = 0
    position: int = 0
    hash: bytes = GENESIS
    first_bad: int | None = None
    anchors_checked: int = 0
    newer: int = 0
    problems: list[str] = field(default_factory=list)
    blobs: list[tuple[str, bytes]] = field(default_factory=list)
    """Plans, assessments, evidence: approvals would mean nothing without their bytes."""

    def bad(self, position: int, problem: str) -> None:
        """Note a problem."""
        if self.first_bad is None or position < self.first_bad:
            self.first_bad = position
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"position {position}: {problem}")

    def step(self, row: StoredRow, *, is_log: bool) -> None:
        """Check the next event."""
        self.events += 1
        if is_log and row.ordinal != self.events:
            self.bad(row.position, f"is the tenant's event {self.events}, but says {row.ordinal}")
        if not row.stream.startswith(f"{row.tenant}/"):
            self.bad(row.position, f"stands in another tenant's stream, {row.stream}")
        if chain_hash(self.hash, row) != row.hash:
            self.bad(row.position, "was changed, or does not follow the event before it")
        self._read(row, is_party_known=is_log)
        # Go on from what is stored: one broken link is one problem, not one per event behind it.
        self.hash = row.hash
        self.position = row.position

    def report(self) -> Report:
        """The result."""
        return Report(
            tenant=self.tenant,
            events=self.events,
            head_position=self.position,
            head_hash=self.hash.hex(),
            ok=not self.problems,
            first_bad_position=self.first_bad,
            anchors_checked=self.anchors_checked,
            problems=tuple(self.problems),
            newer_events=self.newer,
        )

    def _read(self, row: StoredRow, *, is_party_known: bool) -> None:
        try:
            event = read(row, is_party_known=is_party_known).event
        except LogTampered as error:
            self.bad(row.position, error.what)
        except UnreadableEvent as error:
            self.bad(row.position, error.problem)
        except NewerEvent:
            self.newer += 1
        else:
            if isinstance(event, TaskPlanned):
                self.blobs.append((row.tenant, raw_digest(event.document)))
            elif isinstance(event, TaskPlanValidated):
                self.blobs.append((row.tenant, raw_digest(event.assessment_hash)))
            elif isinstance(event, TaskEvidenceAttached):
                self.blobs += [(row.tenant, raw_digest(found.digest)) for found in event.evidence]


class WantedAnchors:
    """Anchors that have to be met on the chains.

    Args:
        anchors: a directory of anchor files, or anchors from elsewhere.
        tenant: the only one that counts; None: all.
    """

    def __init__(self, anchors: Path | Iterable[Anchor], tenant: str | None) -> None:
        self._open: dict[tuple[str, int], list[Anchor]] = {}
        self._damage: str | None = None
        try:
            for anchor in read_anchors(anchors) if isinstance(anchors, Path) else anchors:
                if tenant is None or anchor.tenant == tenant:
                    self._open.setdefault((anchor.tenant, anchor.position), []).append(anchor)
        except AnchorsDamaged as error:
            self._damage = str(error)

    @property
    def tenants(self) -> set[str]:
        """Whose heads were anchored."""
        return {tenant for tenant, _ in self._open}

    def meet(self, walk: Walk, row: StoredRow) -> None:
        """Compare the anchors at this position, if there are any."""
        for anchor in self._open.pop((row.tenant, row.position), ()):
            walk.anchors_checked += 1
            if (anchor.head, anchor.count) != (row.hash.hex(), walk.events):
                walk.bad(row.position, f"another head was anchored here at {anchor.at}")

    def finish(self, walks: Mapping[str, Walk]) -> None:
        """Say which anchors were never met, and what is wrong with the files."""
        for (tenant, position), anchors in sorted(self._open.items()):
            walk = walks[tenant]
            walk.anchors_checked += len(anchors)
            if position > walk.position:
                what = "the log was cut off: it ends before this head"
            else:
                what = "the tenant has no event here, but its head"
            walk.bad(position, f"{what}, anchored at {anchors[0].at}")
        if self._damage is not None:
            for walk in walks.values():
                walk.bad(walk.position, f"anchors cannot be trusted: {self._damage}")
