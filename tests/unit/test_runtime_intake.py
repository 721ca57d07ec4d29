"""When a service takes it that the event stream takes nothing, and when it does not."""

from __future__ import annotations

from datetime import timedelta

from smartops.runtime.intake import Intake

LATE = "no answer in time"


def intake() -> Intake:
    return Intake(timedelta(seconds=5))


def test_nothing_heard_is_no_trouble() -> None:
    assert intake().trouble is None


def test_a_failure_without_any_answer_is_trouble_and_says_what_to_do() -> None:
    heard = intake()
    heard.failed(LATE, now=5.0)
    assert heard.trouble is not None
    assert LATE in heard.trouble
    assert "see that its disk has room" in heard.trouble


def test_an_answer_ends_it() -> None:
    heard = intake()
    heard.failed(LATE, now=5.0)
    heard.acked(now=6.0)
    assert heard.trouble is None


def test_a_late_failure_of_what_was_sent_before_the_last_answer_says_nothing() -> None:
    heard = intake()
    heard.acked(now=10.0)
    heard.failed(LATE, now=14.9)  # Sent at 9.9.
    assert heard.trouble is None
    heard.failed(LATE, now=15.1)
    assert heard.trouble is not None


def test_another_server_starts_without_a_history() -> None:
    heard = intake()
    heard.failed(LATE, now=5.0)
    heard.forget()
    assert heard.trouble is None
