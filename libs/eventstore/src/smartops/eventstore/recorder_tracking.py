"""The library's process recorder: events, and which notification they came of, stored together."""

from collections.abc import Awaitable, Sequence
from uuid import uuid4

from eventsourcing.persistence import StoredEvent, Tracking
from smartops.eventstore.recorder import AsyncRecorder
from smartops.eventstore.recorder_events import translated
from smartops.eventstore.results import AppendResult
from smartops.eventstore.units import Trigger, Unit
from typing_extensions import override

__all__ = ["HANDLER", "AsyncProcessRecorder"]

HANDLER = "lib.tracking"
"""In whose name a number that came without events is settled, should its answer be lost."""


class AsyncProcessRecorder(AsyncRecorder):
    """What `eventsourcing.persistence.ProcessRecorder` promises, as coroutines.

    Numbers are the role's: two recorders of one role share them, those of two roles do not.
    """

    @override
    async def insert_events(
        self, stored_events: Sequence[StoredEvent], tracking: Tracking | None = None
    ) -> list[int]:
        """Store the events and the tracking, all or none; returns the events' positions.

        Raises:
            IntegrityError: A version exists already or leaves a gap, or this notification or a
                later one of its application was tracked already. Nothing was stored.
            OperationalError: The database is out of reach; the outcome may be unknown.
        """
        if tracking is None:
            return await super().insert_events(stored_events)

        def append(unit: Unit) -> Awaitable[AppendResult]:
            return self._store.append_tracked(
                unit, tracking.application_name, tracking.notification_id
            )

        # Without events nothing but a trigger can tell our own commit from somebody else's.
        triggers = () if stored_events else (Trigger(HANDLER, uuid4()),)
        return await self._insert(stored_events, append, triggers)

    async def insert_tracking(self, tracking: Tracking) -> None:
        """Track a notification that nothing came of.

        Raises:
            IntegrityError: This notification, or a later one, was tracked already.
        """
        await self.insert_events((), tracking)

    async def max_tracking_id(self, application_name: str) -> int | None:
        """The highest notification tracked of an application; None before the first."""
        with translated():
            return await self._store.tracked(application_name)
