"""How far a role is with what other applications tell, stored together with what came of it."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import asyncpg
from smartops.eventstore.admission import admit
from smartops.eventstore.batch import APPEND, PARAMETERS, Batch
from smartops.eventstore.errors import InvalidUnit
from smartops.eventstore.results import AppendResult
from smartops.eventstore.units import Unit

__all__ = ["TrackedAppends"]

# One statement is one transaction. The number is noted behind the append, which holds the lock by
# then, and only if the unit was stored: a unit that is settled already noted it the first time.
_APPEND_TRACKED = APPEND.replace(
    "select ",
    "select case when o_status[1] = 0 then "
    f"smartops_log.track(${PARAMETERS + 1}, ${PARAMETERS + 2}) end, ",
)


class TrackedAppends:
    """A part of `EventStore`. During an outage these calls wait."""

    @abstractmethod
    async def _call(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run a statement that may safely run twice."""

    async def append_tracked(
        self, unit: Unit, application: str, notification_id: int
    ) -> AppendResult:
        """Store a unit and that a notification was processed: both or neither.

        Travels alone, so that a number tracked already undoes no neighbour. A lost answer is
        settled as in `append`: `Already` by a trigger or event id of this call is its own commit.

        Args:
            unit: What came of the notification. Its events are not published: the relay is told
                of events in the order of one connection, and this is another.
            application: Whose notification it was.
            notification_id: Above all that was tracked of that application; gaps stay open.

        Raises:
            RecordConflict: This notification or a later one was tracked; nothing was stored.
            InvalidUnit: It can never be stored, or one of its events has a subject.
        """
        _refuse_subjects(unit)
        batch = Batch([admit(unit)])
        [[_, *answer]] = await self._call(
            _APPEND_TRACKED, *batch.arguments(), application, notification_id
        )
        [result], _ = batch.results(answer)
        return result

    async def tracked(self, application: str) -> int | None:
        """This role's highest notification of an application; None before the first."""
        [[found]] = await self._call("select smartops_log.tracked($1)", application)
        highest: int | None = found
        return highest


def _refuse_subjects(unit: Unit) -> None:
    subjects: Sequence[str] = [
        event.subject
        for write in unit.writes
        for event in write.events
        if event.subject is not None
    ]
    if subjects:
        raise InvalidUnit(
            f"a tracked append publishes nothing, but an event has the subject {subjects[0]!r}; "
            "use append() with a trigger instead"
        )
