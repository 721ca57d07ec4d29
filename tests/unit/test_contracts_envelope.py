"""The envelope: a CloudEvent to everybody, a hint to us."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.contracts.envelope import (
    EventMeta,
    encode,
    known,
    read_data,
    read_hint,
)
from smartops.contracts.errors import Malformed, UnknownVersion
from smartops.contracts.events import TaskFailed, TaskHalted
from support.plans import TASK

CAUSE = UUID("77777777-7777-5777-8777-777777777777")
META = EventMeta(
    id=CAUSE,
    tenant="acme",
    stream=f"acme/gate-{TASK}",
    version=3,
    entity=str(TASK),
    task=TASK,
    cause=CAUSE,
    party="-",
    time=datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
HALTED = TaskHalted(principal="op", reason="smoke \u2013 ü \u2028")


def test_what_is_not_known_is_left_out_rather_than_null() -> None:
    bare = EventMeta(
        id=CAUSE,
        tenant="acme",
        stream="acme/actor-1",
        version=1,
        entity="x",
        task=None,
        cause=CAUSE,
        party="-",
        time=META.time,
    )
    written = json.loads(encode(bare, HALTED))
    assert "correlationid" not in written
    assert "traceparent" not in written
    assert read_hint(encode(bare, HALTED)).correlationid is None


def test_the_same_event_is_the_same_bytes() -> None:
    assert encode(META, HALTED) == encode(META, HALTED)


def test_a_hint_names_one_event_of_the_log() -> None:
    hint = read_hint(encode(META, HALTED))
    assert (hint.stream, hint.sequence, hint.id) == (META.stream, 3, CAUSE)
    assert hint.topic == "task.halted.v1"
    assert hint.correlationid == TASK


def changed(**fields: Any) -> bytes:
    written = json.loads(encode(META, HALTED)) | fields
    return json.dumps({name: value for name, value in written.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"id": "no"}, "id"),
        ({"id": ...}, "id"),
        ({"type": "org.example.thing"}, "type"),
        ({"type": "smartops.task.halted"}, "type"),
        ({"type": "smartops.task.invented.v1"}, "type"),
        ({"source": "acme/gate-1"}, "source"),
        ({"source": "/" + "x" * 300}, "source"),
        ({"sequence": "0"}, "sequence"),
        ({"sequence": "many"}, "sequence"),
        ({"sequence": ...}, "sequence"),
    ],
)
def test_what_is_no_event_of_ours_is_refused_naming_the_attribute(
    fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(Malformed) as caught:
        read_hint(changed(**fields))
    assert caught.value.field == field


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"{", b"\xff", b'"text"'])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read_hint(raw)


@given(st.binary(max_size=300))
def test_any_message_is_either_a_hint_or_refused(raw: bytes) -> None:
    with pytest.raises((Malformed, UnknownVersion)):
        read_hint(raw)


def test_unknown_attributes_of_others_do_not_matter() -> None:
    assert read_hint(changed(otherextension="x", data=None)).topic == "task.halted.v1"


def test_a_newer_version_than_known_is_given_back_not_parked() -> None:
    with pytest.raises(UnknownVersion) as caught:
        read_hint(changed(type="smartops.task.halted.v2"))
    assert caught.value.retryable
    with pytest.raises(UnknownVersion):
        known("task.halted.v999")


def test_data_is_read_strictly_by_its_topic() -> None:
    raw = encode(META, HALTED)
    assert read_data("task.halted.v1", raw) == HALTED
    with pytest.raises(Malformed, match="does not fit"):
        read_data("task.planned.v1", raw)
    with pytest.raises(Malformed, match="does not fit"):
        read_data("task.halted.v1", changed(data={"principal": "op", "reason": "x", "more": 1}))


@pytest.mark.parametrize("raw", [b"", b"{", b"{}", b"[]", b"\xff"])
def test_stored_bytes_that_are_no_event_are_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read_data("task.halted.v1", raw)


def test_a_failed_task_tells_whether_trying_again_makes_sense() -> None:
    failed = TaskFailed(task=TASK, error_code="no_evidence", message="", retryable=True)
    assert read_data("task.failed.v1", encode(META, failed)) == failed
