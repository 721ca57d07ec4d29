"""One request and its answer, apart from the server that carries them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from smartops.playground.errors import BodyTooLarge, PlaygroundError, Problem

__all__ = [
    "MAX_BODY_BYTES",
    "Act",
    "Answer",
    "Receive",
    "Request",
    "Scope",
    "Send",
    "json_answer",
    "problem_answer",
    "read_request",
    "send_answer",
]

MAX_BODY_BYTES = 64 * 1024
"""No request of this API needs more than a few hundred bytes."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has arrived whole."""

    method: str
    path: str
    query: str
    """What stands after the question mark, still encoded."""
    headers: Mapping[str, str]
    """By lower-case name; a header sent twice holds both values, joined by a comma."""
    sent: bytes | None
    """The body; None if it was longer than any request can be."""

    @property
    def target(self) -> str:
        """Path and query together."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def body(self) -> bytes:
        """The body.

        Raises:
            BodyTooLarge: It was not read, for its length.
        """
        if self.sent is None:
            raise BodyTooLarge(MAX_BODY_BYTES)
        return self.sent


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: one body, or pieces of one that is too long to hold in memory."""

    status: int
    body: bytes | Iterable[bytes]
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


Act = Callable[[], Answer]
"""Carries a request out that was checked before."""


def json_answer(data: object, status: int = 200) -> Answer:
    """`data` as a JSON body."""
    return Answer(status, json.dumps(data, separators=(",", ":")).encode())


def problem_answer(error: PlaygroundError) -> Answer:
    """The error as problem details (RFC 9457), with the `code` and the `field` at fault."""
    status = error.status if isinstance(error, Problem) else 500
    told = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": error.code,
        "detail": str(error),
    }
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if isinstance(error, Problem):
        headers = error.headers
        if error.field is not None:
            told["field"] = error.field
    return Answer(status, json.dumps(told).encode(), b"application/problem+json", headers)


async def read_request(scope: Scope, receive: Receive) -> Request | None:
    """The whole request, or None if the caller left before sending all of it."""
    parts: list[bytes] = []
    length = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part = message.get("body", b"")
        length += len(part)
        if length > MAX_BODY_BYTES:
            break
        parts.append(part)
        more = message.get("more_body", False)
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=_ascii(scope["query_string"]),
        headers=headers,
        sent=b"".join(parts) if length <= MAX_BODY_BYTES else None,
    )


async def send_answer(answer: Answer, send: Send) -> None:
    """Send the answer, piece by piece if it has pieces."""
    headers = [(b"content-type", answer.content_type), *answer.headers]
    if isinstance(answer.body, bytes):
        headers.append((b"content-length", str(len(answer.body)).encode()))
        await _start(answer.status, headers, send)
        await send({"type": "http.response.body", "body": answer.body})
        return
    await _start(answer.status, headers, send)
    for piece in answer.body:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0)  # A send need not wait, and others want their turn.
    await send({"type": "http.response.body", "body": b""})


async def _start(status: int, headers: list[tuple[bytes, bytes]], send: Send) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


def _ascii(raw: bytes) -> str:
    # Servers hand the query over as sent; anything beyond ASCII ought to be percent-encoded.
    return raw.decode("ascii", errors="replace")
