"""Computed steps: code that is part of the plan, and that nobody but the runner carries out.

It runs in a sandbox, sees what earlier steps of its plan brought out, and says whether the step
holds: "all servers answered the same version". It changes nothing and asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, JsonValue, StrictBool, ValidationError, field_validator
from smartops.contracts.errors import Malformed
from smartops.contracts.parsing import misfit
from smartops.contracts.plan import Plan, Step
from smartops.contracts.wire import JsonObject, LongText, Wire

__all__ = [
    "COMPUTE",
    "MAX_OUTPUT_BYTES",
    "OUTPUT_KEY",
    "Computation",
    "computation_of",
    "computation_problems",
    "filled",
    "mentions_output",
    "output_name",
    "references",
    "verdict_of",
]

COMPUTE = "compute"
"""The tool's name in plans."""

OUTPUT_KEY = "$output"
"""`{"$output": "<step id>"}` as an input stands for what that step brought out. In an intent it is
the number of a step, from 1."""

MAX_OUTPUT_BYTES = 32 * 1024
"""Of a result, as JSON."""


class Computation(Wire):
    """The arguments of a computed step."""

    code: Annotated[str, Field(min_length=1, max_length=32_000)]
    """Python. It sees `inputs` and must assign `result`: `{"ok": bool, "detail": str, ...}`."""
    inputs: Annotated[JsonObject, Field(max_length=100)] = Field(default_factory=dict)
    """By name: a value, or a reference to an earlier step."""

    @field_validator("inputs")
    @classmethod
    def _references_stand_alone(cls, inputs: JsonObject) -> JsonObject:
        for name, value in inputs.items():
            if not isinstance(output_name(value), str) and mentions_output(value):
                raise ValueError(
                    f'{name}: a reference is {{"{OUTPUT_KEY}": "<step id>"}}, alone as an input'
                )
        return inputs


class _Verdict(Wire):
    ok: StrictBool
    detail: LongText


def computation_of(arguments: JsonObject) -> Computation:
    """The computation in a step's arguments.

    Raises:
        Malformed: they are none.
    """
    try:
        return Computation.model_validate(arguments)
    except ValidationError as error:
        raise misfit(error, what="not a computation: ") from error


def output_name(value: JsonValue) -> JsonValue:
    """What a reference refers to; None for any other value."""
    if isinstance(value, dict) and len(value) == 1:
        return value.get(OUTPUT_KEY)
    return None


def mentions_output(value: JsonValue) -> bool:
    """Whether there is a reference to an output anywhere in a value."""
    if isinstance(value, dict):
        return OUTPUT_KEY in value or any(map(mentions_output, value.values()))
    return isinstance(value, list) and any(map(mentions_output, value))


def references(computation: Computation) -> tuple[str, ...]:
    """The steps whose output it works on, each once."""
    names = (output_name(value) for value in computation.inputs.values())
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))


def filled(computation: Computation, outputs: Mapping[str, JsonValue]) -> JsonObject:
    """The inputs with outputs in place of references to them.

    Raises:
        KeyError: there is no such output.
    """
    return {
        name: outputs[referred] if isinstance(referred := output_name(value), str) else value
        for name, value in computation.inputs.items()
    }


def verdict_of(result: JsonValue) -> tuple[bool, str]:
    """Whether the step holds, and in words why.

    Raises:
        Malformed: the result says neither.
    """
    if not isinstance(result, dict):
        raise Malformed('the result is no {"ok": true or false, "detail": "..."}')
    told = {name: result[name] for name in ("ok", "detail") if name in result}
    try:
        verdict = _Verdict.model_validate(told)
    except ValidationError as error:
        found = misfit(error)
        raise Malformed(found.reason, field=f"result.{found.field}") from error
    return verdict.ok, verdict.detail


def computation_problems(plan: Plan) -> Iterator[tuple[str, str]]:
    """What computed steps say that cannot be carried out, as (path, message).

    Every reference must name a step that has ended before: of an earlier phase, or earlier in the
    same one if that goes step by step.
    """
    by_hash = plan.by_hash()
    ended: set[str] = set()
    place = 0
    for phase in plan.header.phases:
        started: set[str] = set()
        for step in (by_hash[hashed] for hashed in phase.steps):
            known = ended | started if phase.order == "sequential" else ended
            if step.tool == COMPUTE:
                yield from _problems_of(step, place, known)
            started.add(step.id)
            place += 1
        ended |= started


def _problems_of(step: Step, place: int, known: set[str]) -> Iterator[tuple[str, str]]:
    where = f"/steps/{place}/arguments"
    try:
        computation = computation_of(step.arguments)
    except Malformed as error:
        yield where, str(error)
        return
    for name in references(computation):
        if name not in known:
            yield f"{where}/inputs", f"{name!r} is no step that has ended by then"
