"""The sandbox of this process: which level holds here, and what code in it brought out."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue
from smartops.contracts.canonical import canonical
from smartops.contracts.computing import MAX_OUTPUT_BYTES, Computation, verdict_of
from smartops.contracts.errors import Malformed
from smartops.contracts.wire import LONGEST_TEXT, JsonObject
from smartops.redact import Finder, Pseudonyms, Unscannable, blanked, redact
from smartops.runner.computed import NOT_RUN
from smartops.sandbox import (
    Failed,
    Killed,
    Level,
    Limits,
    NotStarted,
    Outcome,
    Oversized,
    Sandbox,
    SandboxError,
    Standing,
    TimedOut,
    TooLarge,
    Value,
    strongest,
)

__all__ = ["PERSONAL_DATA", "Computed", "Sandboxing", "limits_of"]

_log = logging.getLogger(__name__)

PERSONAL_DATA = "personal_data"
"""How the detail begins of a computation that failed for what its result holds."""

_NO_KEY = b""
"""Of the tokens that a search makes, and that are thrown away: only what it finds counts."""

_STARTS = 3
_PAUSE_S = 0.2
"""A machine that is short of something may have it a moment later."""


@dataclass(frozen=True, slots=True)
class Computed:
    """What came of a computed step."""

    outcome: str
    """As `task.computation.ended` tells it."""
    ok: bool
    detail: str
    output: JsonValue = None
    level: str = "none"
    duration: timedelta = timedelta(0)


class Sandboxing:
    """Runs code at the strongest level that holds here, or not at all.

    Args:
        minimum: below this level nothing is run.
        limits: of each run.
        finder: what counts as personal data. None of it may come out: there is no key here that
            it could be kept under, or even be turned into a token with.
    """

    def __init__(self, minimum: Level, limits: Limits, finder: Finder) -> None:
        self._finder = finder
        self._minimum = minimum
        self._limits = limits
        self._trial: asyncio.Task[Standing | SandboxError] | None = None

    def try_out(self) -> None:
        """Begin to find out which level holds; whoever comes before that is known waits for it."""
        self._trial = asyncio.create_task(self._tried(), name="sandbox trial")

    async def close(self) -> None:
        """Stop finding out."""
        if self._trial is not None:
            self._trial.cancel()
            await asyncio.wait({self._trial})

    @property
    def standing(self) -> Standing | SandboxError | None:
        """The level, or why there is none; None while that is being found out."""
        trial = self._trial
        if trial is None or not trial.done() or trial.cancelled():
            return None
        return trial.result()

    def note(self) -> str:
        """The same in words."""
        match self.standing:
            case None:
                return "being tried"
            case Standing() as standing:
                return f"{standing.level} ({', '.join(standing.fences)})"
            case error:
                return f"none, so computed steps are refused: {error}"

    def levels(self) -> dict[str, float]:
        """By level, 1 for the one that holds; for metrics."""
        standing = self.standing
        held = standing.level if isinstance(standing, Standing) else None
        return {level.value: float(level is held) for level in Level}

    async def compute(self, computation: Computation, inputs: JsonObject) -> Computed:
        """Run the code of a step. Whatever happens, what came of it can be stored."""
        if self._trial is None:
            raise RuntimeError("try_out comes first")
        standing = await asyncio.shield(self._trial)
        if isinstance(standing, SandboxError):
            return _not_run(standing)
        sandbox = Sandbox(standing.level, self._limits)
        for attempt in range(1, _STARTS + 1):
            try:
                ran = await sandbox.run(computation.code, inputs)
            except Oversized as error:
                return Computed("failed", ok=False, detail=str(error))
            except NotStarted as error:
                _log.warning("sandbox: %s", error)
                if attempt == _STARTS:
                    return _not_run(error)
                await asyncio.sleep(_PAUSE_S)
            else:
                told = self._told(ran.outcome)
                return Computed(
                    *(told.outcome, told.ok, told.detail, told.output), ran.level, ran.duration
                )
        raise AssertionError("unreachable")

    def _told(self, outcome: Outcome) -> Computed:
        match outcome:
            case Value(value):
                return _judged(value, self._finder)
            case Failed(error, message, line):
                where = "" if line is None else f" (line {line})"
                # What it raised may quote what it was given.
                said = blanked(f"{error}{where}: {message}", self._finder)
                return Computed("failed", ok=False, detail=said[:LONGEST_TEXT])
            case TimedOut(limit):
                detail = f"no result within {limit.total_seconds():g} s"
                return Computed("timed_out", ok=False, detail=detail)
            case Killed(signal, limit):
                why = f": over its limit of {limit}" if limit else ""
                return Computed("killed", ok=False, detail=f"it ended by {signal}{why}")
            case TooLarge(limit_bytes):
                detail = f"its result is longer than {limit_bytes} bytes"
                return Computed("too_large", ok=False, detail=detail)

    async def _tried(self) -> Standing | SandboxError:
        try:
            standing = await strongest(self._minimum, self._limits)
        except SandboxError as error:
            _log.warning("no sandbox, so computed steps are refused: %s", error)
            return error
        _log.info("sandbox", extra={"level": standing.level, "fences": list(standing.fences)})
        return standing


def limits_of(wall: timedelta, cpu: timedelta, memory_bytes: int) -> Limits:
    """The limits of a step."""
    return Limits(wall=wall, cpu=cpu, memory_bytes=memory_bytes, output_bytes=MAX_OUTPUT_BYTES)


def _not_run(error: SandboxError) -> Computed:
    return Computed(NOT_RUN, ok=False, detail=str(error)[:LONGEST_TEXT])


def _judged(value: JsonValue, finder: Finder) -> Computed:
    # A reference in there would be somebody else's: nothing that comes from here may name one.
    output: JsonValue = redact(value, keep_references=False)
    if (found := _personal(output, finder)) is not None:
        detail = f"{PERSONAL_DATA}: its result {found}; bring out ids, or what was counted"
        return Computed("failed", ok=False, detail=detail)
    try:
        canonical(output)
        ok, detail = verdict_of(output)
    except Malformed as error:
        return Computed("failed", ok=False, detail=str(error)[:LONGEST_TEXT])
    return Computed("value", ok, detail, output)


def _personal(output: JsonValue, finder: Finder) -> str | None:
    """What kinds of personal data a result holds, as far as one can tell; None if there is none."""
    search = Pseudonyms(finder, _NO_KEY, foreign=True)
    try:
        search.value(output)
    except Unscannable:
        return "cannot be searched for personal data"
    kinds = sorted({one.kind for one in search.found.values()})
    return f"holds what looks like personal data ({', '.join(kinds)})" if kinds else None
