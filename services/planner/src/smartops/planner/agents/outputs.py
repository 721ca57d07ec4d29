"""Computed steps of a runbook: where they stand, and which outputs they work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue
from smartops.contracts.commands import WantedStep
from smartops.contracts.computing import COMPUTE, OUTPUT_KEY, mentions_output, output_name
from smartops.planner.agents.base import Misunderstood

__all__ = ["Numbered", "bind_outputs", "by_target"]

Numbered = tuple[int, WantedStep]
"""A step with its number in the list, from 1."""


def by_target(
    wanted: Sequence[WantedStep],
) -> tuple[dict[str, list[Numbered]], dict[str, list[Numbered]]]:
    """Steps by target, in their order; apart from them those of targets that are only computed on.

    A computed step goes where its target goes, and stops the phase there if it does not hold. One
    whose target nothing else is done to looks at all that was done, so it comes last.
    """
    done_to = {step.target for step in wanted if step.tool != COMPUTE}
    acting: dict[str, list[Numbered]] = {}
    closing: dict[str, list[Numbered]] = {}
    for number, step in enumerate(wanted, 1):
        group = acting if step.target in done_to else closing
        group.setdefault(step.target, []).append((number, step))
    return acting, closing


def bind_outputs(
    number: int, wanted: WantedStep, ids: Mapping[int, str]
) -> WantedStep | Misunderstood:
    """The step with ids of steps in place of their numbers.

    Args:
        number: of the step.
        wanted: the step.
        ids: of the steps that are carried out before it, by number.
    """
    if not mentions_output(wanted.arguments):
        return wanted
    inputs = wanted.arguments.get("inputs")
    if wanted.tool != COMPUTE or not isinstance(inputs, dict):
        return _misplaced(number)
    bound: dict[str, JsonValue] = {}
    for name, value in inputs.items():
        if not mentions_output(value):
            bound[name] = value
            continue
        referred = output_name(value)
        if not isinstance(referred, int) or isinstance(referred, bool):
            return _misplaced(number)
        if referred not in ids:
            return Misunderstood(
                "validation_error",
                f"step {number}: {name} refers to step {referred}, which is not carried out "
                "before it",
            )
        bound[name] = {OUTPUT_KEY: ids[referred]}
    return wanted.model_copy(update={"arguments": {**wanted.arguments, "inputs": bound}})


def _misplaced(number: int) -> Misunderstood:
    return Misunderstood(
        "validation_error",
        f'step {number}: {{"{OUTPUT_KEY}": <number of a step>}} stands alone as one of the inputs '
        f"of a {COMPUTE} step, and nowhere else",
    )
