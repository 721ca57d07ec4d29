"""A thin synchronous face of the recorder, for the library's applications and its test cases."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    ListenNotifySubscription,
    Notification,
    OperationalError,
    StoredEvent,
    Subscription,
)
from smartops.eventstore.recorder import POLL, AsyncRecorder
from typing_extensions import override

__all__ = ["LoopThread", "SyncAggregateRecorder", "SyncApplicationRecorder"]

T = TypeVar("T")


class LoopThread:
    """An event loop in a thread of its own; other threads run coroutines on it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._is_open = True
        self._thread = threading.Thread(target=self.loop.run_forever, name="recorder", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and wait for it.

        Raises:
            OperationalError: The thread is closed, or was closed meanwhile.
        """
        with self._lock:
            if not self._is_open:
                work.close()
                raise OperationalError("the recorder is closed")
            future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except (asyncio.CancelledError, TimeoutError) as error:
            raise OperationalError("the recorder was closed") from error

    def close(self) -> None:
        """Refuse new work and cancel what is in flight, so that no thread waits for ever."""
        with self._lock:
            if not self._is_open:
                return
            self._is_open = False

        async def cancel_all() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(cancel_all(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


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
