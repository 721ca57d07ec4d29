"""What a task cost its agent is told where one looks at the task."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from smartops.contracts.events import AutonomyChanged
from smartops.contracts.wire import Environment
from smartops.sdk.cli.lines import Mark
from smartops.sdk.cli.sentences import level_text, tell_agent

TASK = UUID("11111111-1111-5111-8111-111111111111")


def changed(**fields: Any) -> AutonomyChanged:
    told: dict[str, Any] = {
        "agent": "drift",
        "agent_version": "1.0.0",
        "tool": "apply_patch",
        "environment": Environment.STAGING,
        "level": 1,
        "before": 2,
        "rule": "rollback",
        "reason": "unhealthy",
        "task": TASK,
    }
    return AutonomyChanged.model_validate(told | fields)


def test_a_fall_is_a_warning_with_whose_it_is_and_why() -> None:
    [(mark, word, text)] = tell_agent(changed())
    assert (mark, word) == (Mark.WARN, "autonomy")
    assert text == "drift 1.0.0 with apply_patch in staging: L2 to L1 (rollback: unhealthy)"


def test_a_rise_is_none() -> None:
    [(mark, _, _)] = tell_agent(changed(level=3, rule="raised"))
    assert mark is Mark.INFO


def test_whatever_is_not_named_is_said_in_words() -> None:
    wide = changed(agent_version="*", tool="*", environment="*", before=None, level=0)
    assert level_text(wide) == "drift with any tool everywhere: L0 (rollback: unhealthy)"
