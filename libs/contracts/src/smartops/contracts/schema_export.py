"""Writes the contracts as JSON Schema 2020-12, for readers that are not written in Python.

One file per event, command and document, `<name>.v<n>.json`, committed beside this module. They
are made of the models and never edited: `--check` tells whether they still say the same, and a
test asks it.

    python -m smartops.contracts.schema_export [--check]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from smartops.contracts.catalogue import COMMANDS, EVENTS
from smartops.contracts.envelope import CONTENT_TYPE, TYPE_ROOT
from smartops.contracts.plan import Plan
from smartops.contracts.streams import STREAM_NAME
from smartops.contracts.tools import ToolDescriptor, ToolDescriptorV1
from smartops.contracts.wire import JsonObject

__all__ = ["DIRECTORY", "main", "schemas"]

DIRECTORY = Path(__file__).parent / "schemas"
"""Where the files are committed."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DOCUMENTS: Mapping[str, type[BaseModel]] = {
    "plan.v1": Plan,
    "tool.v1": ToolDescriptorV1,
    "tool.v2": ToolDescriptor,
}
"""What is stored as a blob or inside events, and worth a schema of its own."""


def schemas() -> dict[str, bytes]:
    """All files by name, as they should be."""
    found: dict[str, JsonObject] = {"envelope.v1": _envelope()}
    for key, model in _DOCUMENTS.items():
        found[key] = _of_model(key, model)
    for key, event in EVENTS.items():
        found[key] = _of_model(key, event.data)
    for key, command in COMMANDS.items():
        if key in found:
            raise ValueError(f"{key} is an event and a command: give one of them another name")
        found[key] = _of_model(key, command.data)
    return {f"{key}.json": _bytes(schema) for key, schema in found.items()}


def main(arguments: Sequence[str] | None = None, *, directory: Path = DIRECTORY) -> int:
    """Write the files, or tell which are not as they should be.

    Args:
        arguments: of the command line; None takes the process's own.
        directory: where the files are.

    Returns:
        0; with `--check` 1 if a file is stale, missing or left over.
    """
    parser = argparse.ArgumentParser(prog="smartops.contracts.schema_export", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, tell what differs")
    wanted = schemas()
    if parser.parse_args(arguments).check:
        return _check(wanted, directory)
    directory.mkdir(exist_ok=True)
    for path in _left_over(wanted, directory):
        path.unlink()
    for name, content in wanted.items():
        (directory / name).write_bytes(content)
    return 0


def _check(wanted: Mapping[str, bytes], directory: Path) -> int:
    wrong = [
        f"{path.name}: nothing has this name any more" for path in _left_over(wanted, directory)
    ]
    for name, content in sorted(wanted.items()):
        path = directory / name
        if not path.exists():
            wrong.append(f"{name}: missing")
        elif path.read_bytes() != content:
            wrong.append(f"{name}: stale")
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    if wrong:
        sys.stderr.write("run: python -m smartops.contracts.schema_export\n")
    return 1 if wrong else 0


def _left_over(wanted: Mapping[str, bytes], directory: Path) -> list[Path]:
    return [path for path in sorted(directory.glob("*.v[0-9]*.json")) if path.name not in wanted]


def _of_model(key: str, model: type[BaseModel]) -> JsonObject:
    made: dict[str, Any] = model.model_json_schema()
    return {"$schema": DIALECT, "$id": _id(key), **made, "title": key}


def _envelope() -> JsonObject:
    """The envelope is written by hand (see `envelope.encode`), and so is its schema."""
    uuid: JsonObject = {"type": "string", "format": "uuid"}
    text: JsonObject = {"type": "string", "minLength": 1}
    topics = sorted(TYPE_ROOT + key for key in EVENTS)
    return {
        "$schema": DIALECT,
        "$id": _id("envelope.v1"),
        "title": "envelope.v1",
        "description": f"An event as it is stored, hashed and published: {CONTENT_TYPE}. "
        "`data` follows the schema that is named like `type` without its first token.",
        "type": "object",
        "additionalProperties": False,
        "required": [
            "specversion",
            "id",
            "source",
            "type",
            "subject",
            "time",
            "datacontenttype",
            "tenantid",
            "sequence",
            "causationid",
            "partyid",
            "data",
        ],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**uuid, "description": "Follows from cause, stream and place."},
            "source": {
                "type": "string",
                "pattern": f"^/{STREAM_NAME}$",
                "description": "`/` and the stream the event stands in.",
            },
            "type": {"enum": [*topics]},
            "subject": {**text, "description": "What it is about: the task, or the call."},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "tenantid": text,
            "sequence": {
                "type": "string",
                "pattern": "^[1-9][0-9]*$",
                "description": "Version in its stream; with `source` it names one event.",
            },
            "causationid": {**uuid, "description": "Event, command key or timer."},
            "correlationid": {**uuid, "description": "The task."},
            "partyid": {**text, "description": "The service that an outcome wakes, or `-`."},
            "traceparent": {**text, "description": "W3C trace context."},
            "data": {"type": "object"},
        },
    }


def _id(key: str) -> str:
    name, _, version = key.rpartition(".v")
    return f"urn:smartops:schema:{name}:{version}"


def _bytes(schema: JsonObject) -> bytes:
    text = json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode()


if __name__ == "__main__":
    raise SystemExit(main())
