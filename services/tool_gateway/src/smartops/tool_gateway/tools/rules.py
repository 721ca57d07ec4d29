"""What a descriptor may not say: promises that contradict each other, or that nobody could keep.

A tool that breaks one of these rules is not registered, and the gateway does not start. Events of
the past are read all the same: the rules are about what is to be called, not about what was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, Idempotence, JsonObject, Risk, Scope
from smartops.tool_gateway.tools.schemas import has_path, properties, reason_codes, required
from typing_extensions import override

__all__ = ["BadTools", "Contradiction", "check_tools", "contradictions"]

_LOOKS = frozenset({Risk.READ_ONLY, Risk.PLAN_ONLY})
_ASSET = "asset"
"""The argument that names the target: all that a before-read is given."""

_REASON = "reason_code"
_EXPECTED = "expected_"

Known = Mapping[str, ToolDescriptor]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Why a tool cannot be registered."""

    tool: str
    field: str
    """Of its descriptor."""
    reason: str

    @override
    def __str__(self) -> str:
        return f"{self.tool}.{self.field}: {self.reason}"


class BadTools(ValueError):
    """Descriptors contradict themselves or each other."""

    code = "contradictory_tool"
    retryable = False

    def __init__(self, found: tuple[Contradiction, ...]) -> None:
        super().__init__("; ".join(map(str, found)))
        self.found = found


def check_tools(known: Known) -> None:
    """Refuse tools that cannot be what they say.

    Raises:
        BadTools: with all that is wrong of all of them.
    """
    found = tuple(one for tool in known.values() for one in contradictions(tool, known))
    if found:
        raise BadTools(found)


def contradictions(tool: ToolDescriptor, known: Known) -> Iterator[Contradiction]:
    """All that is wrong with a tool among those it may name."""
    traits = _of_a_read if tool.category is Category.READ else _of_a_write
    for rule in (
        traits,
        _undo,
        _before,
        _probe,
        _compare_and_set,
        _simulate,
        _reason_code,
        _output,
    ):
        for field, reason in rule(tool, known):
            yield Contradiction(tool.name, field, reason)


Rule = Callable[[ToolDescriptor, Known], Iterator[tuple[str, str]]]


def _of_a_read(tool: ToolDescriptor, _known: Known) -> Iterator[tuple[str, str]]:
    if tool.risk not in _LOOKS:
        yield "risk", f"{tool.risk} changes things, a read does not"
    if tool.blast_radius:
        yield "blast_radius", "a read changes no asset"
    for field in ("undo_tool", "before", "probe", "simulate"):
        if getattr(tool, field) is not None:
            yield field, "only a write has one"
    for field in ("compare_and_set", "reason_code"):
        if getattr(tool, field):
            yield field, "is for writes"


def _of_a_write(tool: ToolDescriptor, _known: Known) -> Iterator[tuple[str, str]]:
    if tool.risk in _LOOKS:
        yield "risk", f"{tool.risk} changes nothing, a write does"
    if not tool.blast_radius:
        yield "blast_radius", "tell how many assets one call can change, at least 1"
    elif tool.scope is Scope.ASSET and tool.blast_radius > 1:
        yield "blast_radius", f"one call reaches one asset, not {tool.blast_radius}: scope is asset"
    if tool.category is Category.REVERSIBLE and tool.undo_tool is None:
        yield "undo_tool", "name the tool that takes it back, or call it irreversible"
    if tool.category is Category.IRREVERSIBLE and tool.undo_tool is not None:
        yield "undo_tool", "what can be taken back is reversible"


def _undo(tool: ToolDescriptor, known: Known) -> Iterator[tuple[str, str]]:
    if tool.undo_tool is None:
        return
    undo = known.get(tool.undo_tool)
    if undo is None:
        yield "undo_tool", f"{tool.undo_tool} is not registered"
        return
    if undo.category is Category.READ:
        yield "undo_tool", f"{undo.name} is a read: it takes nothing back"
    filled = set(properties(tool.input_schema))
    before = known.get(tool.before or "")
    if before is not None:
        filled |= set(properties(before.output_schema))
    if missing := required(undo.input_schema) - filled:
        names = ", ".join(sorted(missing))
        yield "undo_tool", f"nothing fills the argument {names} of {undo.name}"


def _before(tool: ToolDescriptor, known: Known) -> Iterator[tuple[str, str]]:
    yield from _a_read("before", tool.before, known)
    before = known.get(tool.before or "")
    if before is not None and required(before.input_schema) - {_ASSET}:
        yield "before", f"{before.name} wants more than the target, as {_ASSET}"


def _probe(tool: ToolDescriptor, known: Known) -> Iterator[tuple[str, str]]:
    if tool.category is Category.READ:
        return
    yield from _a_read("probe", tool.probe, known)
    if tool.idempotence is Idempotence.PROBEABLE and tool.probe is None:
        yield "probe", "a probeable write names the read that tells whether it was applied"
    if tool.idempotence is Idempotence.OPAQUE and tool.probe is not None:
        yield "probe", "of an opaque write no read can tell: call it probeable"
    probe = known.get(tool.probe or "")
    if probe is not None and required(probe.input_schema) - set(properties(tool.input_schema)):
        yield "probe", f"{probe.name} wants arguments that {tool.name} does not have"


def _compare_and_set(tool: ToolDescriptor, _known: Known) -> Iterator[tuple[str, str]]:
    if tool.compare_and_set and not any(
        name.startswith(_EXPECTED) for name in required(tool.input_schema)
    ):
        yield "compare_and_set", f"no required argument {_EXPECTED}... says what to find"


def _simulate(tool: ToolDescriptor, known: Known) -> Iterator[tuple[str, str]]:
    if tool.simulate is None or tool.category is Category.READ:
        return
    rehearsal = known.get(tool.simulate)
    if rehearsal is None:
        yield "simulate", f"{tool.simulate} is not registered"
        return
    if rehearsal.category is not Category.READ or rehearsal.risk is not Risk.PLAN_ONLY:
        yield "simulate", f"{rehearsal.name} is no read of risk {Risk.PLAN_ONLY}"
    if _rehearsed(rehearsal.input_schema) != _rehearsed(tool.input_schema):
        yield "simulate", f"{rehearsal.name} takes other arguments, but for {_REASON}"


def _rehearsed(schema: JsonObject) -> set[str]:
    return set(properties(schema)) - {_REASON}


def _reason_code(tool: ToolDescriptor, _known: Known) -> Iterator[tuple[str, str]]:
    if not tool.reason_code:
        return
    if _REASON not in required(tool.input_schema):
        yield "reason_code", f"its arguments do not require a {_REASON}"
    elif not reason_codes(tool.input_schema):
        yield "reason_code", f"its input schema lists no values of {_REASON}"


def _output(tool: ToolDescriptor, _known: Known) -> Iterator[tuple[str, str]]:
    for path in tool.sensitive_fields:
        if not has_path(tool.output_schema, path):
            yield "sensitive_fields", f"there is no {path} in its output"


def _a_read(field: str, name: str | None, known: Known) -> Iterator[tuple[str, str]]:
    if name is None:
        return
    found = known.get(name)
    if found is None:
        yield field, f"{name} is not registered"
    elif found.category is not Category.READ:
        yield field, f"{name} is no read"
