"""Writes the contracts as one AsyncAPI 3.0 document, for whoever joins the bus with other tools.

A channel per published topic and per command, an operation per service and channel, and messages
that point at the JSON Schemas beside it. Like those it is made of the catalogue and never edited:
`--check` tells whether it still says the same, and a test asks it.

    python -m smartops.contracts.asyncapi_export [--check]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from smartops.contracts import schema_export
from smartops.contracts.asyncapi_parts import (
    command_headers,
    event_headers,
    parameters,
    task_correlation,
)
from smartops.contracts.catalogue import COMMANDS, EVENTS, HANDLERS, SERVICES, HandlerSpec
from smartops.contracts.envelope import CONTENT_TYPE, TYPE_ROOT
from smartops.contracts.subjects import Subjects
from smartops.contracts.wire import CommandData, EventData, JsonObject

__all__ = ["PATH", "document", "main", "text"]

PATH = schema_export.DIRECTORY / "asyncapi.json"
"""Where the document is committed: beside the schemas that it points at."""

_PREFIX = "smartops"
_SUBJECTS = Subjects(_PREFIX)
_OF_CALLS = "tool.call."
"""Topics whose party token names the service that asked for the call."""


def document() -> JsonObject:
    """The whole document, as it should be."""
    published = {key: spec.data for key, spec in EVENTS.items() if spec.publishers}
    commands = {key: spec.data for key, spec in COMMANDS.items()}
    return {
        "asyncapi": "3.0.0",
        "id": "urn:smartops:bus",
        "info": {
            "title": "SmartOps",
            "version": "1.0.0",
            "description": "Events are facts: each stands in the log, is a CloudEvent 1.0 in "
            "structured JSON and is published with the bytes that were stored, at least once; "
            "`id` tells a repeat. Commands are wishes, plain JSON on subjects that fix who asks: "
            "tenant and principal are read from there, never from the payload. The answer to a "
            "command is an event. Names carry their version; a breaking change is a new name.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "bus": {
                "host": "{host}",
                "protocol": "nats",
                "description": "NATS JetStream; events and commands have a stream each.",
                "variables": {"host": {"default": "127.0.0.1:4222"}},
            }
        },
        "channels": {
            **{key: _event_channel(data) for key, data in sorted(published.items())},
            **{key: _command_channel(data) for key, data in sorted(commands.items())},
        },
        "operations": dict(_operations()),
        "components": {
            "messages": {
                **{key: _event_message(data) for key, data in sorted(published.items())},
                **{key: _command_message(data) for key, data in sorted(commands.items())},
            },
            "parameters": parameters(_PREFIX),
            "schemas": {"eventHeaders": event_headers(), "commandHeaders": command_headers()},
            "correlationIds": {"task": task_correlation()},
        },
    }


def text() -> bytes:
    """The file, as it should be."""
    return (json.dumps(document(), indent=2, ensure_ascii=False) + "\n").encode()


def main(arguments: Sequence[str] | None = None, *, path: Path = PATH) -> int:
    """Write the file, or tell whether it is as it should be.

    Args:
        arguments: of the command line; None takes the process's own.
        path: where the file is.

    Returns:
        0; with `--check` 1 if the file is stale or missing.
    """
    parser = argparse.ArgumentParser(prog="smartops.contracts.asyncapi_export", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, tell what differs")
    wanted = text()
    if not parser.parse_args(arguments).check:
        path.write_bytes(wanted)
        return 0
    if path.exists() and path.read_bytes() == wanted:
        return 0
    sys.stderr.write(f"{path.name}: {'stale' if path.exists() else 'missing'}\n")
    sys.stderr.write("run: python -m smartops.contracts.asyncapi_export\n")
    return 1


def _event_channel(data: type[EventData]) -> JsonObject:
    subject = _SUBJECTS.event("{tenant}", data.topic, data.schema_version, "{party}", "{entity}")
    party = "caller" if data.topic.startswith(_OF_CALLS) else "nobody"
    return {
        "address": _address(subject),
        "summary": _says(data),
        "messages": _message_of(data.type_key()),
        "parameters": {
            "prefix": _parameter("prefix"),
            "tenant": _parameter("tenantOfEvent"),
            "party": _parameter(party),
            "entity": _parameter("entity"),
        },
        "tags": [{"name": "event"}],
    }


def _command_channel(data: type[CommandData]) -> JsonObject:
    subject = _SUBJECTS.command("{tenant}", data.name, data.schema_version, "{principal}", "{id}")
    return {
        "address": _address(subject),
        "summary": _says(data),
        "messages": _message_of(data.type_key()),
        "parameters": {name: _parameter(name) for name in ("prefix", "tenant", "principal", "id")},
        "tags": [{"name": "command"}],
    }


def _address(subject: str) -> str:
    return "{prefix}" + subject.removeprefix(_PREFIX)


def _operations() -> Iterator[tuple[str, JsonObject]]:
    for service in SERVICES:
        for key, spec in sorted(EVENTS.items()):
            if service in spec.publishers:
                yield f"{service}.send.{key}", _operation("send", service, key, _says(spec.data))
        for handler in HANDLERS:
            if handler.service == service:
                yield from _reactions(handler)


def _reactions(handler: HandlerSpec) -> Iterator[tuple[str, JsonObject]]:
    awaited: tuple[type[EventData | CommandData], ...] = (*handler.events, *handler.commands)
    for data in awaited:
        key = data.type_key()
        reaction = _operation("receive", handler.service, key, f"Wakes {handler.name}.")
        reaction["x-durable"] = handler.durable
        if handler.party is not None:
            reaction["x-party"] = handler.party
        yield f"{handler.name}.receive.{key}", reaction


def _operation(action: str, service: str, key: str, summary: str) -> JsonObject:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{key}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{key}/messages/{key}"}],
        "tags": [{"name": service}],
    }


def _event_message(data: type[EventData]) -> JsonObject:
    key = data.type_key()
    return {
        "name": TYPE_ROOT + key,
        "title": key,
        "summary": _says(data),
        "contentType": CONTENT_TYPE,
        "headers": {"$ref": "#/components/schemas/eventHeaders"},
        "correlationId": {"$ref": "#/components/correlationIds/task"},
        "payload": {
            "allOf": [
                {"$ref": "./envelope.v1.json"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": TYPE_ROOT + key},
                        "data": {"$ref": f"./{key}.json"},
                    },
                },
            ]
        },
    }


def _command_message(data: type[CommandData]) -> JsonObject:
    key = data.type_key()
    return {
        "name": key,
        "title": key,
        "summary": _says(data),
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/commandHeaders"},
        "payload": {"$ref": f"./{key}.json"},
    }


def _message_of(key: str) -> JsonObject:
    return {key: {"$ref": f"#/components/messages/{key}"}}


def _parameter(name: str) -> JsonObject:
    return {"$ref": f"#/components/parameters/{name}"}


def _says(data: type[EventData | CommandData]) -> str:
    return (data.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    raise SystemExit(main())
