"""The CloudEvents SDK as a judge: what we ever wrote it reads, what it writes we read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import (
    HTTPMessage,
    from_structured_event,
    to_structured_event,
)
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st
from smartops.contracts.catalogue import EVENTS
from smartops.contracts.envelope import (
    CONTENT_TYPE,
    EventMeta,
    as_newest,
    encode,
    read_data,
    read_hint,
)
from smartops.contracts.events import TaskHalted
from support.plans import TASK

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
golden = pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)

EXTENSIONS = {
    "tenantid",
    "sequence",
    "causationid",
    "partyid",
    "correlationid",
    "traceparent",
}


def judged(raw: bytes) -> CloudEvent:
    event = from_structured_event(HTTPMessage({"content-type": CONTENT_TYPE}, raw))
    assert isinstance(event, CloudEvent)
    return event


def attributes(event: CloudEvent) -> dict[str, Any]:
    return {name: value for name, value in event.get_attributes().items() if value is not None}


@golden
def test_a_golden_event_is_a_cloudevent_with_these_attributes_and_no_others(path: Path) -> None:
    raw = path.read_bytes()
    ours = json.loads(raw)
    event = judged(raw)
    data = ours.pop("data")
    ours["time"] = datetime.fromisoformat(ours["time"])
    assert attributes(event) == ours
    assert event.get_data() == data
    assert set(ours) - EXTENSIONS == {
        *("specversion", "id", "source", "type", "subject", "time", "datacontenttype"),
    }


@golden
def test_what_the_sdk_writes_of_a_golden_event_we_read_as_the_same(path: Path) -> None:
    raw = path.read_bytes()
    for again in (
        JSONFormat().write(judged(raw)),
        to_structured_event(judged(raw)).body,
    ):
        assert read_hint(again) == read_hint(raw)
        assert read_data(path.stem, again) == read_data(path.stem, raw)


@golden
def test_an_event_made_by_the_sdk_from_nothing_is_read_by_us(path: Path) -> None:
    ours = json.loads(path.read_bytes())
    data = ours.pop("data")
    ours["time"] = datetime.fromisoformat(ours["time"])
    raw = JSONFormat().write(CloudEvent(ours, data))
    hint = read_hint(raw)
    assert (str(hint.id), hint.source, str(hint.sequence)) == (
        ours["id"],
        ours["source"],
        ours["sequence"],
    )
    assert (str(hint.correlationid), hint.traceparent) == (
        ours["correlationid"],
        ours["traceparent"],
    )
    read = as_newest(EVENTS[path.stem].data.model_validate(data))
    assert read_data(path.stem, raw) == read


METAS = st.builds(
    EventMeta,
    id=st.uuids(),
    tenant=st.sampled_from(["acme", "_platform", "a-1"]),
    stream=st.sampled_from([f"acme/gate-{TASK}", "_platform/bundle-a/b:c.d_e", "a-1/actor-x"]),
    version=st.integers(1, 2**63 - 1),
    entity=st.uuids().map(str),
    task=st.none() | st.uuids(),
    cause=st.uuids(),
    party=st.sampled_from(["-", "runner", "tool_gateway"]),
    time=st.datetimes(
        min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - the zone is drawn beside it.
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
    ),
    traceparent=st.none() | st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
)


@given(METAS, st.text(min_size=1, max_size=200))
def test_any_event_means_the_same_to_the_sdk_and_to_us(meta: EventMeta, reason: str) -> None:
    said = TaskHalted(principal="op", reason=reason)
    raw = encode(meta, said)
    event, hint = judged(raw), read_hint(raw)
    assert (event.get_id(), event.get_source()) == (str(hint.id), hint.source)
    assert (event.get_type(), event.get_time()) == (hint.type, meta.time)
    assert event.get_extension("sequence") == str(hint.sequence) == str(meta.version)
    assert event.get_extension("tenantid") == meta.tenant
    assert event.get_data() == said.model_dump(mode="json")
    again = JSONFormat().write(event)
    assert read_hint(again) == hint
    assert read_data(hint.topic, again) == said
