"""What a bundle without authority would have said: counted, and told where it differs. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from smartops.contracts.catalogue import EVENTS
from smartops.contracts.deciding import PolicyDecision, change_between
from smartops.contracts.events import Disagreement, PolicyShadowCompared
from smartops.contracts.events.bundle import MAX_TOLD
from smartops.contracts.streams import stream
from smartops.contracts.wire import EventData

__all__ = ["BEARERS", "Compared", "Tally", "evolve", "shadow_stream"]

BEARERS = tuple(
    sorted(key for key, spec in EVENTS.items() if "decisions" in spec.data.model_fields)
)
"""Topics of the events that tell what policy decided."""


@dataclass(frozen=True, slots=True)
class Compared:
    """How far the comparison of one tenant and one bundle has come."""

    through: int = 0
    """Position; 0 before the first comparison."""


def evolve(state: Compared, event: EventData) -> Compared:
    """Fold one event of `bundle-shadow/<digest>`."""
    return Compared(event.through) if isinstance(event, PolicyShadowCompared) else state


def shadow_stream(tenant: str, digest: str) -> str:
    """Where a tenant's comparisons with a bundle stand."""
    return stream(tenant, "bundle", f"shadow/{digest.removeprefix('sha256:')}")


@dataclass(slots=True)
class Tally:
    """What was compared since the last word about it."""

    digest: str
    after: int
    """Positions above this one were looked at."""
    through: int = 0
    compared: int = 0
    not_recomputable: int = 0
    disagreements: int = 0
    told: list[Disagreement] = field(default_factory=list)

    def compare(
        self, position: int, task: UUID | None, recorded: PolicyDecision, shadow: PolicyDecision
    ) -> None:
        """Count one decision."""
        self.compared += 1
        change = change_between(recorded, shadow)
        if change is None:
            return
        self.disagreements += 1
        if len(self.told) < MAX_TOLD:
            self.told.append(
                Disagreement(
                    position=position, task=task, change=change, recorded=recorded, shadow=shadow
                )
            )

    def event(self) -> PolicyShadowCompared:
        """What is recorded of it."""
        return PolicyShadowCompared(
            digest=self.digest,
            after=self.after,
            through=self.through,
            compared=self.compared,
            not_recomputable=self.not_recomputable,
            disagreements=self.disagreements,
            told=tuple(self.told),
        )
