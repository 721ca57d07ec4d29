"""Health: which tool a check asks, what an answer shows, and when the verdict stands."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from pydantic import JsonValue
from smartops.contracts.events import ToolCallRequested
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Check, JsonObject
from smartops.runner.state import Samples

__all__ = [
    "INCONCLUSIVE_LIMIT",
    "judge_sample",
    "request_arguments",
    "sample_tool",
    "samples_needed",
    "verdict",
]

INCONCLUSIVE_LIMIT = 3
"""Samples in a row that show nothing before the run pauses for a person."""

_HTTP_OK = 200
_THRESHOLD = re.compile(r"(<=|<) ?([0-9]+(?:\.[0-9]+)?)%")


def sample_tool(check: Check) -> str:
    """The read tool that takes a sample."""
    return "probe_http" if check.type == "http_200" else "query_error_rate"


def request_arguments(check: Check, targets: Sequence[str]) -> JsonObject:
    """One call samples all targets of the phase."""
    names: list[JsonValue] = list(targets)
    if check.type == "http_200":
        return {"targets": names, "path": check.target}
    return {"targets": names}


def samples_needed(check: Check) -> int:
    """Samples that fill the window: one at its start, then one per interval."""
    return 1 + check.window_ms // check.interval_ms


def verdict(check: Check, seen: Samples) -> str | None:
    """What the samples prove; None while they prove nothing yet."""
    if seen.failed > check.failure_limit:
        return "unhealthy"
    if seen.inconclusive >= INCONCLUSIVE_LIMIT:
        return "inconclusive"
    if seen.taken >= samples_needed(check) and seen.inconclusive == 0:
        return "healthy"
    return None


def judge_sample(
    plan: Plan, request: ToolCallRequested, output: JsonValue
) -> tuple[bool | None, str]:
    """Whether a sample shows health: yes, no, or None when it shows nothing; and why."""
    if request.phase is None:
        return None, "the sample belongs to no phase"
    number = request.question.rpartition("/")[2]
    checks = plan.header.phases[request.phase].checks
    if not number.isdecimal() or int(number) >= len(checks):
        return None, "the sample belongs to no check"
    check = checks[int(number)]
    targets = (request.arguments or {}).get("targets")
    values = output.get("results") if isinstance(output, dict) else None
    if not isinstance(values, dict) or not isinstance(targets, list):
        return None, "the answer holds no results"
    missing = [target for target in targets if values.get(str(target)) is None]
    if missing:
        return None, f"no result for {', '.join(map(str, missing[:5]))}"
    if check.type == "http_200":
        bad = {name: code for name, code in values.items() if code != _HTTP_OK}
        return not bad, "all answer 200" if not bad else f"not 200: {_some(bad)}"
    return _below(check, values)


def _below(check: Check, values: JsonObject) -> tuple[bool | None, str]:
    parts = _THRESHOLD.fullmatch(check.threshold or "")
    if parts is None:
        return None, f"{check.threshold!r} is no threshold"
    limit = float(parts[2]) / 100
    over: JsonObject = {}
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            return None, f"{name} has no number"
        if not (value <= limit if parts[1] == "<=" else value < limit):
            over[name] = value
    return not over, f"all {check.threshold}" if not over else f"over the limit: {_some(over)}"


def _some(values: JsonObject) -> str:
    return ", ".join(f"{name}={value}" for name, value in list(values.items())[:5])
