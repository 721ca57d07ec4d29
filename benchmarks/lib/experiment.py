"""What an experiment is, and what it comes back with."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Experiment", "Outcome", "elapsed_s", "progress", "reached"]

_BEGAN = time.monotonic()
_reached: list[str] = []


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures, and what they break."""

    figures: Mapping[str, object]
    violations: tuple[str, ...] = field(default=())
    """Broken promises or missed bars, one sentence each."""
    void: str | None = None
    """Why the run proves nothing, whatever its figures say."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """A benchmark or a proof."""

    name: str
    summary: str
    """One line, for the list."""
    options: Callable[[ArgumentParser], None]
    """Adds its options."""
    run: Callable[[Namespace], Coroutine[Any, Any, Outcome]]


def progress(text: str) -> None:
    """Tell people, on standard error, how far it is."""
    _reached[:] = [text]
    print(f"[{elapsed_s():7.1f} s] {text}", file=sys.stderr, flush=True)


def elapsed_s() -> float:
    """Seconds since the experiments were imported."""
    return time.monotonic() - _BEGAN


def reached() -> str | None:
    """What `progress` told last."""
    return _reached[0] if _reached else None
