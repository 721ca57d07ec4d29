"""What many messages of the AsyncAPI document share: subject tokens, headers, correlation."""

from __future__ import annotations

from smartops.contracts.catalogue import HANDLERS
from smartops.contracts.envelope import CONTENT_TYPE
from smartops.contracts.subjects import NO_PARTY
from smartops.contracts.wire import JsonObject

__all__ = ["command_headers", "event_headers", "parameters", "task_correlation"]

_PARTIES = sorted({spec.party for spec in HANDLERS if spec.party is not None})


def parameters(prefix: str) -> JsonObject:
    """The parts of subjects, and where an event repeats them.

    Args:
        prefix: the usual first token.
    """
    tenant = "Whose it is. `_platform` holds what all tenants read."
    return {
        "prefix": {
            "description": "The first token of all subjects of an installation.",
            "default": prefix,
        },
        "tenant": {"description": tenant, "examples": ["acme"]},
        "tenantOfEvent": {
            "description": tenant,
            "examples": ["acme", "_platform"],
            "location": "$message.payload#/tenantid",
        },
        "caller": {
            "description": "The service that asked for the call, which alone the outcome wakes.",
            "enum": [*_PARTIES],
            "location": "$message.payload#/partyid",
        },
        "nobody": {
            "description": "The event wakes nobody in particular.",
            "enum": [NO_PARTY],
            "default": NO_PARTY,
            "location": "$message.payload#/partyid",
        },
        "entity": {
            "description": "What the event is about: the task, the call or the answered command.",
            "examples": ["8143ae98-0530-5f8a-9775-da766ab09049"],
            "location": "$message.payload#/subject",
        },
        "principal": {
            "description": "Who asks: base32 of issuer and subject, lower case, no padding.",
            "examples": ["nrxwgylmd5xxazlsmf2g64q"],
        },
        "id": {
            "description": "The sender's own name for this command. The same id with the same "
            "content counts once, with another content it is refused.",
            "examples": ["drift-4711"],
        },
    }


def event_headers() -> JsonObject:
    """What the relay puts beside an event."""
    return {
        "type": "object",
        "required": ["Nats-Msg-Id", "Smartops-Position", "content-type"],
        "properties": {
            "Nats-Msg-Id": {
                "type": "string",
                "format": "uuid",
                "description": "The event's id, by which the stream drops repeats.",
            },
            "content-type": {"const": CONTENT_TYPE},
            "Smartops-Position": {
                "type": "string",
                "pattern": "^[1-9][0-9]*$",
                "description": "Position in the log: gap-free, one order for all tenants. "
                "Of `audit.appended`, which stands in no log, the last that it tells of.",
            },
            "traceparent": _traceparent(
                "Where the publisher has one; the attribute of the same name is what counts."
            ),
        },
    }


def command_headers() -> JsonObject:
    """What a client may put beside a command."""
    return {
        "type": "object",
        "properties": {
            "Nats-Msg-Id": {
                "type": "string",
                "minLength": 1,
                "description": "The command's key, if the stream is to drop repeats.",
            },
            "traceparent": _traceparent("Of the sender: the task's trace becomes its child."),
        },
    }


def task_correlation() -> JsonObject:
    """By what events of one task are known to belong together."""
    return {
        "description": "The task; absent for facts about no task.",
        "location": "$message.payload#/correlationid",
    }


def _traceparent(description: str) -> JsonObject:
    return {
        "type": "string",
        "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
        "description": f"W3C trace context. {description}",
    }
