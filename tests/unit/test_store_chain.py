"""The verifier, on rows that were never in a database."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.eventstore import Head, StoredRow
from smartops.eventstore.chain import GENESIS, Broken, Verifier, chain_hash, verify

NAMESPACE = UUID("6f0e3f0c-0000-4000-8000-000000000000")


def log(tenants: list[str]) -> list[StoredRow]:
    rows: list[StoredRow] = []
    heads: dict[str, tuple[int, bytes]] = {}
    for position, tenant in enumerate(tenants, start=1):
        count, previous = heads.get(tenant, (0, GENESIS))
        row = StoredRow(
            position=position,
            tenant=tenant,
            ordinal=count + 1,
            stream=f"{tenant}/task-{position % 3}",
            version=position,
            event_id=uuid5(NAMESPACE, str(position)),
            topic="task.planned.v1",
            task=None,
            cause=None,
            party="-",
            state=b"state %d" % position,
            hash=b"",
            recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        row = row._replace(hash=chain_hash(previous, row))
        heads[tenant] = (count + 1, row.hash)
        rows.append(row)
    return rows


LOGS = st.lists(st.sampled_from(["acme", "umbrella"]), min_size=2, max_size=12).map(log)
CHANGES = {
    "position": lambda row: row.position + 1,
    "ordinal": lambda row: row.ordinal + 1,
    "tenant": lambda row: row.tenant + "x",
    "stream": lambda row: row.stream + "x",
    "version": lambda row: row.version + 1,
    "event_id": lambda row: uuid5(NAMESPACE, str(row.event_id)),
    "topic": lambda row: row.topic + "x",
    "state": lambda row: row.state + b"x",
    "hash": lambda row: row.hash[::-1],
}


def test_the_encoding_is_the_documented_one() -> None:
    [row] = log(["acme"])
    expected = hashlib.sha256(
        bytes(32)
        + (1).to_bytes(8, "big")
        + (11).to_bytes(4, "big")
        + b"acme/task-1"
        + (1).to_bytes(8, "big")
        + row.event_id.bytes
        + (15).to_bytes(4, "big")
        + b"task.planned.v1"
        + hashlib.sha256(b"state 1").digest()
    ).digest()
    assert row.hash == expected


@given(rows=LOGS)
def test_an_honest_log_is_sound(rows: list[StoredRow]) -> None:
    assert verify(rows) is None


@given(rows=LOGS, data=st.data())
def test_any_change_of_one_row_is_found_there(rows: list[StoredRow], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    field = data.draw(st.sampled_from(sorted(CHANGES)))
    changed = rows[place]._replace(**{field: CHANGES[field](rows[place])})
    broken = verify([*rows[:place], changed, *rows[place + 1 :]])
    assert broken is not None
    assert broken.position == changed.position


@given(rows=LOGS, data=st.data())
def test_removing_swapping_and_repeating_are_found(
    rows: list[StoredRow], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(rows) - 2))
    before, row, after = rows[:place], rows[place], rows[place + 1 :]
    assert verify([*before, *after]) is not None
    assert verify([*before, row, row, *after]) is not None
    assert verify([*before, after[0], row, *after[1:]]) is not None


@given(rows=LOGS)
def test_one_tenant_can_be_verified_by_itself(rows: list[StoredRow]) -> None:
    verifier = Verifier(whole_log=False)
    assert verifier.feed(row for row in rows if row.tenant == rows[-1].tenant) is None
    assert verifier.position == rows[-1].position


def test_the_end_is_compared_with_the_heads() -> None:
    rows = log(["acme"] * 3)
    verifier = Verifier()
    assert verifier.feed(rows[:2]) is None
    [head] = verifier.heads.values()
    assert head == Head("acme", 2, 2, rows[1].hash)
    assert verifier.finish([head]) is None
    assert verifier.finish([Head("acme", 3, 3, rows[2].hash)]) == Broken(
        3, "acme", "the database names another head"
    )


@pytest.mark.parametrize("position", [1, 2, 3])
def test_a_log_written_anew_does_not_pass_an_anchor(position: int) -> None:
    anchor = Head("acme", position, position, log(["acme"] * 3)[position - 1].hash)
    forged = log(["acme"] * 3)
    forged[0] = forged[0]._replace(state=b"forged")
    previous = GENESIS
    for place, row in enumerate(forged):
        forged[place] = row._replace(hash=chain_hash(previous, row))
        previous = forged[place].hash
    assert verify(forged) is None
    broken = Verifier(anchors=[anchor]).feed(forged)
    assert broken is not None
    assert broken.position == position
