"""Computed steps as people are told of them."""

from __future__ import annotations

import pytest
from smartops.contracts.events import TaskComputationEnded
from smartops.sdk.cli.lines import Mark
from smartops.sdk.cli.sentences import tell_run
from support.samples import sample


@pytest.mark.parametrize(
    ("outcome", "ok", "mark", "text"),
    [
        ("value", True, Mark.GOOD, "conclusion/1-compute/all holds: so it is"),
        ("value", False, Mark.BAD, "conclusion/1-compute/all does not hold: so it is"),
        ("timed_out", False, Mark.BAD, "conclusion/1-compute/all timed out: so it is"),
        ("not_run", False, Mark.BAD, "conclusion/1-compute/all was not run: so it is"),
    ],
)
def test_one_line_says_what_came_of_code(outcome: str, ok: bool, mark: Mark, text: str) -> None:  # noqa: FBT001
    told = sample(TaskComputationEnded).model_copy(
        update={
            "outcome": outcome,
            "ok": ok,
            "question": "conclusion/1-compute/all",
            "detail": "so it is",
            "level": "landlock",
            "duration_ms": 41.6,
        }
    )
    assert list(tell_run(told)) == [(mark, "computed", f"{text} (sandbox landlock, 42 ms)")]
