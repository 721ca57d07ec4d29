"""Bytes from outside: what parsers read differently is refused, naming the field."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from smartops.contracts.canonical import digest
from smartops.contracts.commands import ApprovalDecide, IntentSubmit, TaskCancel, WantedStep
from smartops.contracts.errors import Malformed
from smartops.contracts.parsing import MAX_BYTES, MAX_DEPTH, parse_model, strict_json
from smartops.contracts.wire import CommandData
from support.plans import TASK

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)

INTENT = {"intent": "Fix drift on production web servers"}
VOTE = {
    "task": str(TASK),
    "plan_hash": digest(b"p"),
    "assessment_hash": digest(b"a"),
    "decision": "approve",
}


def refused(raw: bytes, says: str, field: str | None = None) -> None:
    with pytest.raises(Malformed, match=says) as caught:
        strict_json(raw)
    assert caught.value.field == field
    assert not caught.value.retryable


@given(JSON)
def test_all_that_is_plain_json_is_read_as_any_parser_reads_it(value: Any) -> None:
    assert strict_json(json.dumps(value).encode()) == value


def test_what_is_too_large_is_refused_before_it_is_read() -> None:
    refused(b'"' + b"x" * MAX_BYTES + b'"', "bytes, at most")
    assert strict_json(b'"' + b"x" * (MAX_BYTES - 2) + b'"')


def test_what_is_nested_too_deep_is_refused_before_a_parser_meets_it() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert strict_json(deepest)
    refused(b"[" + deepest + b"]", "nested deeper")
    refused(b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "nested deeper")
    refused(b"[" * 30_000, "nested deeper")


def test_brackets_inside_of_texts_are_not_depth() -> None:
    text = "[{" * 500 + '\\"' + "[" * 500
    assert strict_json(json.dumps([text]).encode()) == [text]
    assert strict_json(b'["\\\\", "' + b"[" * 100 + b'"]') == ["\\", "[" * 100]


@pytest.mark.parametrize(
    "raw",
    [b'{"a":1,"a":2}', b'{"x":{"b":1,"a":1,"a":1}}', b'[{"a":null,"b":0,"\\u0061":null}]'],
    ids=["at the top", "within", "spelled differently"],
)
def test_a_key_that_stands_twice_is_refused_by_name(raw: bytes) -> None:
    refused(raw, "stands twice", "a")


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999"])
def test_numbers_that_are_no_numbers_are_refused(word: bytes) -> None:
    refused(b'{"limit":' + word + b"}", "not a JSON number|too large a number")


@pytest.mark.parametrize(
    "raw", [b"", b"{", b'{"a":1}x', b"{'a':1}", b"[1,]", b"\xef\xbb\xbf{}", b"1" * 5000, b"nul"]
)
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    refused(raw, "not JSON")


def test_bytes_that_are_not_utf8_are_refused_with_their_place() -> None:
    refused(b'{"a":"\xff"}', "not UTF-8 at byte 6")


@given(st.binary(max_size=200))
def test_any_bytes_are_either_read_or_refused_and_never_break_the_reader(raw: bytes) -> None:
    with contextlib.suppress(Malformed):
        strict_json(raw)


def submitting(**fields: Any) -> bytes:
    return json.dumps(INTENT | fields).encode()


@pytest.mark.parametrize(
    ("model", "document", "field"),
    [
        (IntentSubmit, {}, "intent"),
        (IntentSubmit, INTENT | {"intent": "no"}, "intent"),
        (IntentSubmit, INTENT | {"intent": "x" * 2001}, "intent"),
        (IntentSubmit, INTENT | {"environment": "prod"}, "environment"),
        (IntentSubmit, INTENT | {"tenant": "other"}, "tenant"),
        (IntentSubmit, INTENT | {"tags": ["Fine", "two"]}, "tags.0"),
        (IntentSubmit, INTENT | {"tags": ["t"] * 21}, "tags"),
        (IntentSubmit, INTENT | {"context": {"agent": "No!"}}, "context.agent"),
        (
            IntentSubmit,
            INTENT | {"context": {"scope": {"asset_ids": ["ok", "-no"]}}},
            "context.scope.asset_ids.1",
        ),
        (
            IntentSubmit,
            INTENT | {"context": {"steps": [{"tool": "noop", "target": "a", "force": True}]}},
            "context.steps.0.force",
        ),
        (ApprovalDecide, VOTE | {"decision": "maybe"}, "decision"),
        (ApprovalDecide, VOTE | {"plan_hash": "sha256:12"}, "plan_hash"),
        (ApprovalDecide, VOTE | {"actor": str(TASK)}, "actor"),
        (ApprovalDecide, {k: v for k, v in VOTE.items() if k != "plan_hash"}, "plan_hash"),
        (TaskCancel, {"task": "not-an-id", "reason": "x"}, "task"),
        (TaskCancel, {"task": str(TASK), "reason": ""}, "reason"),
        (TaskCancel, {"task": str(TASK), "reason": "x", "keep_changes": "yes"}, "keep_changes"),
        (TaskCancel, {"task": str(TASK), "reason": "x", "keep_changes": 1}, "keep_changes"),
    ],
)
def test_a_command_that_breaks_its_contract_is_refused_naming_the_first_bad_field(
    model: type[CommandData], document: dict[str, Any], field: str
) -> None:
    with pytest.raises(Malformed) as caught:
        parse_model(model, json.dumps(document).encode())
    assert caught.value.field == field


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"text"', b"17"])
def test_a_command_that_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        parse_model(IntentSubmit, raw)


def test_an_unknown_field_is_called_unknown() -> None:
    with pytest.raises(Malformed, match="approved: unknown field"):
        parse_model(IntentSubmit, submitting(approved=True))


def test_what_is_left_out_has_safe_defaults() -> None:
    command = parse_model(IntentSubmit, submitting())
    assert (command.environment, command.context.approval) == ("production", False)
    assert parse_model(TaskCancel, b'{"task":"%b","reason":"x"}' % str(TASK).encode()) == (
        TaskCancel(task=TASK, reason="x", keep_changes=False)
    )


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(Malformed):
        parse_model(IntentSubmit, b'{"intent":"Fix drift \\ud800 now"}')


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("inf")]}], ids=["NaN", "infinity"])
def test_no_message_holds_a_number_that_json_cannot_write(value: Any) -> None:
    with pytest.raises(ValidationError, match="finite"):
        WantedStep(tool="patch", target="web-01", arguments={"limit": value})


def test_the_name_of_a_field_is_cut_to_what_an_answer_can_carry() -> None:
    with pytest.raises(Malformed) as caught:
        parse_model(
            TaskCancel, json.dumps({"task": str(TASK), "reason": "x", "k" * 999: 1}).encode()
        )
    assert caught.value.field == "k" * 200
