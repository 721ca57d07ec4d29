"""What a plan does otherwise than the one before it: read from both, as they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue
from smartops.contracts.plan import Phase, Plan, Step

__all__ = ["Difference", "differences"]

_PACE = tuple(name for name in Phase.model_fields if name not in ("name", "steps", "checks"))
_FEW = 4
"""Phases that are named; of more it is told how many."""
_TERMS = (
    *("max_run_ms", "on_timeout", "rollback_timeout_ms", "maintenance"),
    *("total_assets", "approval_requested"),
)

Deed = tuple[str, str, int]
"""A tool, its target, and the so-manieth time that it is called there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs, and where."""

    what: str
    before: JsonValue
    """None where there was nothing."""
    after: JsonValue
    """None where there is nothing any more."""
    where: tuple[str, ...]
    """Targets, or names of phases."""


def differences(before: Plan, after: Plan) -> tuple[Difference, ...]:
    """All that differs in what is done; evidence and wording are not compared.

    Steps are the same if they call the same tool on the same target: their ids change with the
    phases that they stand in.
    """
    return (*_targets(before, after), *_arguments(before, after), *_phases(before, after))


def _targets(before: Plan, after: Plan) -> Iterator[Difference]:
    old, new = _deeds(before), _deeds(after)
    gone: dict[str, list[str]] = {}
    come: dict[str, list[str]] = {}
    for deed in old:
        if deed not in new:
            gone.setdefault(deed[0], []).append(deed[1])
    for deed in new:
        if deed not in old:
            come.setdefault(deed[0], []).append(deed[1])
    for tool, targets in gone.items():
        yield Difference(tool, "called", None, tuple(dict.fromkeys(targets)))
    for tool, targets in come.items():
        yield Difference(tool, None, "called", tuple(dict.fromkeys(targets)))


def _arguments(before: Plan, after: Plan) -> Iterator[Difference]:
    old, new = _deeds(before), _deeds(after)
    found: dict[tuple[str, str, str], tuple[JsonValue, JsonValue, list[str]]] = {}
    for deed, step in new.items():
        earlier = old.get(deed)
        if earlier is None:
            continue
        pairs = [
            (name, earlier.arguments.get(name), step.arguments.get(name))
            for name in dict.fromkeys((*earlier.arguments, *step.arguments))
        ]
        pairs.append(("version of the tool", earlier.version, step.version))
        pairs.append(("kind", earlier.category.value, step.category.value))
        pairs.append(("undo", _undo(earlier), _undo(step)))
        for name, was, now in pairs:
            if was != now or type(was) is not type(now):
                key = (f"{step.tool} {name}", repr(was), repr(now))
                found.setdefault(key, (was, now, []))[2].append(step.target)
    for (what, _, _), (was, now, targets) in found.items():
        yield Difference(what, was, now, tuple(dict.fromkeys(targets)))


def _phases(before: Plan, after: Plan) -> Iterator[Difference]:
    old = {phase.name: phase for phase in before.header.phases}
    new = {phase.name: phase for phase in after.header.phases}
    names_before, names_after = list(old), list(new)
    if names_before != names_after:
        yield Difference("phases", _named(names_before), _named(names_after), ())
    for name, phase in new.items():
        earlier = old.get(name)
        if earlier is not None:
            yield from _pace(earlier, phase)
    yield from _moved(before, after, old.keys() & new.keys())
    for field in _TERMS:
        was, now = getattr(before.header, field), getattr(after.header, field)
        if was != now:
            yield Difference(field, _plain(was), _plain(now), ())


def _moved(before: Plan, after: Plan, both: set[str]) -> Iterator[Difference]:
    """What is done in another phase than before, of phases that both plans have."""
    old, new = _places(before), _places(after)
    found: dict[tuple[str, str], list[str]] = {}
    for deed, now in new.items():
        was = old.get(deed, now)
        if was != now and {was, now} <= both:
            found.setdefault((was, now), []).append(deed[1])
    for (was, now), targets in found.items():
        yield Difference("phase", was, now, tuple(dict.fromkeys(targets)))


def _pace(before: Phase, after: Phase) -> Iterator[Difference]:
    for field in _PACE:
        was, now = getattr(before, field), getattr(after, field)
        if was != now:
            yield Difference(field, _plain(was), _plain(now), (after.name,))
    if before.checks != after.checks:
        number = len(after.checks)
        others = number if number != len(before.checks) else f"{number} others"
        yield Difference("checks", len(before.checks), others, (after.name,))


def _deeds(plan: Plan) -> dict[Deed, Step]:
    found: dict[Deed, Step] = {}
    for step in plan.steps:
        times = 0
        while (step.tool, step.target, times) in found:
            times += 1
        found[step.tool, step.target, times] = step
    return found


def _places(plan: Plan) -> dict[Deed, str]:
    """The phase in which each deed is done."""
    phases = {hashed: phase.name for phase in plan.header.phases for hashed in phase.steps}
    by_id = {step.id: phases[hashed] for hashed, step in plan.by_hash().items()}
    return {deed: by_id[step.id] for deed, step in _deeds(plan).items()}


def _undo(step: Step) -> JsonValue:
    return None if step.undo is None else step.undo.model_dump(mode="json")


def _plain(value: object) -> JsonValue:
    return value if isinstance(value, str | int | None) else str(value)


def _named(phases: list[str]) -> str:
    return ", ".join(phases) if len(phases) <= _FEW else f"{len(phases)} of them"
