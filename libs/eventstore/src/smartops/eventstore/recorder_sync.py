"""A thin synchronous face of the recorder, for the library's applications and its test cases."""

import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    ListenNotifySubscription,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
)
from smartops.eventstore.loop_thread import LoopThread
from smartops.eventstore.recorder import POLL, AsyncRecorder
from smartops.eventstore.recorder_tracking import AsyncProcessRecorder
from typing_extensions import override

__all__ = ["SyncAggregateRecorder", "SyncApplicationRecorder", "SyncProcessRecorder"]


class SyncAggregateRecorder(AggregateRecorder):
    """Stores and selects; tells no positions."""

    def __init__(self, thread: LoopThread, recorder: AsyncRecorder) -> None:
        """Run the recorder's coroutines on the thread that its store lives on."""
        self._thread = thread
        self._recorder = recorder

    @override
    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        self._thread.run(self._recorder.insert_events(stored_events))
        return None

    @override
    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        return self._thread.run(
            self._recorder.select_events(originator_id, gt=gt, lte=lte, desc=desc, limit=limit)
        )


class SyncApplicationRecorder(SyncAggregateRecorder, ApplicationRecorder):
    """Also tells positions, and reads by them."""

    @override
    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        return self._thread.run(self._recorder.insert_events(stored_events))

    @override
    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        return self._thread.run(
            self._recorder.select_notifications(
                start, limit, stop, topics, inclusive_of_start=inclusive_of_start
            )
        )

    @override
    def max_notification_id(self) -> int | None:
        return self._thread.run(self._recorder.max_notification_id())

    @override
    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        return _Polling(self, gt, topics)


class SyncProcessRecorder(SyncApplicationRecorder, ProcessRecorder):
    """Also stores which notification the events came of."""

    def __init__(self, thread: LoopThread, recorder: AsyncProcessRecorder) -> None:
        """As the others, of a recorder that tracks."""
        super().__init__(thread, recorder)
        self._tracking = recorder

    @override
    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        tracking: Tracking | None = None,
        **kwargs: Any,
    ) -> Sequence[int] | None:
        return self._thread.run(self._tracking.insert_events(stored_events, tracking))

    @override
    def insert_tracking(self, tracking: Tracking) -> None:
        self._thread.run(self._tracking.insert_tracking(tracking))

    @override
    def max_tracking_id(self, application_name: str) -> int | None:
        return self._thread.run(self._tracking.max_tracking_id(application_name))


class _Polling(ListenNotifySubscription[ApplicationRecorder]):
    """Looks at the log in a fixed rhythm: the log sends no notifications, on purpose.

    NOTIFY takes a lock of the whole server at commit.
    """

    def __init__(
        self, recorder: ApplicationRecorder, gt: int | None, topics: Sequence[str]
    ) -> None:
        super().__init__(recorder, gt, topics)
        self._rhythm = threading.Thread(target=self._beat, name="subscription", daemon=True)
        self._rhythm.start()

    def _beat(self) -> None:
        ended = threading.Event()
        while not self._has_been_stopped:
            self._has_been_notified.set()
            ended.wait(POLL)
