"""Reading the dead-letter stream, as a superuser of the bus."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from typing import Any

from nats.aio.client import Client
from smartops.bus.api import API, ApiError, api_request
from smartops.bus.topology import DLQ_STREAM

__all__ = ["Place", "read_dead_letters"]

Place = tuple[str, int, str]
"""Stream, sequence and durable of a message that was given up."""

_NOT_FOUND = 404


async def read_dead_letters(nats: Client) -> dict[Place, list[str]]:
    """Reasons of all dead letters, by what was given up; the server's own advisories left out."""
    answer = await api_request(nats, f"{API}.STREAM.INFO.{DLQ_STREAM}")
    state = answer["state"]
    found: dict[Place, list[str]] = defaultdict(list)
    for sequence in range(state["first_seq"], state["last_seq"] + 1):
        try:
            got: dict[str, Any] = await api_request(
                nats, f"{API}.STREAM.MSG.GET.{DLQ_STREAM}", {"seq": sequence}
            )
        except ApiError as error:
            if error.status == _NOT_FOUND:
                continue
            raise
        message = got["message"]
        if message["subject"].startswith("$JS."):
            continue
        letter = json.loads(base64.b64decode(message["data"]))
        found[letter["stream"], letter["sequence"], letter["durable"]].append(letter["reason"])
    return found
