"""The committed JSON Schemas: up to date, valid, and true of what is really written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from smartops.contracts.catalogue import COMMANDS, EVENTS
from smartops.contracts.plan import Plan
from smartops.contracts.schema_export import DIRECTORY, main, schemas
from support.plans import plan
from support.samples import sample, stored

NAMES = sorted(schemas())


def schema(key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DIRECTORY / f"{key}.json").read_bytes())
    return found


def holds(key: str, document: Any) -> bool:
    return bool(
        Draft202012Validator(
            schema(key), format_checker=Draft202012Validator.FORMAT_CHECKER
        ).is_valid(document)
    )


def test_the_committed_schemas_are_what_the_contracts_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_there_is_one_for_each_event_command_and_document() -> None:
    keys = {name.removesuffix(".json") for name in NAMES}
    assert keys == {*EVENTS, *COMMANDS, "envelope.v1", "plan.v1", "tool.v1", "tool.v2"}


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_2020_12_and_named_after_itself(name: str) -> None:
    key = name.removesuffix(".json")
    found = schema(key)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["title"] == key
    assert (
        found["$id"] == f"urn:smartops:schema:{key.rpartition('.v')[0]}:{key.rpartition('.v')[2]}"
    )
    assert found["description"]
    assert found["additionalProperties"] is False
    Draft202012Validator.check_schema(found)


@pytest.mark.parametrize("topic", sorted(EVENTS))
def test_what_we_write_follows_the_envelopes_and_the_datas_schema(topic: str) -> None:
    written = json.loads(stored(sample(EVENTS[topic].data)))
    assert holds("envelope.v1", written)
    assert holds(topic, written["data"])
    assert not holds(topic, written["data"] | {"unforeseen": 1})
    assert not holds("envelope.v1", written | {"unforeseen": 1})
    assert not holds("envelope.v1", written | {"specversion": "0.3"})


@pytest.mark.parametrize("key", sorted(COMMANDS))
def test_a_command_follows_its_schema(key: str) -> None:
    written = sample(COMMANDS[key].data).model_dump(mode="json")
    assert holds(key, written)
    assert not holds(key, written | {"unforeseen": 1})


def test_a_plan_follows_its_schema() -> None:
    assert holds("plan.v1", json.loads(plan().document()))
    assert holds("plan.v1", sample(Plan).model_dump(mode="json"))
    assert not holds("plan.v1", {"header": {}, "steps": []})


def test_what_is_stale_missing_or_left_over_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], directory=tmp_path) == 0
    assert main(["--check"], directory=tmp_path) == 0
    (tmp_path / "plan.v1.json").write_text("{}")
    (tmp_path / "tool.v1.json").unlink()
    (tmp_path / "gone.v1.json").write_text("{}")
    assert main(["--check"], directory=tmp_path) == 1
    told = capsys.readouterr().err
    assert "plan.v1.json: stale" in told
    assert "tool.v1.json: missing" in told
    assert "gone.v1.json: nothing has this name" in told
    assert main([], directory=tmp_path) == 0
    assert main(["--check"], directory=tmp_path) == 0
