"""Bytes from outside, made up by Hypothesis: read, or refused in our own words. Nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fuzz.readers import READERS, read_tagged, tagged
from fuzz.seeds import seeds, words
from hypothesis import given, settings
from hypothesis import strategies as st

of_each_reader = pytest.mark.parametrize("name", sorted(READERS))
EXAMPLES = settings.default.max_examples if settings.default else 100
some = settings(max_examples=max(20, EXAMPLES // 3))

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "\x00", "x" * 5000, 10**400, -(2**63), "2026-03-01T00:00:00Z"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize(("name", "raw"), seeds(), ids=lambda part: str(part)[:40])
def test_a_seed_is_let_through_or_the_search_would_start_nowhere(name: str, raw: bytes) -> None:
    assert READERS[name](raw)
    assert read_tagged(tagged(name, raw))


def test_every_reader_has_a_seed() -> None:
    assert {name for name, _ in seeds()} == set(READERS)


@of_each_reader
def test_any_bytes_are_read_or_refused(name: str) -> None:
    @some
    @given(
        st.binary(max_size=400) | st.text(max_size=100).map(lambda t: t.encode(errors="replace"))
    )
    def check(raw: bytes) -> None:
        READERS[name](raw)

    check()


@of_each_reader
def test_any_json_is_read_or_refused(name: str) -> None:
    @some
    @given(JSON)
    def check(value: Any) -> None:
        READERS[name](json.dumps(value).encode())

    check()


@of_each_reader
def test_a_message_with_a_value_or_a_key_changed_is_read_or_refused(name: str) -> None:
    known = [raw for reader, raw in seeds() if reader == name and raw[:1] in b"{["]

    @some
    @given(st.data())
    def check(data: st.DataObject) -> None:
        document = json.loads(data.draw(st.sampled_from(known)))
        for _ in range(data.draw(st.integers(1, 3))):
            _change(document, data)
        READERS[name](
            json.dumps(document, ensure_ascii=data.draw(st.booleans())).encode(
                "utf-8", "surrogatepass"
            )
        )

    if known:
        check()


@of_each_reader
def test_a_message_with_bytes_cut_doubled_or_put_in_is_read_or_refused(name: str) -> None:
    known = [raw for reader, raw in seeds() if reader == name]

    @some
    @given(st.data())
    def check(data: st.DataObject) -> None:
        raw = data.draw(st.sampled_from(known))
        for _ in range(data.draw(st.integers(1, 4))):
            start = data.draw(st.integers(0, len(raw)))
            end = data.draw(st.integers(start, min(len(raw), start + 40)))
            put = data.draw(
                st.sampled_from(words()) | st.binary(max_size=4) | st.just(raw[start:end] * 2)
            )
            raw = raw[:start] + put + raw[end:]
        READERS[name](raw)

    check()


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps({"k" * 5000: 1}).encode(),
        b'{"":1,"":2}',
        b'{"\\ud800":1,"\\ud800":2}',
        json.dumps({"context": {"a" * 300: {}}, "intent": "Fix drift"}).encode(),
    ],
    ids=["a long key", "no key, twice", "half a character, twice", "a long path"],
)
def test_a_command_is_refused_in_an_answer_that_can_be_written_whatever_its_keys(
    raw: bytes,
) -> None:
    assert not READERS["command intent.submit.v1"](raw)


def _change(document: Any, data: st.DataObject) -> None:
    holders = list(_holders(document))
    if not holders:
        return
    holder = data.draw(st.sampled_from(holders))
    value = data.draw(JSON)
    if isinstance(holder, list):
        place = data.draw(st.integers(0, len(holder)))
        holder[place : place + data.draw(st.integers(0, 1))] = [value]
    elif data.draw(st.booleans()):
        holder[data.draw(st.sampled_from(sorted(holder)) | st.text(max_size=300))] = value
    else:
        holder.pop(data.draw(st.sampled_from(sorted(holder))))


def _holders(document: Any) -> Iterator[Any]:
    if isinstance(document, dict | list) and document:
        yield document
        for inner in document.values() if isinstance(document, dict) else document:
            yield from _holders(inner)
