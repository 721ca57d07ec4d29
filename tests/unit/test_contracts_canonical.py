"""Canonical bytes: one value has one form, and one form one digest."""

from __future__ import annotations

import json
import math
from enum import IntEnum, StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from smartops.contracts.canonical import canonical, digest, digest_of, raw_digest
from smartops.contracts.errors import Malformed

_SAFE = 2**53 - 1
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-_SAFE, _SAFE)
    | st.floats(-_SAFE, _SAFE)  # Larger ones are written without a point: integers beyond 2^53.
    | st.text(st.characters(exclude_categories=["Cs"]))
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=15,
)


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    BIG = 3


@given(VALUES)
def test_the_quick_way_writes_what_rfc_8785_asks(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(VALUES)
def test_canonical_bytes_mean_the_same_and_are_a_fixed_point(value: Any) -> None:
    written = canonical(value)
    assert json.loads(written) == value
    assert canonical(json.loads(written)) == written


@given(st.dictionaries(TEXTS, SCALARS, max_size=6), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, Any], dice: Any) -> None:
    keys = list(value)
    dice.shuffle(keys)
    assert canonical({key: value[key] for key in keys}) == canonical(value)


@pytest.mark.parametrize(
    "value",
    [
        {"\u20ac": 1, "\U0001f600": 2, "\ufb33": 3, "a": 4},  # Sorted by UTF-16, not by code point.
        {"tab\t": '\b\f\n\r"\\/\x00\x1f\x7f\u2028'},
        [1.0, 1e21, 1e-7, 333333333.33333329, 4.5, 2e-3, 0.000001, -0.0],
        [True, 1, False, 0, None],
        (1, 2, {"b": (), "a": []}),
    ],
)
def test_the_corners_are_written_as_rfc_8785_asks(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [Colour.RED, Size.BIG, {"a": Size.BIG}, [Colour.RED]])
def test_names_of_values_are_written_as_the_values(value: Any) -> None:
    assert json.loads(canonical(value)) == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        2**53,
        -(2**53),
        {"a": [math.nan]},
        "\ud800",
        {"\udfff": 1},
        {1: "a"},
        {1, 2},
        b"bytes",
    ],
    ids=repr,
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(Malformed, match="no canonical form"):
        canonical(value)


def test_what_is_nested_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(Malformed, match="no canonical form"):
        canonical(endless)


def test_a_digest_is_sha256_of_the_canonical_bytes() -> None:
    wanted = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert digest_of({}) == digest(b"{}") == wanted
    assert raw_digest(wanted).hex() == wanted.removeprefix("sha256:")


@pytest.mark.parametrize("text", ["", "sha1:00", "44136f", "sha256:xyz"])
def test_what_is_no_digest_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"digest|hexadecimal"):
        raw_digest(text)
