"""What others know of a standing word: which grants it has been used for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from smartops.contracts.events import (
    StandingGiven,
    StandingUsed,
    TaskApprovalGranted,
)
from smartops.contracts.wire import EventData

__all__ = ["StandingView", "evolve_standing"]


@dataclass(frozen=True, slots=True)
class StandingView:
    """A word given beforehand, and its uses in order."""

    given: StandingGiven | None = None
    uses: tuple[StandingUsed, ...] = ()

    def bears_out(self, task: UUID, grant: TaskApprovalGranted) -> bool:
        """Whether a grant that names this word was made by it.

        A grant stands in its gate, its use here, both written in one unit: so no single changed
        row makes one. That the word was taken back since does not matter: what it has granted goes
        on, and has to be taken back by itself.
        """
        given = self.given
        if given is None or given.standing != grant.standing:
            return False
        if [voice.actor for voice in grant.approvals] != [given.by.actor]:
            return False
        made = (task, grant.number, grant.plan_hash, grant.grant, grant.run)
        return grant.expires_at <= given.until and any(
            use.use <= given.max_uses
            and (use.task, use.number, use.plan_hash, use.grant, use.run) == made
            for use in self.uses
        )


def evolve_standing(view: StandingView, event: EventData) -> StandingView:
    """Fold one event of `standing-<standing>`."""
    match event:
        case StandingGiven():
            return replace(view, given=event)
        case StandingUsed():
            return replace(view, uses=(*view.uses, event))
        case _:
            return view
