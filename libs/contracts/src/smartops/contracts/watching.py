"""What a phase is watched by: its checks, and the metrics that its condition names beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from smartops.contracts.computing import computation_problems
from smartops.contracts.condition import Condition, metrics_of, read_condition
from smartops.contracts.errors import Malformed
from smartops.contracts.maintenance import is_open, opens_at
from smartops.contracts.plan import Phase, Plan
from smartops.contracts.quantities import UNITS
from smartops.contracts.wire import ERROR_LIMIT, INCONCLUSIVE_LIMIT, Check

__all__ = [
    "WINDOW_MS",
    "Watch",
    "condition_of",
    "may_begin",
    "problems_of",
    "rounds_of",
    "tick_ms",
    "watches_of",
    "window_ms",
]

WINDOW_MS = 3000
INTERVAL_MS = 500
"""Of a phase that is watched by its condition alone, where it does not say otherwise."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Watch:
    """One metric that is sampled while a phase is watched."""

    number: int
    """Of its check; those that only the condition asks for follow after the checks."""
    type: str
    metric: str
    """What the condition calls it."""
    check: Check | None
    """None: nothing is judged by it but the condition."""
    every: int = 1
    """It is sampled in each so-manieth round."""
    like: Check | None = None
    """Of what a grant's condition asks for: the check of the plan that measures the same."""

    @property
    def inconclusive_limit(self) -> int:
        """Samples in a row that show nothing and are forgiven."""
        return INCONCLUSIVE_LIMIT if self.check is None else self.check.inconclusive_limit

    @property
    def error_limit(self) -> int:
        """Errors in a row that are forgiven."""
        return ERROR_LIMIT if self.check is None else self.check.consecutive_error_limit

    @property
    def timeout_ms(self) -> int | None:
        """How long a sample may take; None: as long as the gateway lets it."""
        return None if self.check is None else self.check.timeout_ms

    @property
    def path(self) -> str:
        """What `http_200` asks for."""
        check = self.check or self.like
        return "/health" if check is None else check.target

    @property
    def query(self) -> str | None:
        """PromQL, of a `custom_metric`."""
        check = self.check or self.like
        return None if check is None else check.query


def condition_of(phase: Phase) -> Condition | None:
    """The condition under which the phase is taken back.

    Raises:
        Malformed: it is not of the grammar: a plan of a time when only people read it.
    """
    return read_condition(phase.rollback_if)


def watches_of(phase: Phase, condition: Condition | None) -> tuple[Watch, ...]:
    """All that is sampled; none for a phase that nobody watches."""
    tick = tick_ms(phase)
    checks = [
        Watch(number, check.type, check.name or check.type, check, -(-check.interval_ms // tick))
        for number, check in enumerate(phase.checks)
    ]
    named = {watch.metric for watch in checks}
    wanted = [] if condition is None else [m for m in metrics_of(condition) if m not in named]
    implied = [
        Watch(len(checks) + number, metric, metric, None) for number, metric in enumerate(wanted)
    ]
    return (*checks, *implied)


def window_ms(phase: Phase) -> int:
    """How long the phase is watched once its steps are applied; 0 when nobody watches it."""
    if phase.checks:
        return max(check.window_ms for check in phase.checks)
    if not phase.rollback_if.strip():
        return 0
    return WINDOW_MS if phase.watch_ms is None else phase.watch_ms


def tick_ms(phase: Phase) -> int:
    """Time between two rounds of samples."""
    if phase.checks:
        return min(check.interval_ms for check in phase.checks)
    return INTERVAL_MS if phase.watch_interval_ms is None else phase.watch_interval_ms


def rounds_of(window: int, interval: int) -> int:
    """Samples that fill a window: one at its start, then one per interval, the last at its end."""
    return 1 + window // interval


def problems_of(plan: Plan) -> list[tuple[str, str]]:
    """What a plan says that no run could follow, as (path, message); empty for a sound plan.

    Not part of reading a plan: what was approved before the grammar was read stays readable.
    """
    found: list[tuple[str, str]] = []
    header = plan.header
    places = [("/header", header.maintenance)]
    for number, phase in enumerate(header.phases):
        where = f"/header/phases/{number}"
        places.append((where, phase.maintenance))
        found += [(f"{where}/{field}", message) for field, message in _of_phase(phase)]
    for where, window in places:
        if window is not None:
            try:
                is_open(window, _EPOCH)
            except Malformed as error:
                found.append((f"{where}/maintenance/timezone", error.reason))
    return [*found, *computation_problems(plan)]


def may_begin(plan: Plan, now: datetime) -> datetime:
    """When all steps may have begun: now, or when the last of the plan's windows opens next.

    A grant that began to expire at once would be over before a window that opens in the night.
    """
    windows = [phase.maintenance or plan.header.maintenance for phase in plan.header.phases]
    openings = [
        opens_at(window, now)
        for window in windows
        if window is not None and not is_open(window, now)
    ]
    return max([now, *openings])


def _of_phase(phase: Phase) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    names = [check.name for check in phase.checks if check.name is not None]
    found += [
        ("checks", f"{name!r} is taken: give each custom metric a name of its own")
        for name in names
        if name in UNITS or name in ("and", "or", "not") or names.count(name) > 1
    ]
    try:
        condition = condition_of(phase)
    except Malformed as error:
        return [*found, ("rollback_if", error.reason)]
    known = {*UNITS, *names}
    unknown = [] if condition is None else [m for m in metrics_of(condition) if m not in known]
    if unknown:
        told = ", ".join(sorted(known))
        found.append(("rollback_if", f"nobody measures {unknown[0]!r}; there are {told}"))
    return found
