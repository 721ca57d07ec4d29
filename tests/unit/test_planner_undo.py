"""How a runbook's step is taken back: by the tool's own reverse, from the state that was before."""

from __future__ import annotations

from typing import Any

import pytest
from smartops.contracts.commands import WantedStep
from smartops.contracts.tools import ToolDescriptor
from smartops.planner.agents.phasing import step_for
from smartops.planner.agents.runbook import undo_arguments
from support.registered import REGISTERED


def undo(name: str, tools: dict[str, ToolDescriptor] | None = None, **arguments: Any) -> Any:
    wanted = WantedStep(tool=name, target="web-01", arguments={"asset": "web-01", **arguments})
    return undo_arguments(REGISTERED[name], wanted, REGISTERED if tools is None else tools)


def before(name: str) -> dict[str, str]:
    return {"$before": name}


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("apply_patch", {"version": "2.4.1"}, {"version": before("version")}),
        ("drain_server", {}, {"draining": before("draining")}),
        ("undrain_server", {}, {"draining": before("draining")}),
        (
            "set_config_value",
            {"value": "5", "expected_revision": 3},
            {"value": before("value"), "expected_revision": 3},
        ),
        (
            "execute_failover",
            {"primary": "b", "reason_code": "drill"},
            {"primary": before("primary"), "reason_code": "drill"},
        ),
        ("run_backup", {"label": "nightly"}, {"label": "nightly"}),
    ],
)
def test_what_the_state_before_knows_is_put_back_and_the_rest_stays(
    name: str, arguments: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert undo(name, **arguments) == {"asset": "web-01", **expected}


def test_arguments_that_the_reverse_does_not_take_are_left_out() -> None:
    assert undo("run_backup", label="nightly", more=1) == {"asset": "web-01", "label": "nightly"}


@pytest.mark.parametrize("missing", ["restore_config_value", "get_config_value"])
def test_without_its_reverse_or_the_read_before_a_step_cannot_be_taken_back(missing: str) -> None:
    tools = {name: tool for name, tool in REGISTERED.items() if name != missing}
    assert undo("set_config_value", tools, value="5", expected_revision=3) is None


def test_an_argument_that_nothing_fills_leaves_the_step_without_a_way_back() -> None:
    assert undo("run_backup") is None
    assert undo("execute_failover", primary="b") is None


@pytest.mark.parametrize("name", ["restart_server", "get_asset", "restore_config_value"])
def test_what_is_no_reversible_write_has_no_way_back(name: str) -> None:
    assert undo(name, value="5", expected_revision=3) is None


def test_the_way_back_is_asked_for_in_its_own_version() -> None:
    tool = REGISTERED["drain_server"]
    made = step_for("p", 1, tool, "web-01", {"asset": "web-01"}, {"asset": "web-01"}, "7")
    assert made.undo is not None
    assert (made.undo.version, made.version) == ("7", tool.version)
