"""Samples: which read takes one, with which arguments, and what its answer measures. Pure.

Shared, as whoever asks for a sample and whoever decides on what it shows must read it alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue
from smartops.contracts.measured import NOTHING_MEASURED, Measured
from smartops.contracts.watching import Watch
from smartops.contracts.wire import JsonObject

__all__ = ["HTTP_OK", "SAMPLE_VERSION", "Answer", "read_answer", "request_arguments", "sample_tool"]

HTTP_OK = 200
_TOOLS = {
    "http_200": "probe_http",
    "error_rate": "query_error_rate",
    "latency_p99": "query_latency",
    "custom_metric": "query_prometheus",
}

SAMPLE_VERSION = "1"
"""Of the tools that take samples: the one whose answers are understood here."""


class Answer(NamedTuple):
    """What a sample brought out."""

    measured: Measured | None
    """None: it is not the answer of such a tool."""
    known: Mapping[str, float]
    """The numbers, by target or by place of the series."""
    missing: Sequence[str]
    """Targets and series without a number."""
    wrong: str = ""
    """What the answer lacks, where it is none."""


def sample_tool(watch: Watch) -> str:
    """The read tool that takes a sample."""
    return _TOOLS[watch.type]


def request_arguments(watch: Watch, targets: Sequence[str]) -> JsonObject:
    """One call samples all targets; a query says itself what it is about."""
    names: list[JsonValue] = list(targets)
    match watch.type:
        case "http_200":
            return {"targets": names, "path": watch.path}
        case "custom_metric":
            return {"query": watch.query}
        case _:
            return {"targets": names}


def read_answer(watch: Watch, targets: Sequence[str], output: JsonValue) -> Answer:
    """What an answer measures, of those targets."""
    if watch.type == "custom_metric":
        values = output.get("values") if isinstance(output, dict) else None
        if not isinstance(values, list):
            return Answer(None, {}, (), "the answer holds no values")
        named: JsonObject = {str(number): value for number, value in enumerate(values)}
        wanted = list(named)
    else:
        results = output.get("results") if isinstance(output, dict) else None
        if not isinstance(results, dict):
            return Answer(None, {}, (), "the answer holds no results")
        named, wanted = results, list(targets)
    known = {name: number for name in wanted if (number := _number(named.get(name))) is not None}
    missing = [name for name in wanted if name not in known]
    if watch.type == "http_200":
        return Answer(_share(known, len(wanted)), known, missing)
    measured = Measured(
        low=min(known.values(), default=None),
        high=max(known.values(), default=None),
        complete=bool(wanted) and not missing,
    )
    return Answer(measured, known, missing)


def _share(codes: Mapping[str, float], asked: int) -> Measured:
    """The share of targets that answer 200; with some silent, what it is at least and at most."""
    if not codes:
        return NOTHING_MEASURED
    good, silent = sum(code == HTTP_OK for code in codes.values()), asked - len(codes)
    # A comparison holds only if it holds whatever the silent ones would have said.
    return Measured(low=(good + silent) / asked, high=good / asked, complete=silent == 0)


def _number(value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
