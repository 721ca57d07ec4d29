"""Words for terminals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from smartops.sdk.cli.text import age, clip, count, duration, harmless, listing, one_line

NOW = datetime(2024, 5, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plain", "plain"),
        ("Größe, 名前, 🙂", "Größe, 名前, 🙂"),
        ("two\nlines", "two\nlines"),
        ("\x1b[31mred", "<U+001B>[31mred"),
        ("a\u202eb", "a<U+202E>b"),
        ("a\u200bb", "a<U+200B>b"),
        ("a\x9b2Jb", "a<U+009B>2Jb"),
        ("a\u2028b", "a<U+2028>b"),
        ("a\rb", "a<U+000D>b"),
        ("a\u3164b", "a<U+3164>b"),
    ],
)
def test_what_would_steer_or_hide_is_spelled_out(given: str, expected: str) -> None:
    assert harmless(given) == expected


def test_one_line_is_one_line() -> None:
    assert one_line("a\n  b\tc") == "a b c"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0301, "30 ms"),
        (1, "1 s"),
        (36.14, "36.1 s"),
        (120, "2 min"),
        (125, "2 min 5 s"),
        (14_400, "4 h"),
        (3_900, "1 h 5 min"),
        (200_000, "2 d 7 h"),
        (-5, "0 ms"),
    ],
)
def test_durations_are_as_exact_as_one_cares_for(seconds: float, expected: str) -> None:
    assert duration(timedelta(seconds=seconds)) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (NOW - timedelta(seconds=12), "12 s ago"),
        (NOW - timedelta(minutes=90), "2 h ago"),
        (NOW + timedelta(minutes=59), "in 59 min"),
        (NOW - timedelta(days=9), "9 d ago"),
        (None, "-"),
    ],
)
def test_ages_are_rough(moment: datetime | None, expected: str) -> None:
    assert age(moment, NOW) == expected


def test_lists_name_a_few_and_count_the_rest() -> None:
    assert listing(["a", "b"]) == "a, b"
    assert listing(["a", "b", "c", "d\x1b", "e"]) == "a, b, c and 2 more"


def test_counts_agree_with_their_nouns() -> None:
    assert [count(n, "step") for n in (0, 1, 1200)] == ["0 steps", "1 step", "1,200 steps"]


def test_what_was_cut_is_marked() -> None:
    assert clip("abcdef", 4) == "abc…"
    assert clip("abcd", 4) == "abcd"
