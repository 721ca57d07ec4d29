"""What a child's answer is taken for, whatever it wrote."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.sandbox import (
    Failed,
    Killed,
    Level,
    Limits,
    NotStarted,
    Outcome,
    TimedOut,
    TooLarge,
    Value,
)
from smartops.sandbox.reading import read
from smartops.sandbox.talking import Answer

READY = b'{"fences": ["limits"]}\n'


def outcome(answer: Answer) -> Outcome:
    return read(answer, Level.LANDLOCK, Limits())[1]


def said(line: str | bytes, status: int = 0) -> Outcome:
    raw = line.encode() if isinstance(line, str) else line
    return outcome(Answer(READY + raw, "", status))


def test_a_result_is_a_value() -> None:
    assert said('{"value": {"ok": true}}\n') == Value({"ok": True})
    assert said('{"value": null}') == Value(None)


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"value": NaN}',
        '{"value": 1, "value": 2}',
        '{"value": 1, "also": 2}',
        '{"value": "\\ud800"}',
        '{"failed": {}}',
        '{"value": ' + "[" * 100 + "]" * 100 + "}",
        '{"value": ' + "9" * 5000 + "}",
        b'{"value": "\xff"}',
        '{"value": 1}\n{"value": 2}',
    ],
)
def test_what_is_no_legal_answer_is_a_failure_of_the_code(line: str | bytes) -> None:
    found = said(line)
    assert isinstance(found, Failed)
    assert found.error == "Malformed"


def test_the_text_of_an_exception_is_cut_and_holds_no_secret() -> None:
    token = "ghp_" + "a1B2" * 9
    told = {"error": "ValueError", "message": f"no access with {token} " + "x" * 2000, "line": 3}
    found = said(json.dumps({"failed": told}))
    assert isinstance(found, Failed)
    assert (found.error, found.line) == ("ValueError", 3)
    assert token not in found.message
    assert "[secret:github_token]" in found.message
    assert len(found.message) == 500


def test_no_half_of_a_secret_is_left_where_the_text_is_cut() -> None:
    token = "ghp_" + "a1B2" * 9
    told = {"error": "E", "message": "x " * 240 + token, "line": None}
    found = said(json.dumps({"failed": told}))
    assert isinstance(found, Failed)
    assert "ghp_" not in found.message


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (-9, Killed("SIGKILL")),
        (137, Killed("SIGKILL")),
        (-24, Killed("SIGXCPU", "cpu")),
        (152, Killed("SIGXCPU", "cpu")),
        (-11, Killed("SIGSEGV")),
        (3, Killed("exit 3")),
        (0, Killed("exit 0")),
    ],
)
def test_silence_is_told_by_how_it_ended(status: int, expected: Outcome) -> None:
    assert said("", status) == expected


def test_a_child_that_was_too_late_or_too_long_is_not_believed() -> None:
    assert outcome(Answer(READY + b'{"value": 1}', "", -9, late=True)) == TimedOut(
        timedelta(seconds=10)
    )
    assert isinstance(outcome(Answer(READY + b'{"value": 1}', "", -9, long=True)), TooLarge)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(b"", "bwrap: setting up uid map: Permission denied", 1), "Permission denied"),
        (Answer(b'{"unguarded": "OSError: no Landlock"}\n', "", 70), "no Landlock"),
        (Answer(b'{"value": 1}\n', "", 0), "ended with 0"),
        (Answer(b"", "", -9, late=True), "not ready in time"),
    ],
)
def test_without_fences_nothing_was_run(answer: Answer, reason: str) -> None:
    with pytest.raises(NotStarted, match=reason):
        outcome(answer)


@given(st.binary(max_size=200), st.integers(-64, 255))
def test_whatever_is_written_there_is_an_outcome(line: bytes, status: int) -> None:
    assert isinstance(said(line, status), Value | Failed | Killed | TooLarge)
