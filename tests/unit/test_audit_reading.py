"""Rows of the log understood, and what is said of them on the bus."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from smartops.audit.adapters.announcing import announcement
from smartops.audit.errors import LogTampered, NewerEvent, UnreadableEvent
from smartops.audit.heads import Heads
from smartops.audit.projector import Stretch
from smartops.audit.reading import read
from smartops.contracts.envelope import read_hint
from smartops.contracts.events import DenialReason, TaskSubmitted, ToolCallDenied
from smartops.contracts.subjects import Subjects
from smartops.eventstore.rows import StoredRow
from support.audit_histories import Story, log_of, ops_task


@pytest.fixture
def rows() -> list[StoredRow]:
    return log_of([ops_task("acme", "one"), ops_task("globex", "two")])


def test_a_row_is_read_as_the_event_it_holds(rows: list[StoredRow]) -> None:
    found = read(rows[0])
    assert isinstance(found.event, TaskSubmitted)
    assert found.event.tags == ("drift", "web")


def test_a_known_topic_without_reactions_is_not_parsed_further(rows: list[StoredRow]) -> None:
    claimed = next(row for row in rows if row.topic == "target.claimed.v1")
    assert read(claimed) == (claimed, None, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"task": uuid4()},
        {"task": None},
        {"cause": uuid4()},
        {"cause": None},
        {"party": "runner"},
        {"event_id": uuid4()},
        {"version": 9},
        {"stream": "acme/task-other"},
        {"tenant": "globex"},
    ],
)
def test_a_column_that_disagrees_with_the_bytes_is_tampering(
    rows: list[StoredRow], changes: dict[str, Any]
) -> None:
    with pytest.raises(LogTampered, match="a column disagrees with the hashed bytes"):
        read(rows[0]._replace(**changes))


def test_a_newer_version_is_not_taken_for_an_unknown_topic(rows: list[StoredRow]) -> None:
    with pytest.raises(NewerEvent):
        read(rows[0]._replace(topic="task.submitted.v2"))
    assert read(rows[0]._replace(topic="weather.changed.v2")) == (
        rows[0]._replace(topic="weather.changed.v2"),
        None,
        False,
    )


def test_bytes_that_break_the_contract_name_the_field(rows: list[StoredRow]) -> None:
    broken = rows[0]._replace(state=rows[0].state.replace(b'"intent"', b'"intended"'))
    with pytest.raises(UnreadableEvent, match=r"data\.intent: Field required"):
        read(broken)


def test_an_older_version_is_read_as_the_newest() -> None:
    rows = log_of([Story("acme", "old").submitted().planned().denied_long_ago(1)])
    event = read(rows[-1]).event
    assert isinstance(event, ToolCallDenied)
    assert event.reasons == (DenialReason(rule="freeze", message="a change freeze is on"),)
    assert event.policy is None


def test_an_older_version_that_never_was_one_is_unreadable() -> None:
    rows = log_of([Story("acme", "old").submitted().planned().denied_long_ago(1)])
    broken = rows[-1]._replace(state=rows[-1].state.replace(b'"rule"', b'"ruled"'))
    with pytest.raises(UnreadableEvent, match=r"data\.rule: Field required"):
        read(broken)


def test_chains_are_followed_tenant_by_tenant(rows: list[StoredRow]) -> None:
    heads = Heads()
    first = heads.follow(0, rows[:30])
    assert heads.ends == ()
    heads.accept(first)
    heads.accept(heads.follow(30, rows[30:]))
    assert {end.tenant: (end.events, end.verified_position) for end in heads.ends} == {
        "acme": (23, 23),
        "globex": (23, 46),
    }


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"position": 9}, "the log goes on at 9"),
        ({"ordinal": 9}, "event 5 of the tenant is missing"),
        ({"stream": "globex/task-1"}, "another tenant's stream"),
        ({"state": b"{}"}, "does not link"),
        ({"hash": bytes(32)}, "does not link"),
    ],
)
def test_a_broken_link_names_the_event(
    rows: list[StoredRow], changes: dict[str, Any], what: str
) -> None:
    rows[4] = rows[4]._replace(**changes)
    with pytest.raises(LogTampered, match=what) as raised:
        Heads().follow(0, rows)
    assert (raised.value.position, raised.value.tenant) == (5, "acme")


def test_the_same_batch_is_announced_in_the_same_bytes() -> None:
    rows = log_of([Story("acme", "one").submitted().planned()])
    (end,) = Heads().follow(0, rows).values()
    stretch = Stretch(rows[0], rows[-1], end, len(rows))
    message = announcement(Subjects("smartops"), stretch)
    assert message == announcement(Subjects("smartops"), stretch)
    assert message.subject == "smartops.acme.audit.appended.v1.-.1-3"
    hint = read_hint(message.payload)
    assert (hint.stream, hint.topic, str(hint.id)) == (
        "acme/audit-1-3",
        "audit.appended.v1",
        message.msg_id,
    )
