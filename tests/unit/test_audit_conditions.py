"""What people see of a condition: who demanded it, and what was measured of it, phase by phase."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

from smartops.audit.folding import book_key, fold
from smartops.audit.read_models.approvals import APPROVALS
from smartops.audit.read_models.book import Book
from smartops.audit.read_models.phases import PHASES
from smartops.audit.reading import read
from smartops.contracts.bounds import Limits
from smartops.contracts.catalogue import POLICY
from smartops.contracts.events import TaskConditionChecked
from smartops.contracts.measured import Measured
from support.audit_histories import Story, log_of

LOW = "error_rate < 1%"


def shown(story: Story) -> list[Book]:
    """What a story leaves behind."""
    books: dict[tuple[str, UUID | None], Book] = {}
    rows = log_of([story])
    for row in rows:
        books.setdefault(book_key(row), Book(*book_key(row)))
    fold([read(row) for row in rows], books)
    return list(books.values())


def test_a_voice_is_shown_with_its_limits() -> None:
    story = Story("acme", "t").submitted().planned().asked()
    limits = Limits(max_targets=3, condition=LOW)
    story.add(POLICY, story.voice("approve").model_copy(update={"limits": limits}))
    [row] = [row for book in shown(story) for row in book.all(APPROVALS)]
    [voice] = json.loads(row.voices)
    assert voice["limits"] == {"max_targets": 3, "condition": LOW}


def test_what_was_measured_stands_among_the_verdicts_of_its_phase() -> None:
    story = Story("acme", "t").submitted().planned().asked().approved().started()
    call = uuid4()
    story.went_on(
        TaskConditionChecked(
            **story.of_run,
            condition=LOW,
            phase=0,
            batch=0,
            outcome="broken",
            calls=(call,),
            values={"error_rate": Measured(low=0.3, high=0.3, complete=True)},
            rounds=1,
            detail="error_rate 0.3",
        ),
        story.healthy("unhealthy"),
    )
    [row] = [row for book in shown(story) for row in book.all(PHASES)]
    told, check = json.loads(row.health)
    assert (told["type"], told["outcome"], told["condition"]) == ("grant", "broken", LOW)
    assert told["calls"] == [str(call)]
    assert told["values"]["error_rate"]["high"] == 0.3
    assert check["type"] == "http_200"
