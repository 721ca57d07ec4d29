"""Edits of a plan: what may be different, and what never."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as over
from hypothesis import strategies as st
from pydantic import JsonValue
from smartops.contracts.computing import COMPUTE
from smartops.contracts.constraints import Constraints, constraint_problems
from smartops.contracts.editing import ArgumentChange, Edit, PhaseChange, Unfit, edited
from smartops.contracts.errors import Malformed
from smartops.contracts.plan import Plan, Precondition, Requester, UndoTemplate, seal
from smartops.contracts.preconditions import seen_digest
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category
from support.plans import phase, plan, step, tool

ADA = Requester(principal="ada", authtype="local")

_SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "asset": {"type": "string"},
        "version": {"type": "string", "pattern": "^[0-9.]+$"},
        "percent": {"type": "integer", "minimum": 1, "maximum": 50},
        "options": {"$ref": "#/$defs/Options"},
        "hosts": {"type": "array", "items": {"type": "string"}},
    },
    "$defs": {"Options": {"type": "object", "properties": {"level": {"enum": ["low", "high"]}}}},
}
PATCH = tool().model_copy(update={"input_schema": _SCHEMA})
LOOK = tool("look", category=Category.READ)
CODE = tool(COMPUTE, category=Category.READ)
TOOLS = {one.name: one for one in (PATCH, LOOK, CODE)}


def patched(target: str, where: str = "canary", **arguments: JsonValue) -> Any:
    """A server is patched."""
    told: dict[str, JsonValue] = {
        "asset": target,
        "version": "1.0",
        "percent": 10,
        "options": {"level": "low"},
        "hosts": ["a", "b"],
    }
    return step(target, PATCH, phase=where, arguments={**told, **arguments})


def rollout(**fields: Any) -> Plan:
    """A canary and a wave."""
    return plan(
        phase(patched("web-1"), name="canary"),
        phase(patched("web-2", "wave"), patched("web-3", "wave"), name="wave", parallelism=2),
        **fields,
    )


def change(argument: str, value: JsonValue, **which: str) -> Edit:
    """One other value."""
    told = which or {"tool": "patch"}
    return Edit(changes=(ArgumentChange(argument=argument, value=value, **told),))


def made(before: Plan, edit: Edit, tools: dict[str, ToolDescriptor] = TOOLS) -> Plan:
    """The plan after an edit that fits."""
    after = edited(before, edit, ADA, tools)
    assert isinstance(after, Plan), after
    plan_hash, _, document = seal(after)
    assert Plan.read(document, plan_hash=plan_hash) == after, "a plan that others can read"
    return after


def unfit(before: Plan, edit: Edit, tools: dict[str, ToolDescriptor] = TOOLS) -> tuple[str, str]:
    """Why an edit does not fit."""
    after = edited(before, edit, ADA, tools)
    assert isinstance(after, Unfit), "it fits"
    assert after.message
    return after.field, after.message


def values(of: Plan, argument: str) -> list[JsonValue]:
    """What the steps are told."""
    return [one.arguments[argument] for one in of.steps]


# ---- what may be different -------------------------------------------------------------------


def test_a_value_is_changed_wherever_the_selector_fits_and_nowhere_else() -> None:
    before = rollout()
    assert values(made(before, change("version", "2.0")), "version") == ["2.0"] * 3
    wave = change("version", "2.0", phase="wave")
    assert values(made(before, wave), "version") == ["1.0", "2.0", "2.0"]
    one = change("version", "2.0", step="wave/patch/web-3")
    assert values(made(before, one), "version") == ["1.0", "1.0", "2.0"]


def test_all_that_is_given_must_fit() -> None:
    nowhere = change("version", "2.0", phase="canary", step="wave/patch/web-3")
    assert unfit(rollout(), nowhere)[0] == "changes.0"


def test_the_next_plan_names_its_editor_and_keeps_all_else() -> None:
    before = rollout(preconditions=(_held("web-1"),))
    after = made(before, change("version", "2.0"))
    assert (after.header.number, after.header.editor) == (2, ADA)
    assert after.hash() != before.hash()
    kept = {"number", "editor", "phases", "summary"}
    one, other = before.header.model_dump(exclude=kept), after.header.model_dump(exclude=kept)
    assert one == other
    assert after.header.summary == "mends what is broken; edited: version = 2.0"
    assert [s.id for s in after.steps] == [s.id for s in before.steps]


def test_a_value_within_another_is_reached_by_its_path() -> None:
    after = made(rollout(), change("options.level", "high"))
    assert values(after, "options") == [{"level": "high"}] * 3
    after = made(rollout(), change("hosts.1", "c"))
    assert values(after, "hosts") == [["a", "c"]] * 3


def test_what_takes_a_step_back_goes_on_to_mean_the_same() -> None:
    undo = UndoTemplate(
        tool="unpatch", version="1", arguments={"percent": 10, "version": {"$before": "version"}}
    )
    before = plan(phase(patched("web-1").model_copy(update={"undo": undo}), name="canary"))
    [after] = made(before, change("percent", 20)).steps
    assert after.undo is not None
    assert after.undo.arguments == {"percent": 20, "version": {"$before": "version"}}


def test_what_the_undo_was_told_otherwise_stays() -> None:
    undo = UndoTemplate(tool="unpatch", version="1", arguments={"percent": 1})
    before = plan(phase(patched("web-1").model_copy(update={"undo": undo}), name="canary"))
    [after] = made(before, change("percent", 20)).steps
    assert after.undo == undo


def test_phases_go_at_another_pace() -> None:
    after = made(rollout(), Edit(phases=(PhaseChange(phase="wave", batch=1, wait_ms=500),)))
    canary, wave = after.header.phases
    assert (canary.batch, wave.batch, wave.wait_ms, wave.parallelism) == (None, 1, 500, 2)


def test_a_target_is_left_out_with_all_that_is_about_it() -> None:
    before = rollout(preconditions=(_held("web-1"), _held("web-3")))
    after = made(before, Edit(exclude=("web-3",)))
    assert after.targets() == ("web-1", "web-2")
    assert [held.target for held in after.header.preconditions] == ["web-1"]
    assert made(before, Edit(exclude=("web-1",))).header.phases[0].name == "wave"


# ---- what never ------------------------------------------------------------------------------


def test_the_target_is_never_edited() -> None:
    field, why = unfit(rollout(), change("asset", "web-9"))
    assert (field, "which target" in why) == ("changes.0.argument", True)
    nested = plan(phase(patched("web-1", hosts=["web-1", "b"]), name="canary"))
    assert unfit(nested, change("hosts.1", "c"))[0] == "changes.0.argument"


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("version", "not a version"),
        ("version", 7),
        ("percent", 51),
        ("percent", 0),
        ("percent", "10"),
        ("percent", True),
        ("options.level", "middling"),
        ("options", "low"),
        ("colour", "blue"),
    ],
)
def test_a_value_that_the_tool_does_not_take_is_refused_naming_the_field(
    argument: str, value: JsonValue
) -> None:
    assert unfit(rollout(), change(argument, value))[0] == "changes.0.value"


def test_a_path_to_nowhere_is_refused() -> None:
    assert unfit(rollout(), change("hosts.7", "c"))[0] == "changes.0.argument"
    assert unfit(rollout(), change("version.major", "1"))[0] == "changes.0.argument"


def test_a_change_says_of_which_steps() -> None:
    of_all = Edit(changes=(ArgumentChange(argument="version", value="2.0"),))
    assert unfit(rollout(), of_all)[0] == "changes.0"


def test_code_is_not_edited() -> None:
    code = step("web-1", CODE, arguments={"code": "result = {'ok': True}"})
    assert unfit(plan(phase(code)), change("code", "pass", tool=COMPUTE))[0] == "changes.0"


def test_a_tool_that_has_changed_is_told() -> None:
    newer = {"patch": PATCH.model_copy(update={"version": "2"})}
    assert unfit(rollout(), change("version", "2.0"), newer)[0] == "changes.0"
    assert unfit(rollout(), change("version", "2.0"), {})[0] == "changes.0"


def test_an_edit_that_changes_nothing_is_none() -> None:
    assert unfit(rollout(), change("version", "1.0"))[0] == "changes"
    assert unfit(rollout(), Edit())[0] == "changes"


def test_targets_and_phases_that_are_not_there_are_told() -> None:
    assert unfit(rollout(), Edit(exclude=("web-2", "web-9")))[0] == "exclude.1"
    everything = Edit(exclude=("web-1", "web-2", "web-3"))
    assert unfit(rollout(), everything)[0] == "exclude"
    assert unfit(rollout(), Edit(phases=(PhaseChange(phase="x", batch=1),)))[0] == "phases.0.phase"
    assert unfit(rollout(), Edit(phases=(PhaseChange(phase="wave"),)))[0] == "phases.0"


_NAMES = st.sampled_from(["asset", "version", "percent", "options", "options.level", "hosts.0"])
_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 60), st.text("web-123.", max_size=6), st.just(["c"])
)
_CHANGES = st.builds(
    ArgumentChange,
    step=st.none(),
    tool=st.sampled_from([None, "patch", "look"]),
    phase=st.sampled_from([None, "canary", "wave"]),
    argument=_NAMES,
    value=_VALUES,
)
_EDITS = st.builds(
    Edit,
    changes=st.lists(_CHANGES, max_size=3).map(tuple),
    phases=st.lists(
        st.builds(
            PhaseChange,
            phase=st.sampled_from([None, "wave"]),
            batch=st.sampled_from([None, 1, 7]),
            parallelism=st.sampled_from([None, 3]),
        ),
        max_size=2,
    ).map(tuple),
    exclude=st.lists(st.sampled_from(["web-1", "web-3"]), max_size=2, unique=True).map(tuple),
)


@over(_EDITS)
def test_no_edit_reaches_another_target_tool_or_way_back(edit: Edit) -> None:
    before = rollout()
    after = edited(before, edit, ADA, TOOLS)
    if isinstance(after, Unfit):
        return
    kept = {one.id: one for one in before.steps}
    for one in after.steps:
        old = kept[one.id]
        assert (one.tool, one.version, one.schema_digest, one.category, one.target) == (
            old.tool,
            old.version,
            old.schema_digest,
            old.category,
            old.target,
        )
        assert one.arguments["asset"] == old.target
        assert (one.undo is None) == (old.undo is None)
    assert set(after.targets()) == set(before.targets()) - set(edit.exclude)
    assert edited(before, edit, ADA, TOOLS) == after, "the same again"


# ---- what the next plan must keep to -----------------------------------------------------------


def test_a_plan_is_held_to_what_was_asked_for() -> None:
    before = rollout()
    assert constraint_problems(before, Constraints()) == []
    assert constraint_problems(before, Constraints(max_batch_size=2, canary_required=True)) == []
    for told, where in (
        (Constraints(exclude_assets=("web-3",)), "/header/phases/1"),
        (Constraints(max_batch_size=1), "/header/phases/1"),
        (Constraints(max_batch_percent=1), "/header/phases/1"),
    ):
        assert [path for path, _ in constraint_problems(before, told)] == [where]
    late = plan(phase(patched("web-1", "first"), name="first"))
    assert constraint_problems(late, Constraints(canary_required=True)) != []


def test_one_asset_at_a_time_is_always_allowed() -> None:
    few = plan(phase(patched("web-1"), name="canary"))
    assert constraint_problems(few, Constraints(max_batch_percent=1)) == []


def test_two_wishes_hold_both() -> None:
    one = Constraints(exclude_assets=("a",), max_batch_size=5)
    other = Constraints(exclude_assets=("b", "a"), max_batch_size=9, canary_required=True)
    both = one.joined(other)
    assert both == Constraints(exclude_assets=("a", "b"), max_batch_size=5, canary_required=True)
    assert both.joined(both) == both
    assert not Constraints().given


# ---- what was seen -----------------------------------------------------------------------------


def _held(target: str) -> Precondition:
    return Precondition(
        tool="look", arguments={"asset": target}, expect=seen_digest({}, ()), target=target
    )


def test_only_the_named_fields_count() -> None:
    seen: JsonValue = {"assets": [{"id": "a", "version": "1", "load": 3}]}
    later: JsonValue = {"assets": [{"id": "a", "version": "1", "load": 9}], "more": 1}
    fields = ("assets.id", "assets.version")
    assert seen_digest(seen, fields) == seen_digest(later, fields)
    assert seen_digest(seen, ()) != seen_digest(later, ())
    moved: JsonValue = {"assets": [{"id": "a", "version": "2", "load": 3}]}
    assert seen_digest(seen, fields) != seen_digest(moved, fields)


@pytest.mark.parametrize("told", [{}, {"assets": [{"id": "a"}]}, {"assets": "none"}, None])
def test_a_field_that_is_not_there_tells_nothing(told: JsonValue) -> None:
    with pytest.raises(Malformed):
        seen_digest(told, ("assets.version",))


def test_old_preconditions_keep_their_bytes() -> None:
    old = Precondition(tool="look", arguments={"a": 1}, expect=seen_digest({}, ()))
    assert set(old.model_dump(mode="json")) == {"tool", "arguments", "expect"}
