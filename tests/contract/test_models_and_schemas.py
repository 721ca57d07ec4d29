"""Model and exported schema say the same of any document, so a stranger may trust the schema."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from contract.schema_values import nearly, values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import BaseModel, ValidationError
from smartops.contracts.catalogue import COMMANDS, EVENTS, newest
from smartops.contracts.envelope import Hint, read_data, read_hint
from smartops.contracts.errors import ContractError, Malformed
from smartops.contracts.parsing import parse_model
from smartops.contracts.plan import Plan
from smartops.contracts.schema_export import DIRECTORY
from smartops.contracts.tools import ToolDescriptor, ToolDescriptorV1
from smartops.contracts.wire import EventData
from support.samples import sample, stored

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
MODELS: dict[str, type[BaseModel]] = {
    **{key: spec.data for key, spec in EVENTS.items()},
    **{key: spec.data for key, spec in COMMANDS.items()},
    "plan.v1": Plan,
    "tool.v1": ToolDescriptorV1,
    "tool.v2": ToolDescriptor,
}

EXAMPLES = settings.default.max_examples if settings.default else 100
some = settings(max_examples=max(20, EXAMPLES // 5), suppress_health_check=list(HealthCheck))


@cache
def schema(key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DIRECTORY / f"{key}.json").read_bytes())
    return found


@cache
def validator(key: str) -> Any:
    return Draft202012Validator(schema(key))


def wrong(key: str, document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator(key).iter_errors(document)]


def read(key: str, document: Any) -> BaseModel:
    """As the reader of such a message does."""
    raw = json.dumps(document).encode()
    if key in COMMANDS:
        return parse_model(MODELS[key], raw, max_bytes=1 << 20)
    if key in EVENTS:
        return read_data(key, b'{"data":' + raw + b"}")
    return MODELS[key].model_validate_json(raw, strict=True)


def newest_key(key: str) -> str:
    """As what a message of this version is read."""
    return newest(EVENTS[key].data).type_key() if key in EVENTS else key


def attempt(key: str, document: Any) -> tuple[BaseModel | None, list[str]]:
    """What the reader makes of it, or the kinds of errors that the model names."""
    try:
        return read(key, document), []
    except Malformed as error:
        cause: BaseException | None = error.__cause__
    except ValidationError as error:
        cause = error
    assert isinstance(cause, ValidationError)
    return None, [one["type"] for one in cause.errors()]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_event_follows_the_schemas(path: Path) -> None:
    event = json.loads(path.read_bytes())
    strict = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator(schema("envelope.v1"), format_checker=strict).validate(event)
    Draft202012Validator(schema(path.stem), format_checker=strict).validate(event["data"])


@pytest.mark.parametrize("key", sorted(MODELS))
def test_what_the_schema_accepts_the_model_accepts_and_writes_back_to_the_schema(key: str) -> None:
    @some
    @given(values(schema(key)))
    def check(document: Any) -> None:
        assert wrong(key, document) == [], "the strategy makes what the schema accepts"
        made, refused = attempt(key, document)
        # Rules across fields are beyond a schema: the model's own words are no disagreement.
        assert not refused or "value_error" in refused
        if made is None:
            return
        written, known = json.loads(made.model_dump_json()), newest_key(key)
        assert wrong(known, written) == []
        assert read(known, written) == made

    check()


@pytest.mark.parametrize("key", sorted(MODELS))
def test_what_the_schema_refuses_the_model_refuses(key: str) -> None:
    accepted = refused = 0
    for document in nearly(sample(MODELS[key]).model_dump(mode="json")):
        made, _ = attempt(key, document)
        if made is None:
            refused += 1
        else:
            accepted += 1
            assert wrong(key, document) == [], document
    assert accepted
    assert refused


@pytest.mark.parametrize("topic", sorted(EVENTS))
def test_any_event_is_written_as_its_schemas_say_and_read_as_it_was(topic: str) -> None:
    @some
    @given(values(schema(topic)))
    def check(document: Any) -> None:
        data, _ = attempt(topic, document)
        if data is None:
            return
        assert isinstance(data, EventData)
        said = EVENTS[topic].data.model_validate_json(json.dumps(document), strict=True)
        raw = stored(said)
        event = json.loads(raw)
        assert wrong("envelope.v1", event) == []
        assert wrong(topic, event["data"]) == []
        assert read_data(topic, raw) == data

    check()


HINTED = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str),
        "type": st.sampled_from([f"smartops.{topic}" for topic in EVENTS]),
        "source": st.from_regex(
            r"/(_platform|[a-z][a-z0-9-]{0,31})/[a-z]{1,32}-[A-Za-z0-9][A-Za-z0-9._/:-]{0,9}",
            fullmatch=True,
        )
        | st.text(max_size=12),
        "sequence": st.integers(0, 2**64).map(str) | st.text(max_size=3),
    }
)


@some
@given(HINTED)
def test_a_hint_is_no_laxer_than_the_envelopes_schema(changed: dict[str, Any]) -> None:
    event = json.loads(GOLDEN[0].read_bytes()) | changed
    try:
        hint = read_hint(json.dumps(event).encode())
    except ContractError:
        return
    written = {"sequence": str(hint.sequence), "source": hint.source}
    assert wrong("envelope.v1", event | written) == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"sequence": str(2**63)}, "sequence"),
        ({"source": "/acme/gate-\x00"}, "source"),
        ({"source": "/acme/gate"}, "source"),
        ({"source": "/acme/gate-1\n"}, "source"),
    ],
)
def test_what_the_database_could_not_be_asked_for_is_no_hint(
    fields: dict[str, str], field: str
) -> None:
    event = json.loads(GOLDEN[0].read_bytes()) | fields
    with pytest.raises(Malformed) as caught:
        read_hint(json.dumps(event).encode())
    assert caught.value.field == field


def test_the_largest_version_is_still_a_hint() -> None:
    event = json.loads(GOLDEN[0].read_bytes()) | {"sequence": str(2**63 - 1)}
    assert isinstance(read_hint(json.dumps(event).encode()), Hint)
