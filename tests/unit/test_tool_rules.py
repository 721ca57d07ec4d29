"""Descriptors that contradict themselves, or each other, are not registered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, Idempotence, Risk, Scope
from smartops.tool_gateway.adapters.egress import Egress
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown
from smartops.tool_gateway.tools import BadTools, Drivers, Registry, Tool, control_tools, noop_tools
from smartops.tool_gateway.tools.base import Arguments, Output
from smartops.tool_gateway.tools.rules import check_tools, contradictions
from smartops.tool_gateway.tools.schemas import has_path
from smartops.tool_gateway.tools.sensitive import without


class NoDriver:
    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        raise AssertionError(outbound.tool)

    async def close(self) -> None: ...


ALL = (*control_tools(Drivers(*[NoDriver()] * 4), ("127.0.0.1",)), *noop_tools())
SHIPPED = {tool.descriptor.name: tool.descriptor for tool in ALL}


def wrong(name: str, **changes: Any) -> set[str]:
    """The fields that are refused of a shipped tool with these changes, in its company."""
    tool = SHIPPED[name].model_copy(update=changes)
    known = {**SHIPPED, name: tool}
    return {found.field for found in contradictions(tool, known)}


def test_the_tools_that_are_shipped_contradict_nothing() -> None:
    check_tools(SHIPPED)
    Registry(ALL)


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("apply_patch", {"undo_tool": None}, "undo_tool"),
        ("apply_patch", {"undo_tool": "no_such_tool"}, "undo_tool"),
        ("apply_patch", {"undo_tool": "get_asset"}, "undo_tool"),
        ("drain_server", {"undo_tool": "apply_patch", "before": None}, "undo_tool"),
        ("restart_server", {"undo_tool": "drain_server"}, "undo_tool"),
        ("get_asset", {"undo_tool": "drain_server"}, "undo_tool"),
        ("apply_patch", {"before": "no_such_tool"}, "before"),
        ("apply_patch", {"before": "drain_server"}, "before"),
        ("apply_patch", {"before": "query_assets"}, "before"),
        ("get_asset", {"before": "get_asset"}, "before"),
        ("apply_patch", {"blast_radius": 0}, "blast_radius"),
        ("apply_patch", {"blast_radius": None}, "blast_radius"),
        ("apply_patch", {"blast_radius": 2}, "blast_radius"),
        ("get_asset", {"blast_radius": 1}, "blast_radius"),
        ("apply_patch", {"risk": Risk.READ_ONLY}, "risk"),
        ("apply_patch", {"risk": Risk.PLAN_ONLY}, "risk"),
        ("get_asset", {"risk": Risk.STATE_CHANGE_NONPROD}, "risk"),
        ("set_config_value", {"probe": None}, "probe"),
        ("set_config_value", {"probe": "no_such_tool"}, "probe"),
        ("set_config_value", {"probe": "restore_config_value"}, "probe"),
        ("set_config_value", {"probe": "query_assets"}, "probe"),
        ("restart_server", {"probe": "get_asset"}, "probe"),
        ("get_asset", {"probe": "get_asset"}, "probe"),
        ("apply_patch", {"compare_and_set": True}, "compare_and_set"),
        ("get_asset", {"compare_and_set": True}, "compare_and_set"),
        ("execute_failover", {"simulate": "no_such_tool"}, "simulate"),
        ("execute_failover", {"simulate": "execute_failover"}, "simulate"),
        ("execute_failover", {"simulate": "get_cluster"}, "simulate"),
        ("apply_patch", {"simulate": "simulate_failover"}, "simulate"),
        ("get_asset", {"simulate": "simulate_failover"}, "simulate"),
        ("apply_patch", {"reason_code": True}, "reason_code"),
        ("get_asset", {"reason_code": True}, "reason_code"),
        ("get_asset", {"sensitive_fields": ("password",)}, "sensitive_fields"),
    ],
)
def test_a_contradiction_names_its_field(name: str, changes: dict[str, Any], field: str) -> None:
    assert field in wrong(name, **changes)


def test_a_free_text_is_no_reason_code() -> None:
    schema = dict(SHIPPED["execute_failover"].input_schema)
    schema["properties"] = {**schema["properties"], "reason_code": {"type": "string"}}  # type: ignore[dict-item]
    assert wrong("execute_failover", input_schema=schema) == {"reason_code"}


def test_what_only_looks_is_no_rehearsal() -> None:
    look = SHIPPED["simulate_failover"].model_copy(update={"risk": Risk.READ_ONLY})
    known = {**SHIPPED, look.name: look}
    found = [one.field for one in contradictions(SHIPPED["execute_failover"], known)]
    assert found == ["simulate"]


def test_a_wide_tool_may_change_many_assets() -> None:
    wide = {"scope": Scope.ENVIRONMENT, "blast_radius": 50}
    assert wrong("apply_patch", **wide) == set()


def test_all_that_is_wrong_is_told_at_once() -> None:
    known = {
        **SHIPPED,
        "apply_patch": SHIPPED["apply_patch"].model_copy(update={"undo_tool": "x", "before": "y"}),
    }
    with pytest.raises(BadTools, match=r"apply_patch\.undo_tool: .*; apply_patch\.before: "):
        check_tools(known)


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(BadTools, match=r"noop\.name"):
        Registry((*noop_tools(), *noop_tools()))


def test_a_tool_whose_host_is_not_on_the_list_is_refused() -> None:
    with pytest.raises(BadTools, match=r"get_asset\.egress: 127\.0\.0\.1"):
        Egress(["fleet.example"]).check(ALL)
    Egress(["127.0.0.1:8080"]).check(ALL)


@given(st.data())
def test_a_write_is_registered_only_if_it_can_be_settled_and_taken_back(
    data: st.DataObject,
) -> None:
    """Whatever a descriptor says: what passes holds together, for those who rely on it."""
    names = st.sampled_from([None, *SHIPPED, "no_such_tool"])
    changes = data.draw(
        st.fixed_dictionaries(
            {
                "category": st.sampled_from(Category),
                "risk": st.sampled_from(Risk),
                "idempotence": st.sampled_from(Idempotence),
                "undo_tool": names,
                "before": names,
                "probe": names,
                "simulate": names,
                "blast_radius": st.sampled_from([None, 0, 1, 2]),
                "compare_and_set": st.booleans(),
            }
        )
    )
    name = data.draw(st.sampled_from(sorted(SHIPPED)))
    tool = SHIPPED[name].model_copy(update=changes)
    known = {**SHIPPED, name: tool}
    if any(contradictions(tool, known)):
        return
    _holds_together(tool, known)


def _holds_together(tool: ToolDescriptor, known: Mapping[str, ToolDescriptor]) -> None:
    reads = tool.category is Category.READ
    assert reads == (tool.risk in (Risk.READ_ONLY, Risk.PLAN_ONLY))
    assert reads == (not tool.blast_radius)
    assert (tool.undo_tool is not None) == (tool.category is Category.REVERSIBLE)
    if tool.undo_tool is not None:
        assert known[tool.undo_tool].category is not Category.READ
    for looked in (tool.before, tool.probe, tool.simulate):
        assert looked is None or (not reads and known[looked].category is Category.READ)
    if tool.idempotence is Idempotence.PROBEABLE and not reads:
        assert tool.probe is not None


# ---- fields that are never stored --------------------------------------------------------------


class Inner(Output):
    secret: str
    kept: int


class Outer(Output):
    secret: str
    one: Inner | None
    many: tuple[Inner, ...]
    named: dict[str, Inner]


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("secret", True),
        ("one.secret", True),
        ("many.secret", True),
        ("named.*.secret", True),
        ("named.*", True),
        ("*", True),
        ("many", True),
        ("many.other", False),
        ("one.secret.deeper", False),
        ("other", False),
        ("named.web-01.secret", False),
        ("", False),
    ],
)
def test_a_path_is_looked_up_in_the_output_s_schema(path: str, known: bool) -> None:  # noqa: FBT001
    assert has_path(Outer.model_json_schema(), path) is known


def test_sensitive_fields_go_wherever_they_are() -> None:
    inner = {"secret": "s", "kept": 1}
    output = {"secret": "s", "one": inner, "many": [inner, inner], "named": {"a": inner}}
    paths = ("secret", "one.secret", "many.secret", "named.*.secret")
    rest = {"kept": 1}
    assert without(output, paths) == {"one": rest, "many": [rest, rest], "named": {"a": rest}}
    assert output["one"] == inner, "what was given is left alone"


@given(
    st.recursive(
        st.sampled_from(["s", 1, None]),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["a", "b", "secret"]), inner)
        ),
    )
)
def test_nothing_of_a_sensitive_name_is_left_at_the_top(value: Any) -> None:
    left = without(value, ["secret"])
    items = left if isinstance(left, list) else [left]
    assert not any(isinstance(item, dict) and "secret" in item for item in items)


class WantsNothing(Arguments):
    pass


def test_the_registry_checks_what_it_is_given() -> None:
    bad = SHIPPED["apply_patch"].model_copy(update={"blast_radius": 0})
    tools = [tool for tool in ALL if tool.descriptor.name != "apply_patch"]
    with pytest.raises(BadTools, match=r"apply_patch\.blast_radius"):
        Registry((*tools, Tool(bad, WantsNothing, Output, NoDriver())))
