"""What people see of a decision: who is asked, who has said what, and what stood in for a word."""

from __future__ import annotations

import json
from uuid import UUID

from smartops.audit.folding import book_key, fold
from smartops.audit.read_models.approvals import APPROVALS, ApprovalRow
from smartops.audit.read_models.book import Book
from smartops.audit.reading import read
from support.audit_histories import Story, log_of


def shown(story: Story) -> ApprovalRow:
    """The row of a story's only plan."""
    books: dict[tuple[str, UUID | None], Book] = {}
    rows = log_of([story])
    for row in rows:
        books.setdefault(book_key(row), Book(*book_key(row)))
    fold([read(row) for row in rows], books)
    (row,) = (row for book in books.values() for row in book.all(APPROVALS))
    return row


def begin() -> Story:
    """A task with a plan."""
    return Story("acme", "t").submitted().planned()


def test_whom_a_plan_waits_for_is_shown_with_who_was_asked_again_and_who_besides() -> None:
    row = shown(begin().asked().overlooked())
    assert (row.status, row.roles, row.escalated) == ("pending", ("approver",), ("duty-manager",))
    assert row.reminders == 1
    assert row.prompted_at is not None


def test_each_voice_is_shown_with_its_word_its_roles_and_its_time() -> None:
    row = shown(begin().asked().approved())
    [voice] = json.loads(row.voices)
    assert (voice["decision"], voice["note"], voice["for_name"]) == ("approve", "looks right", None)
    assert voice["at"]


def test_a_broken_glass_and_a_standing_word_are_told_apart_from_voices() -> None:
    broken = shown(begin().asked().glass_broken())
    assert (broken.status, broken.break_glass, broken.standing) == ("approved", True, None)
    assert len(broken.decided_by) == 1
    beforehand = shown(begin().let_run_beforehand())
    assert (beforehand.status, beforehand.break_glass) == ("approved", False)
    assert beforehand.standing is not None
    assert not beforehand.automatic
