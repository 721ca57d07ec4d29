"""Names and units: what is refused before it reaches the database."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops import eventstore
from smartops.eventstore import (
    InvalidUnit,
    NewEvent,
    ReadCondition,
    StoreError,
    StreamName,
    TenantMismatch,
    TimerCancel,
    TimerSet,
    TooLarge,
    Trigger,
    Unit,
    Write,
    category_of,
    errors,
    limits,
    tenant_of,
)
from smartops.eventstore.admission import admit
from smartops.eventstore.batch import APPEND, Batch


def event(state: bytes = b"{}", event_id: UUID | None = None) -> NewEvent:
    return NewEvent(event_id or uuid4(), "t.v1", None, None, "-", state, None)


def trigger(cause: UUID | None = None) -> Trigger:
    return Trigger("handler", cause or uuid4())


@given(
    tenant=st.from_regex(r"[a-z0-9_][a-z0-9_-]{0,20}", fullmatch=True),
    category=st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True),
    id_=st.from_regex(r"[!-~]{1,40}", fullmatch=True),
)
def test_a_stream_name_survives_the_way_to_text_and_back(
    tenant: str, category: str, id_: str
) -> None:
    name = StreamName(tenant, category, id_)
    assert StreamName.parse(str(name)) == name
    assert (tenant_of(str(name)), category_of(str(name))) == (tenant, category)


def test_an_id_may_hold_slashes_and_dashes() -> None:
    name = StreamName.parse("acme/target-production/web-1")
    assert (name.tenant, name.category, name.id) == ("acme", "target", "production/web-1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme",
        "acme/task",
        "acme/task-",
        "/task-1",
        "Acme/task-1",
        "acme/task-1\n",
        "acme/TASK-1",
        "acme/task-a b",
        "acme//task-1",
        "a.b/task-1",
    ],
)
def test_anything_else_is_no_stream_name(text: str) -> None:
    with pytest.raises(ValueError, match="no stream name"):
        StreamName.parse(text)


@pytest.mark.parametrize("parts", [("a/b", "task", "1"), ("acme", "task-x", ""), ("", "t", "1")])
def test_parts_that_do_not_make_a_name_are_refused(parts: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="no stream name"):
        StreamName(*parts)


def test_a_unit_knows_its_tenant_size_and_count() -> None:
    admitted = admit(Unit([trigger()], [Write("acme/task-1", 0, [event(b"x" * 100), event()])]))
    assert (admitted.tenant, admitted.event_count) == ("acme", 2)
    assert admitted.size > 100


def test_conditions_may_name_other_tenants_but_writes_may_not() -> None:
    read = ReadCondition("_platform/bundle-1", 3)
    admit(Unit([trigger()], [Write("acme/task-1", 0, [event()])], [read]))
    with pytest.raises(TenantMismatch, match="umbrella"):
        admit(
            Unit(
                [trigger()],
                [Write("acme/task-1", 0, [event()]), Write("umbrella/task-1", 0, [event()])],
            )
        )


SAME = uuid4()


@pytest.mark.parametrize(
    "unit",
    [
        Unit(),
        Unit(writes=[Write("acme/task-1", 0, [])]),
        Unit([trigger()], [Write("acme/task-1", 0, [event()]), Write("acme/task-1", 1, [])]),
        Unit([trigger()], [Write("acme/task-1", 0, [event()])], [ReadCondition("acme/task-1", 0)]),
        Unit([trigger(SAME), trigger(SAME)]),
        Unit(writes=[Write("acme/task-1", 0, [event(event_id=SAME), event(event_id=SAME)])]),
        Unit([trigger()], timers=[TimerCancel(SAME), TimerCancel(SAME)]),
        Unit(
            [Trigger("handler", SAME, is_timer=True)],
            timers=[TimerSet(SAME, "handler", "acme/task-1", "x", timedelta(0))],
        ),
        Unit([trigger()], blobs=[b"x"]),
    ],
)
def test_a_unit_that_contradicts_itself_is_refused(unit: Unit) -> None:
    with pytest.raises(InvalidUnit):
        admit(unit)


def test_what_is_too_large_is_refused_with_both_numbers() -> None:
    large = Unit([trigger()], [Write("a/t-1", 0, [event(b"x" * (limits.MAX_STATE_BYTES + 1))])])
    with pytest.raises(TooLarge) as caught:
        admit(large)
    assert (caught.value.size, caught.value.limit) == (
        limits.MAX_STATE_BYTES + 1,
        limits.MAX_STATE_BYTES,
    )
    blob = b"x" * (limits.MAX_BLOB_BYTES + 1)
    for unit in (
        Unit([trigger()], blobs=[blob], tenant="acme"),
        Unit([trigger()], blobs=[blob[:-1]] * 5, tenant="acme"),
        Unit([trigger()], [Write("a/t-1", 0, [event()] * (limits.MAX_UNIT_EVENTS + 1))]),
    ):
        with pytest.raises(TooLarge):
            admit(unit)


def test_units_that_share_a_trigger_timer_or_bare_event_have_a_key_in_common() -> None:
    setting = TimerSet(SAME, "handler", "acme/task-1", "x", timedelta(0))
    pairs = [
        (Unit([trigger(SAME)]), Unit([trigger(SAME), trigger()])),
        (Unit([trigger()], timers=[setting]), Unit([trigger()], timers=[TimerCancel(SAME)])),
        (Unit([trigger()], timers=[setting]), Unit([Trigger("other", SAME, is_timer=True)])),
        (
            Unit(writes=[Write("acme/task-1", 0, [event(event_id=SAME)])]),
            Unit(writes=[Write("acme/task-2", 0, [event(event_id=SAME)])]),
        ),
    ]
    for one, other in pairs:
        assert not admit(one).keys.isdisjoint(admit(other).keys)
    assert admit(Unit([trigger()])).keys.isdisjoint(admit(Unit([trigger()])).keys)


def test_names_travel_once_per_batch() -> None:
    unit = Unit([trigger()], [Write("acme/task-1", 0, [event()])])
    arguments = Batch([admit(unit), admit(Unit([trigger()], unit.writes))]).arguments()
    assert arguments[:3] == (["acme"], ["acme/task-1"], [1])
    assert len(arguments) == APPEND.count("$")


def test_every_error_has_a_code_of_its_own_and_is_exported() -> None:
    classes = [getattr(errors, name) for name in errors.__all__]
    assert len({one.code for one in classes}) == len(classes)
    assert all(issubclass(one, StoreError) for one in classes)
    assert set(errors.__all__) <= set(eventstore.__all__)
    assert all(hasattr(eventstore, name) for name in eventstore.__all__)
