"""Loading a bundle takes as long as hundreds of decisions: at once, or in slices.

A service that loads has other work, and an engine is bound to the thread that made it. So loading
is written as a generator that stops after each piece, and whoever runs it says what happens in
between. Where it stops nothing decides yet: the engine comes at the end, or not at all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import TypeAlias, TypeVar

__all__ = ["Loading", "at_once", "in_slices"]

T = TypeVar("T")

Loading: TypeAlias = Generator[None, None, T]
"""Stops after each piece of work; what it returns in the end is what was loaded."""

SLICE_S = 0.005
"""Seconds of loading between two turns of all else: some pieces take longer."""


def at_once(loading: Loading[T]) -> T:
    """Load without a break; raises what loading raises."""
    while True:
        try:
            next(loading)
        except StopIteration as end:
            loaded: T = end.value
            return loaded


async def in_slices(loading: Loading[T], slice_s: float = SLICE_S) -> T:
    """Load in this thread, and let the event loop go round after each slice.

    Args:
        loading: what to run.
        slice_s: how long one slice may take, in seconds; 0: a turn after each piece.
    """
    began = time.perf_counter()
    while True:
        try:
            next(loading)
        except StopIteration as end:
            loaded: T = end.value
            return loaded
        if time.perf_counter() - began >= slice_s:
            await asyncio.sleep(0)
            began = time.perf_counter()
