"""Sandboxes as tests need them: each fence there is, and some that have a hole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from smartops.sandbox import Level, Limits, Outcome, Sandbox, SandboxError, Value
from smartops.sandbox import sandbox as module
from smartops.sandbox.command import command

__all__ = ["FENCES", "Fence", "Run", "breach", "missing", "tried"]

Run = Callable[..., Awaitable[Outcome]]
"""Runs code with inputs, and limits by name."""

_MAIN = "from guard.main import main"
NO_NAMESPACES = "import guard.namespaces as n; n.enter = lambda keep, cpu_s: False"
NO_FILTER = "import guard.seccomp as s; s.filter_calls = lambda machine: None"
NO_LANDLOCK = "import guard.landlock as l; l.restrict = lambda readable: 0"


@dataclass(frozen=True)
class Fence:
    """A level, and what is switched off within."""

    level: Level
    without: tuple[str, ...] = ()

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        if self.without:
            breach(patch, *self.without)


FENCES = {
    "landlock": Fence(Level.LANDLOCK),
    # Containers often allow no namespaces.
    "landlock_alone": Fence(Level.LANDLOCK, (NO_NAMESPACES,)),
    "bubblewrap": Fence(Level.BUBBLEWRAP),
}


def breach(patch: pytest.MonkeyPatch, *without: str) -> None:
    """Have children put up less than they should."""

    def holed(level: Level) -> list[str]:
        return [
            part.replace(_MAIN, "; ".join([*without, _MAIN])) if _MAIN in part else part
            for part in command(level)
        ]

    patch.setattr(module, "command", holed)


async def missing(level: Level) -> str | None:
    """Why this machine has no such level; None if it has."""
    try:
        await Sandbox(level).run("result = 1", {})
    except SandboxError as error:
        return str(error)
    return None


def tried(level: Level) -> Run:
    """Run code at a level."""

    async def run(source: str, inputs: Any = None, **limits: Any) -> Outcome:
        some = replace(Limits(wall=timedelta(seconds=20)), **limits)
        return (await Sandbox(level, some).run(source, inputs or {})).outcome

    return run


def value(outcome: Outcome) -> Any:
    """What code resulted in."""
    assert isinstance(outcome, Value), outcome
    return outcome.value
