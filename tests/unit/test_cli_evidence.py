"""Evidence as people are told of it."""

from __future__ import annotations

import pytest
from smartops.contracts.events import TaskEvidenceAttached
from smartops.sdk.cli.lines import Mark
from smartops.sdk.cli.sentences import tell_plan
from support.samples import sample


@pytest.mark.parametrize(
    ("kind", "summary", "text"),
    [
        ("golden_image", "get_golden_image on web", "golden image: get_golden_image on web"),
        ("rehearsal:execute_failover/" + "0" * 64, "rehearsal by a on b", "rehearsal by a on b"),
    ],
)
def test_one_line_says_what_was_seen(kind: str, summary: str, text: str) -> None:
    attached = sample(TaskEvidenceAttached)
    found = attached.evidence[0].model_copy(update={"kind": kind, "summary": summary})
    told = attached.model_copy(update={"evidence": (found,)})
    assert list(tell_plan(told, "1")) == [(Mark.INFO, "evidence", text)]
