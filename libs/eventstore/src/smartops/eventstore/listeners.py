"""Callbacks that are told of something."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Listeners"]

T = TypeVar("T")


class Listeners(Generic[T]):
    """Told in the order in which they were added, on the loop."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[T], None]] = []

    def add(self, callback: Callable[[T], None]) -> Callable[[], None]:
        """Add one; returns the function that removes it."""
        self._callbacks.append(callback)

        def remove() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return remove

    def tell(self, news: T) -> None:
        """Tell all. One that raises is reported to the loop and does not stop the others."""
        for callback in tuple(self._callbacks):
            try:
                callback(news)
            except Exception as error:  # noqa: BLE001 - the commit that is told of stands.
                asyncio.get_running_loop().call_exception_handler(
                    {"message": f"a listener of the store raised: {callback!r}", "exception": error}
                )
