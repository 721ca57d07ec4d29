"""Health: what a sample shows, and when a verdict stands. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue
from smartops.contracts.condition import Condition, evaluate
from smartops.contracts.measured import Measured, Operator, compare, merged
from smartops.contracts.quantities import read_limit
from smartops.contracts.sampling import HTTP_OK, read_answer
from smartops.contracts.watching import Watch, rounds_of
from smartops.contracts.wire import INCONCLUSIVE_LIMIT, Check
from smartops.runner.state import Samples

__all__ = [
    "Sampled",
    "condition_verdict",
    "judge_sample",
    "values_of",
    "verdict",
]

_OPPOSITE: Mapping[Operator, Operator] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


class Sampled(NamedTuple):
    """What a sample shows."""

    healthy: bool | None
    """Of what is judged by it; None when it shows nothing."""
    detail: str
    measured: Measured | None = None


def verdict(watch: Watch, seen: Samples) -> str | None:
    """What the samples prove of a check; None while they prove nothing yet."""
    if seen.errors > watch.error_limit:
        return "unhealthy"
    check = watch.check
    if check is None:
        return None
    if seen.failed > check.failure_limit:
        return "unhealthy"
    if seen.inconclusive > check.inconclusive_limit:
        return "inconclusive"
    conclusive = seen.inconclusive == 0 and seen.errors == 0
    if conclusive and seen.taken >= rounds_of(check.window_ms, check.interval_ms):
        return "healthy"
    return None


def condition_verdict(
    condition: Condition,
    watches: Sequence[Watch],
    rounds: Sequence[Mapping[int, Measured]],
    *,
    window_over: bool,
) -> str | None:
    """What the last rounds of samples prove of a condition; None while they prove nothing yet.

    Args:
        condition: under which the phase is taken back.
        watches: of the phase.
        rounds: what was measured in the last rounds, by number of the watch, newest last.
        window_over: the phase was watched for as long as it should be.
    """
    held = [evaluate(condition, values_of(watches, measured)) for measured in rounds]
    if not held:
        return None
    if held[-1] is True:
        return "unhealthy"
    if held[-1] is False:
        return "healthy" if window_over else None
    unknown = next((n for n, one in enumerate(reversed(held)) if one is not None), len(held))
    return "inconclusive" if unknown > INCONCLUSIVE_LIMIT else None


def values_of(watches: Sequence[Watch], measured: Mapping[int, Measured]) -> dict[str, Measured]:
    """What was measured, by metric; several checks of one metric as one."""
    found: dict[str, list[Measured]] = {}
    for watch in watches:
        if (value := measured.get(watch.number)) is not None:
            found.setdefault(watch.metric, []).append(value)
    return {metric: merged(values) for metric, values in found.items()}


def judge_sample(watch: Watch, targets: Sequence[str], output: JsonValue) -> Sampled:
    """What an answer shows: health, sickness, or nothing; and what it measured."""
    answer = read_answer(watch, targets, output)
    if answer.measured is None:
        return Sampled(None, answer.wrong)
    return _judged(watch, answer.measured, answer.known, answer.missing)


def _judged(
    watch: Watch, measured: Measured, known: Mapping[str, float], missing: Sequence[str]
) -> Sampled:
    if watch.check is None:
        told = _values(known) or "no values"
        return Sampled(True if measured.complete else None, told, measured)
    operator, limit = _wanted(watch.check)
    broken = compare(measured, _OPPOSITE[operator], limit)
    if broken is None:
        told = f"no number for {', '.join(missing[:5])}" if missing else "the answer is empty"
        return Sampled(None, told, measured)
    if watch.type == "http_200":
        bad = {name: code for name, code in known.items() if code != HTTP_OK}
        told = f"not 200: {_values(bad)}" if bad else "all answer 200"
    else:
        told = f"{'not' if broken else 'all'} {watch.check.threshold}: {_values(known)}"
    return Sampled(not broken, told, measured)


def _wanted(check: Check) -> tuple[Operator, float]:
    """What must hold for all."""
    if check.type == "http_200":
        return ">=", 1.0
    limit = read_limit(check.threshold or "")
    return limit.operator, limit.value


def _values(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in list(values.items())[:5])
