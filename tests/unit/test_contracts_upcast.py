"""Old events, read as new ones by everybody who reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic_core import from_json
from smartops.contracts.catalogue import EVENTS
from smartops.contracts.envelope import as_newest, read_data
from smartops.contracts.errors import Malformed
from smartops.contracts.events import DenialReason, ToolCallDenied, ToolCallDeniedV1
from smartops.contracts.folds import CallStatus, CallView, evolve_call
from smartops.contracts.upcast import UPCASTERS, upcast
from smartops.sdk.event import Event
from support.samples import sample, stored

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"
OLD = "tool.call.denied.v1"


def test_a_denial_of_version_1_says_its_rule_as_the_only_reason_and_makes_nothing_up() -> None:
    raw = (GOLDEN / f"{OLD}.json").read_bytes()
    was = from_json(raw)["data"]
    now = read_data(OLD, raw)
    assert isinstance(now, ToolCallDenied)
    assert now.reasons == (DenialReason(rule=was["rule"], message=was["message"]),)
    assert (now.rules, now.message) == ((was["rule"],), was["message"])
    assert (now.policy, now.grant) == (None, None)
    assert now.decisions == ()
    kept = now.model_dump(mode="json", exclude={"reasons", "policy", "grant", "decisions"})
    assert kept == {name: value for name, value in was.items() if name not in ("rule", "message")}


@pytest.mark.parametrize("topic", sorted(UPCASTERS))
def test_a_step_leads_from_anything_its_version_allows_to_what_the_next_one_allows(
    topic: str,
) -> None:
    model = EVENTS[topic].data
    after = EVENTS[f"{model.topic}.v{model.schema_version + 1}"].data
    full = sample(model)
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    bare = model.model_validate(full.model_dump(include=set(required)))
    for event in (full, bare):
        data = event.model_dump(mode="json")
        before = json.dumps(data)
        after.model_validate_json(json.dumps(UPCASTERS[topic](data)), strict=True)
        assert json.dumps(data) == before, "a step leaves what it was given alone"


def test_data_of_the_newest_version_is_left_alone() -> None:
    event = sample(ToolCallDenied)
    assert as_newest(event) is event
    assert upcast("tool.call.denied.v3", {"any": "thing"}) == {"any": "thing"}


def test_the_longest_old_denial_is_still_readable() -> None:
    old = sample(ToolCallDeniedV1).model_copy(update={"rule": "r" * 200, "message": "m" * 4000})
    assert read_data(OLD, stored(old)) == as_newest(old)


def test_old_data_that_its_own_version_would_refuse_is_malformed_not_a_defect() -> None:
    raw = json.loads((GOLDEN / f"{OLD}.json").read_bytes())
    for harmed in (raw["data"] | {"more": 1}, {**raw["data"], "rule": 7}, {}, [], None, "x"):
        with pytest.raises(Malformed):
            read_data(OLD, json.dumps(raw | {"data": harmed}).encode())


def test_what_others_know_of_a_call_follows_from_either_version() -> None:
    old = sample(ToolCallDeniedV1)
    view = evolve_call(CallView(), read_data(OLD, stored(old)))
    assert (view.status, view.error_code, view.message) == (
        CallStatus.DENIED,
        old.reason_code,
        old.message,
    )


def test_a_client_is_told_the_stored_bytes_and_the_newest_reading_of_them() -> None:
    raw = (GOLDEN / f"{OLD}.json").read_bytes()
    event = Event.read(raw)
    assert (event.topic, event.raw) == (OLD, raw)
    assert isinstance(event.data, ToolCallDenied)
