"""The chain, computed again by whoever doubts it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from smartops.eventstore.chain import chain_hash
from smartops.eventstore.rows import StoredRow
from smartops.sdk.anchors import read_anchors
from smartops.sdk.chain import GENESIS, link, verify
from smartops.sdk.errors import Unverified
from support.sdk_story import BEGIN, TASK

Row = dict[str, Any]


def log(count: int) -> list[Row]:
    rows: list[Row] = []
    head = GENESIS
    for number in range(1, count + 1):
        row: Row = {
            "position": number * 2,
            "stream": f"acme/task-{TASK}",
            "version": number,
            "event_id": uuid5(TASK, str(number)),
            "topic": "task.planned.v1",
            "state": b'{"n":%d}' % number,
        }
        head = row["hash"] = link(head, row)
        rows.append(row)
    return rows


async def given(rows: list[Row]) -> AsyncIterator[Row]:
    for row in rows:
        yield row


def test_the_link_is_that_of_the_store() -> None:
    (row,) = log(1)
    names = StoredRow.__dataclass_fields__ if hasattr(StoredRow, "__dataclass_fields__") else {}
    values: dict[str, Any] = {
        **row,
        "tenant": "acme",
        "ordinal": 1,
        "task": UUID(int=0),
        "cause": None,
        "party": "-",
        "recorded_at": BEGIN,
    }
    stored = StoredRow(**{name: values[name] for name in names or StoredRow._fields})
    assert chain_hash(GENESIS, stored) == row["hash"]


async def test_an_intact_log_gives_its_head() -> None:
    rows = log(5)
    chain = await verify(given(rows))
    assert (chain.count, chain.position, chain.head) == (5, 10, rows[-1]["hash"])


async def test_an_empty_log_is_intact() -> None:
    assert (await verify(given([]))).count == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state", b'{"n":9}'),
        ("topic", "task.planned.v2"),
        ("version", 7),
        ("stream", "acme/task-x"),
        ("event_id", UUID(int=9)),
        ("position", 5),
    ],
)
async def test_a_changed_event_breaks_the_chain_where_it_stands(field: str, value: object) -> None:
    rows = log(5)
    rows[2] = {**rows[2], field: value}
    with pytest.raises(Unverified, match="The chain breaks at position"):
        await verify(given(rows))


async def test_a_removed_event_breaks_the_chain() -> None:
    rows = log(5)
    del rows[2]
    with pytest.raises(Unverified, match="breaks at position 8"):
        await verify(given(rows))


async def test_a_log_that_was_cut_short_misses_its_anchor() -> None:
    rows = log(5)
    with pytest.raises(Unverified, match="cut short: it was anchored at position 10"):
        await verify(given(rows[:3]), heads={10: rows[-1]["hash"]})


async def test_a_log_that_was_written_anew_misses_its_anchor() -> None:
    rows = log(5)
    with pytest.raises(Unverified, match="written anew: at position 4"):
        await verify(given(rows), heads={4: bytes(32)})


def anchor_lines(*anchors: Row) -> bytes:
    lines, previous = [], "0" * 64
    for anchor in anchors:
        line = json.dumps({**anchor, "previous": previous}).encode()
        previous = hashlib.sha256(line).hexdigest()
        lines.append(line)
    return b"\n".join(lines) + b"\n"


def test_anchors_are_read_per_tenant(tmp_path: Path) -> None:
    written = anchor_lines(
        {"tenant": "acme", "position": 4, "head": "ab" * 32},
        {"tenant": "other", "position": 4, "head": "cd" * 32},
        {"tenant": "acme", "position": 9, "head": "ef" * 32},
    )
    (tmp_path / "anchors-2024-05-02.jsonl").write_bytes(written + b'{"tenant": "ac')
    assert read_anchors(tmp_path, "acme") == {4: b"\xab" * 32, 9: b"\xef" * 32}


def test_no_anchors_are_no_error(tmp_path: Path) -> None:
    assert read_anchors(tmp_path / "nowhere", "acme") == {}


def test_a_removed_anchor_is_noticed(tmp_path: Path) -> None:
    heads = [{"tenant": "acme", "position": n, "head": "ab" * 32} for n in (4, 6, 8)]
    lines = anchor_lines(*heads).splitlines(keepends=True)
    (tmp_path / "anchors-2024-05-02.jsonl").write_bytes(lines[0] + lines[2])
    with pytest.raises(Unverified, match="line 2 does not link"):
        read_anchors(tmp_path, "acme")
