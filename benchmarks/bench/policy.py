"""How fast policy decides: each entrypoint, plans of several sizes, and the engine's floor beside.

The whole way that a service goes is measured: the input model written as canonical bytes, the
engine asked, the answer read strictly, and what is recorded of it made. The floor is the engine
alone, on the very same input, compiled from the same bundle, asked for the same rule. No database,
no bus: what a decision costs there is in `ops-task`.
"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass

import regorus  # type: ignore[import-untyped]
from smartops.policy_engine import (
    Bundle,
    Entrypoint,
    InputDocument,
    RegorusEngine,
    ask,
    default_bundle_path,
)
from smartops.policy_engine.cases import questions
from smartops.policy_engine.inputs import INPUTS

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.figures import percentile, rounded
from benchmarks.lib.machine import machine
from benchmarks.lib.policy_inputs import plan_of
from benchmarks.lib.quiet import quiet

__all__ = ["POLICY", "Plan", "policy"]

_ORDINARY = "a granted write goes out"
"""What nearly every call is; the largest case carries a Terraform plan, and all of its rules."""

BARS = {"tool_call": 1_000.0, "approval": 1_000.0, "plan of 3 steps": 500.0}
"""Decisions per second that one process must reach, at least."""
OTHER_CPUS = 0.3
"""What else may be at work; beyond that a missed bar is void, not broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is asked.

    Attributes:
        seconds: per question and per floor.
        steps: sizes of plans.
        quiet_s: to wait for others' end.
    """

    seconds: float = 3.0
    steps: tuple[int, ...] = (3, 50, 500)
    quiet_s: float = 60.0


async def policy(plan: Plan) -> Outcome:
    """Ask every question for as long as the plan says."""
    bundle = Bundle.read(default_bundle_path())
    engine = RegorusEngine(bundle)
    bare = _bare(bundle)
    busy = await quiet(plan.quiet_s)
    progress(f"{busy} CPUs busy before")
    measured: dict[str, object] = {}
    rates: dict[str, float] = {}
    for name, entrypoint, document in _asked(bundle, plan.steps):
        verdict = ask(engine, entrypoint, document).verdict
        if not verdict.allow:
            return Outcome(measured, void=f"{name} is denied: {verdict.denials[0].message}")
        content = document.canonical_bytes().decode()
        rule = f"data.smartops.{entrypoint}.decision"

        def whole(point: Entrypoint = entrypoint, asked: InputDocument = document) -> None:
            ask(engine, point, asked)

        def floor(asked: str = content, rule: str = rule) -> None:
            own = bare.clone()
            own.set_input_json(asked)
            own.eval_rule(rule)

        found, least = _timed(whole, plan.seconds), _timed(floor, plan.seconds)
        rates[name] = found["per_s"]
        measured[name] = {
            **found,
            "floor": least,
            "bytes": len(content),
            "over_floor": rounded(least["per_s"] / found["per_s"]),
        }
        progress(f"{name}: {found['per_s']}/s, p99 {found['p99_ms']} ms, floor {least['per_s']}/s")
    missed = [
        f"{name}: {rates[name]} decisions/s, the bar is at least {bar:g}"
        for name, bar in BARS.items()
        if rates[name] < bar
    ]
    figures = {
        "n": len(measured),
        "seconds_each": plan.seconds,
        "bundle_bytes": len(bundle.document()),
        "load_ms": rounded(_loading(bundle), 1),
        "decisions": measured,
        "other_cpus_busy": busy,
        "machine": machine(),
    }
    if missed and busy > OTHER_CPUS:
        return Outcome(figures, void=f"{'; '.join(missed)}; but others kept {busy:g} CPUs busy")
    return Outcome(figures, tuple(missed))


def _asked(bundle: Bundle, sizes: tuple[int, ...]) -> list[tuple[str, Entrypoint, InputDocument]]:
    """Plans of each size; an ordinary call, and of each other question the largest allowed case."""
    asked: list[tuple[str, Entrypoint, InputDocument]] = [
        (f"plan of {steps} steps", "plan", plan_of(steps)) for steps in sizes
    ]
    for entrypoint in ("gate", "tool_call", "approval"):
        allowed = [
            one for one in questions(bundle) if one.entrypoint == entrypoint and one.expect.allow
        ]
        largest = max(allowed, key=lambda one: len(one.document)).document
        name: str = entrypoint
        if entrypoint == "tool_call":
            [write] = [one.document for one in allowed if one.name == _ORDINARY]
            asked.append((name, "tool_call", INPUTS["tool_call"].model_validate_json(write)))
            name = "tool_call of Terraform"
        asked.append((name, entrypoint, INPUTS[entrypoint].model_validate_json(largest)))
    return asked


def _timed(once: Callable[[], None], seconds: float) -> dict[str, float]:
    """Done over and over; a first tenth is not counted."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    begin = end - 0.9 * seconds
    while (before := time.perf_counter()) < end:
        once()
        if before >= begin:
            taken.append(time.perf_counter() - before)
    return {
        "per_s": float(round(len(taken) / sum(taken))),
        "p50_ms": rounded((percentile(taken, 0.5) or 0) * 1000, 3) or 0.0,
        "p99_ms": rounded((percentile(taken, 0.99) or 0) * 1000, 3) or 0.0,
    }


def _bare(bundle: Bundle) -> regorus.Engine:
    """The engine as its makers ship it, with the bundle's modules and data."""
    engine = regorus.Engine()
    for path, text, v0 in bundle.modules():
        engine.set_rego_v0(v0)
        engine.add_policy(path, text)
    for _, data in bundle.data():
        engine.add_data_json(json.dumps(data))
    engine.set_input_json("{}")
    for entrypoint in INPUTS:
        engine.eval_rule(f"data.smartops.{entrypoint}.decision")
    return engine


def _loading(bundle: Bundle) -> float:
    """Milliseconds from a stored document to an engine that may decide: a switch costs this."""
    document = bundle.document()
    began = time.perf_counter()
    RegorusEngine(Bundle.from_document(document))
    return (time.perf_counter() - began) * 1000


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    parser.add_argument("--seconds", type=float, default=standard.seconds, help="per question")
    parser.add_argument("--quiet", type=float, default=standard.quiet_s, help="seconds to wait")


async def _run(options: Namespace) -> Outcome:
    return await policy(Plan(seconds=options.seconds, quiet_s=options.quiet))


POLICY = Experiment(
    "policy",
    "decisions per second and their p99 per entrypoint, beside the bare engine",
    _options,
    _run,
)
