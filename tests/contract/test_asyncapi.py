"""The AsyncAPI document: up to date, whole, and true of the catalogue and of what is written."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from referencing import Registry, Resource
from smartops.bus import relay
from smartops.contracts.asyncapi_export import PATH, document, main
from smartops.contracts.catalogue import COMMANDS, EVENTS, HANDLERS, SERVICES
from smartops.contracts.envelope import CONTENT_TYPE
from smartops.contracts.subjects import Subjects
from support.samples import sample

GOLDEN = Path(__file__).parent / "golden"
BASE = "file:///contracts/"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
PUBLISHED = sorted(key for key, spec in EVENTS.items() if spec.publishers)
MESSAGES = [*PUBLISHED, *sorted(COMMANDS)]

committed: dict[str, Any] = json.loads(PATH.read_bytes())
files: dict[str, Any] = {
    path.name: json.loads(path.read_bytes()) for path in PATH.parent.glob("*.json")
}
registry: Any = Registry().with_resources(
    (BASE + name, Resource.from_contents({"$schema": DIALECT, **found}))
    for name, found in files.items()
)


def resolved(ref: str) -> Any:
    """What a reference of the document points at; KeyError for nothing."""
    name, _, pointer = ref.partition("#")
    found = files[name.removeprefix("./")] if name else committed
    for token in pointer.split("/")[1:]:
        found = found[token.replace("~1", "/").replace("~0", "~")]
    return found


def refs(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from refs(inner)


def holds(key: str, what: str, instance: Any) -> bool:
    """Whether a message's payload or headers are as the document says."""
    schema = {"$ref": f"{BASE}{PATH.name}#/components/messages/{key}/{what}"}
    return bool(Draft202012Validator(schema, registry=registry).is_valid(instance))


def test_the_committed_document_is_what_the_catalogue_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err
    assert committed == document()


def test_a_stale_or_missing_document_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / PATH.name
    assert main(["--check"], path=path) == 1
    assert "asyncapi.json: missing" in capsys.readouterr().err
    assert main([], path=path) == 0
    assert main(["--check"], path=path) == 0
    path.write_text("{}")
    assert main(["--check"], path=path) == 1
    assert "asyncapi.json: stale" in capsys.readouterr().err


def test_every_reference_points_at_something() -> None:
    found = list(refs(committed))
    assert len(found) > len(MESSAGES)
    for ref in found:
        assert resolved(ref), ref


def test_nothing_is_defined_in_vain() -> None:
    pointed = set(refs(committed))
    for kind, members in committed["components"].items():
        assert {f"#/components/{kind}/{name}" for name in members} <= pointed


def test_there_is_a_channel_for_all_that_is_published_and_for_nothing_else() -> None:
    assert sorted(committed["channels"]) == sorted(MESSAGES)
    assert sorted(committed["components"]["messages"]) == sorted(MESSAGES)
    for key, channel in committed["channels"].items():
        assert channel["messages"] == {key: {"$ref": f"#/components/messages/{key}"}}


@pytest.mark.parametrize("key", MESSAGES)
def test_an_address_is_a_subject_once_its_parameters_are_filled(key: str) -> None:
    channel = committed["channels"][key]
    named = re.findall(r"\{([a-z]+)\}", channel["address"])
    assert sorted(named) == sorted(channel["parameters"])
    subject = channel["address"]
    for name, ref in channel["parameters"].items():
        parameter = resolved(ref["$ref"])
        some = [*parameter.get("examples", ()), *parameter.get("enum", ())]
        subject = subject.replace(f"{{{name}}}", (some or [parameter["default"]])[0])
    if key in EVENTS:
        read = Subjects().read_event(subject)
        assert f"{read.topic}.v{read.version}" == key
    else:
        command = Subjects().read_command(subject)
        assert f"{command.name}.v{command.version}" == key


@pytest.mark.parametrize("key", PUBLISHED)
def test_where_a_parameter_is_found_in_the_event_is_said(key: str) -> None:
    event = json.loads((GOLDEN / f"{key}.json").read_bytes())
    for name, attribute in {"tenant": "tenantid", "party": "partyid", "entity": "subject"}.items():
        parameter = resolved(committed["channels"][key]["parameters"][name]["$ref"])
        place = parameter["location"]
        assert place == f"$message.payload#/{attribute}"
        assert event[attribute]


def test_only_outcomes_and_questions_of_calls_have_a_party() -> None:
    callers = {spec.party for spec in HANDLERS if spec.party}
    for key in PUBLISHED:
        parameter = resolved(committed["channels"][key]["parameters"]["party"]["$ref"])
        expected = callers if key.startswith("tool.call.") else {"-"}
        assert set(parameter["enum"]) == expected, key
    woken = {event.type_key() for spec in HANDLERS if spec.party for event in spec.events}
    assert all(key.startswith("tool.call.") for key in woken)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_sends_what_it_decides_and_receives_what_it_handles(service: str) -> None:
    own = [o for o in committed["operations"].values() if o["tags"] == [{"name": service}]]
    sent = Counter(_key(one) for one in own if one["action"] == "send")
    received = Counter(_key(one) for one in own if one["action"] == "receive")
    assert sent == Counter(k for k, spec in EVENTS.items() if service in spec.publishers)
    assert received == Counter(
        data.type_key()
        for spec in HANDLERS
        if spec.service == service
        for data in (*spec.events, *spec.commands)
    )


def test_every_operation_is_about_one_message_of_its_channel() -> None:
    services = {tag["name"] for one in committed["operations"].values() for tag in one["tags"]}
    assert services == set(SERVICES)
    for name, one in committed["operations"].items():
        assert one["action"] in {"send", "receive"}, name
        assert one["messages"] == [{"$ref": f"{one['channel']['$ref']}/messages/{_key(one)}"}]


def test_a_party_and_a_durable_are_those_of_the_handler() -> None:
    for spec in HANDLERS:
        for data in (*spec.events, *spec.commands):
            one = committed["operations"][f"{spec.name}.receive.{data.type_key()}"]
            assert one["x-durable"] == spec.durable
            assert one.get("x-party") == spec.party


@pytest.mark.parametrize("key", PUBLISHED)
def test_a_golden_event_is_a_message_of_its_channel_and_of_no_other(key: str) -> None:
    event = json.loads((GOLDEN / f"{key}.json").read_bytes())
    assert holds(key, "payload", event)
    assert [other for other in PUBLISHED if holds(other, "payload", event)] == [key]
    assert not holds(key, "payload", event | {"data": {}})
    assert not holds(key, "payload", event | {"sequence": 7})
    assert committed["components"]["messages"][key]["contentType"] == CONTENT_TYPE


@pytest.mark.parametrize("key", sorted(COMMANDS))
def test_a_command_is_a_message_of_its_channel(key: str) -> None:
    assert holds(key, "payload", sample(COMMANDS[key].data).model_dump(mode="json"))
    assert not holds(key, "payload", {})


def test_the_headers_are_those_that_the_relay_sends() -> None:
    key = "task.planned.v1"
    sent = {
        relay.MESSAGE_ID: "fb8a74bb-5005-5691-97e2-8857de5c046e",
        relay.POSITION: "17",
        relay.CONTENT_TYPE: CONTENT_TYPE,
    }
    assert holds(key, "headers", sent)
    assert set(committed["components"]["schemas"]["eventHeaders"]["required"]) == set(sent)
    for name in sent:
        assert not holds(key, "headers", {k: v for k, v in sent.items() if k != name})
    traced = sent | {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    assert holds(key, "headers", traced)
    assert not holds(key, "headers", sent | {"traceparent": "no"})
    assert holds("task.cancel.v1", "headers", {})
    assert holds("task.cancel.v1", "headers", {"Nats-Msg-Id": "any"})


def _key(operation: dict[str, Any]) -> str:
    return str(operation["channel"]["$ref"]).removeprefix("#/channels/")
