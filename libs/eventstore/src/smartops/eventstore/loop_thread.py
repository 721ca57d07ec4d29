"""A door from threads to coroutines."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from eventsourcing.persistence import OperationalError

__all__ = ["LoopThread"]

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
