"""The kinds of poison: what is done to a genuine message, and bytes that are none."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from smartops.contracts.catalogue import EVENTS

__all__ = [
    "BYTES",
    "CHANGES",
    "ORDERS",
    "STRANGERS_TENANT",
    "TENANT",
    "Event",
    "alter",
    "category_of",
    "fresh_id",
]

TENANT = "acme"
STRANGERS_TENANT = "umbra"
"""Of malformed commands: refusals that `acme`'s people would hear end their tasks' watch."""

_DEPTH = 10_000
_ABSURD = (2**31, 2**63 - 1, 2**63, 10**30)
_BIG = "x" * 200_000
"""Near the largest message that the server takes."""

Event = dict[str, Any]
_Change = Callable[[Event, random.Random], None]


def fresh_id(chance: random.Random) -> str:
    """An id that nothing has."""
    return str(UUID(int=chance.getrandbits(128), version=4))


def _foreign_id(event: Event, chance: random.Random) -> None:
    event["id"] = fresh_id(chance)


def _other_stream(event: Event, chance: random.Random) -> None:
    event["source"] = (
        f"{event['source'].rpartition('/')[0]}/{category_of(event)}-{fresh_id(chance)}"
    )


def _wrong_category(event: Event, chance: random.Random) -> None:
    event["source"] = f"/{TENANT}/cmd-{fresh_id(chance)}"


def _wrong_tenant(event: Event, _chance: random.Random) -> None:
    event["source"] = f"/{STRANGERS_TENANT}/{event['source'].rpartition('/')[2]}"


def _absurd_sequence(event: Event, chance: random.Random) -> None:
    event["sequence"] = str(chance.choice(_ABSURD))


def _no_sequence(event: Event, chance: random.Random) -> None:
    event["sequence"] = chance.choice(("0", "-1", "1.5", "many", None))


def _nul_in_stream(event: Event, _chance: random.Random) -> None:
    event["source"] += "\x00"


def _quoted_stream(event: Event, _chance: random.Random) -> None:
    event["source"] += "'; drop table smartops_log.events; --"


def _wrong_type(event: Event, chance: random.Random) -> None:
    others = sorted(set(EVENTS) - {event["type"].removeprefix("smartops.")})
    event["type"] = f"smartops.{chance.choice(others)}"


def _no_such_type(event: Event, _chance: random.Random) -> None:
    event["type"] = "smartops.task.enchanted.v1"


def _huge(event: Event, chance: random.Random) -> None:
    event["id"], event["data"] = fresh_id(chance), {"note": _BIG}


def alter(event: Event, _chance: random.Random) -> None:
    """Genuine but for what it says: only the log may be believed."""
    event["data"] = {**event["data"], "reason": "because I say so", "tool": "restart_server"}


CHANGES: Mapping[str, _Change] = {
    "foreign id": _foreign_id,
    "other stream": _other_stream,
    "wrong category": _wrong_category,
    "wrong tenant": _wrong_tenant,
    "absurd sequence": _absurd_sequence,
    "no sequence": _no_sequence,
    "NUL in stream": _nul_in_stream,
    "quoted stream": _quoted_stream,
    "wrong type": _wrong_type,
    "no such type": _no_such_type,
    "huge": _huge,
}
"""To an event, each making it one that the log does not hold."""

BYTES: Mapping[str, bytes] = {
    "empty": b"",
    "not UTF-8": b'{"id":"\xff\xfe\x00"}',
    "truncated": b'{"specversion":"1.0","id":"',
    "not an object": b"[1,2,3]",
    "null": b"null",
    "deep": b'{"a":' * _DEPTH + b"1" + b"}" * _DEPTH,
    "long number": b'{"id":' + b"9" * 4301 + b"}",
    "not a number": b'{"id":NaN,"sequence":1e999}',
    "lone surrogate": b'{"source":"/acme/task-\\ud800"}',
    "binary": bytes(range(256)) * 16,
}
"""Nobody can read these as anything."""

ORDERS: Mapping[str, Event] = {
    "no fields": {},
    "extra fields": {"approved": True, "decidedBy": "root"},
    "huge": {"intent": _BIG},
}
"""Objects that are no command."""


def category_of(event: Event) -> str:
    """The category of the stream that an event says it stands in."""
    return str(event["source"]).rpartition("/")[2].partition("-")[0]
