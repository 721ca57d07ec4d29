"""Autonomy modes and limits: as shipped, as the file says, and refused when it says nonsense."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from smartops.contracts.wire import Environment
from smartops.policy.scoring.modes import AutonomyFile, BlockedWindow, read_autonomy


def told(**fields: Any) -> AutonomyFile:
    return AutonomyFile.model_validate(fields)


def production(**fields: Any) -> Any:
    return told(environments={"production": fields}).environments[Environment.PRODUCTION]


def test_as_shipped_a_person_decides_in_production_and_the_limits_are_the_specifications() -> None:
    shipped = read_autonomy(None)
    assert {e.value: one.mode for e, one in shipped.environments.items()} == {
        "production": "approve_all",
        "staging": "canary_only",
        "development": "full_auto",
        "sandbox": "full_auto",
    }
    for one in shipped.environments.values():
        assert (one.max_assets, one.max_critical_assets, one.risk_threshold) == (100, 5, 30)
        assert (one.cooldown, one.blocked) == (timedelta(minutes=5), ())
    assert shipped.environments[Environment.PRODUCTION].require_two_approvers


def test_what_the_file_does_not_say_is_as_shipped() -> None:
    made = production(max_assets=10)
    assert (made.mode, made.max_assets, made.require_two_approvers) == ("approve_all", 10, True)
    assert told(environments={"production": {"mode": "plan_only"}}).environments[
        Environment.STAGING
    ].mode == ("canary_only")


@pytest.mark.parametrize(
    ("override", "environment", "mode"),
    [
        ({"mode": "approve_all"}, "staging", "approve_all"),
        ({"mode": "approve_all"}, "production", "approve_all"),
        ({"mode": "full_auto"}, "production", "approve_all"),
        ({"mode": "plan_only"}, "development", "plan_only"),
        ({"mode": "plan_only", "environments": ["staging"]}, "development", "full_auto"),
        ({"mode": "plan_only", "environments": ["staging"]}, "staging", "plan_only"),
    ],
)
def test_a_tool_may_be_let_do_less_than_its_environment_never_more(
    override: dict[str, Any], environment: str, mode: str
) -> None:
    made = told(tools={"terminate_server": override})
    assert made.mode_of("terminate_server", Environment(environment)) == mode
    shipped = made.environments[Environment(environment)].mode
    assert made.mode_of("apply_patch", Environment(environment)) == shipped


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"environments": {"production": {"mode": "yolo"}}}, "environments.production.mode"),
        ({"environments": {"moon": {}}}, "environments.moon"),
        (
            {"environments": {"staging": {"max_assets": 0}}},
            "environments.staging.max_assets",
        ),
        (
            {"environments": {"staging": {"cooldown": "-PT1S"}}},
            "environments.staging.cooldown",
        ),
        (
            {"environments": {"staging": {"timezone": "Mars/Olympus"}}},
            "environments.staging.timezone",
        ),
        (
            {"environments": {"staging": {"blocked": [{"start": "25:00", "end": "01:00"}]}}},
            "environments.staging.blocked.0.start",
        ),
        ({"environments": {"staging": {"modus": "full_auto"}}}, "environments.staging.modus"),
        ({"environments": ["staging"]}, "environments"),
        ({"tools": {"Terminate Server": {"mode": "plan_only"}}}, "tools.Terminate Server"),
        ({"tools": {"x": {}}}, "tools.x.mode"),
        ({"modes": {}}, "modes"),
        ([], "AutonomyFile"),
    ],
)
def test_a_file_that_says_nonsense_is_refused_naming_the_field(
    tmp_path: Path, document: Any, field: str
) -> None:
    path = tmp_path / "autonomy.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ValueError, match=field) as refused:
        read_autonomy(path)
    assert str(path) in str(refused.value)


WORKING_HOURS = BlockedWindow(days=("mon", "tue"), start="08:00", end="18:00")
FREEZE = BlockedWindow(days=("fri",), start="18:00", end="06:00")


@pytest.mark.parametrize(
    ("window", "day", "hour", "minute", "holds"),
    [
        (WORKING_HOURS, 16, 7, 59, False),
        (WORKING_HOURS, 16, 8, 0, True),
        (WORKING_HOURS, 17, 17, 59, True),
        (WORKING_HOURS, 17, 18, 0, False),
        (WORKING_HOURS, 18, 12, 0, False),
        (FREEZE, 20, 17, 59, False),
        (FREEZE, 20, 18, 0, True),
        (FREEZE, 21, 5, 59, True),
        (FREEZE, 21, 6, 0, False),
        (FREEZE, 21, 18, 0, False),
    ],
)
def test_a_blocked_window(
    window: BlockedWindow, day: int, hour: int, minute: int, *, holds: bool
) -> None:
    """16 November 2026 is a Monday, the 20th a Friday."""
    assert window.holds(datetime(2026, 11, day, hour, minute, tzinfo=UTC)) is holds


def test_windows_follow_the_clock_on_the_wall_there() -> None:
    made = production(
        timezone="Asia/Tokyo", blocked=[{"days": ["tue"], "start": "08:00", "end": "09:00"}]
    )
    assert made.blocks(datetime(2026, 11, 16, 23, 30, tzinfo=UTC))
    assert not made.blocks(datetime(2026, 11, 17, 8, 30, tzinfo=UTC))


def test_settings_mark_critical_assets_by_name_or_pattern() -> None:
    made = production(critical_assets=["db-*", "lb-1"])
    assert [made.critical(name) for name in ("db-7", "lb-1", "web-1")] == [True, True, False]
    assert production().critical("db-7") is None


def test_the_example_in_the_documentation_is_a_file_that_policy_reads(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "scores.md"
    [example] = re.findall(r"```json\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    path = tmp_path / "autonomy.json"
    path.write_text(example, encoding="utf-8")
    made = read_autonomy(path)
    assert made.environments[Environment.PRODUCTION].mode == "approve_all"
    assert made.mode_of("terminate_server", Environment.DEVELOPMENT) == "approve_all"
