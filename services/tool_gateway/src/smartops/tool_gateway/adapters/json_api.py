"""Requests to a JSON API over HTTP, and what an answer, or its absence, means.

It is decided by one question: can the request have been applied? Refused connections and answers
that say "not done" mean no; everything after the first byte may have left means that nobody knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
from pydantic import JsonValue
from pydantic_core import from_json
from smartops.contracts.wire import JsonObject
from smartops.runtime.failpoints import reach
from smartops.tool_gateway.adapters.egress import EgressRefused
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown

__all__ = ["JsonApi", "Reply"]

_OK = 200
_REDIRECT = 300
_CLIENT_ERROR = 400
_NOT_FOUND = 404
_TIMED_OUT = 408
_PRECONDITION_FAILED = 412
_TOO_MANY = 429
_SERVER_ERROR = 500
_LONGEST_CONNECT_S = 2.0
_EXCERPT = 300
_SAFE = frozenset({"GET", "HEAD"})

_CODES = {
    _NOT_FOUND: "not_found",
    _PRECONDITION_FAILED: "precondition_failed",
    _TOO_MANY: "too_many_requests",
}
"""What a refusal is called, where its status says more than that it is one."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that came whole."""

    status: int
    content: bytes


class JsonApi:
    """One system's API.

    Args:
        client: from `Egress.client`.
        max_bytes: longest answer read, where a tool does not set a lower limit.
    """

    def __init__(self, client: httpx2.AsyncClient, max_bytes: int) -> None:
        self._client = client
        self._max_bytes = max_bytes

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(
        self,
        outbound: Outbound,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer | NotApplied | Unknown:
        """Send a request under the call's idempotency key; the JSON that came back."""
        sent = {**outbound.headers, "idempotency-key": str(outbound.key), **(headers or {})}
        options: dict[str, Any] = {"headers": sent}
        if params is not None:
            options["params"] = params
        if body is not None:
            options["json"] = body
        reply = await self.send(outbound, method, path, **options)
        return reply if isinstance(reply, NotApplied | Unknown) else _read(reply)

    async def send(
        self, outbound: Outbound, method: str, path: str, **options: Any
    ) -> Reply | NotApplied | Unknown:
        """Send a request; its answer, read no further than the call's limit."""
        limit = min(outbound.max_bytes or self._max_bytes, self._max_bytes)
        options["timeout"] = _timeout(outbound.timeout)
        options["extensions"] = {"trace": _watcher(outbound)}
        try:
            async with (
                asyncio.timeout(outbound.timeout.total_seconds()),
                self._client.stream(method, path, **options) as response,
            ):
                content = await _bounded(response, limit)
        except _NotSent as error:
            return error.why
        except EgressRefused as error:
            return NotApplied("egress_refused", _plain(error), retryable=False)
        except httpx2.PoolTimeout:
            why = "this process has as many connections open as it may"
            return NotApplied("no_connection_free", why, retryable=True)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            return NotApplied("unreachable", _plain(error), retryable=True)
        except (httpx2.HTTPError, TimeoutError) as error:
            return Unknown(f"no answer: {_plain(error)}")
        if content is None:
            why = f"the answer is longer than {limit} bytes, or encoded"
            return NotApplied("too_long", why, retryable=False) if method in _SAFE else Unknown(why)
        return Reply(response.status_code, content)


class _NotSent(Exception):
    """The last look said no: not a byte has left."""

    def __init__(self, why: NotApplied) -> None:
        super().__init__(why.message)
        self.why = why


def _watcher(outbound: Outbound) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
    """Follows a request on its way; connecting, and waiting for a connection, may take long."""

    async def watch(event: str, _about: Mapping[str, Any]) -> None:
        match event:
            case "http11.send_request_headers.started" if outbound.last_look is not None:
                if (why := outbound.last_look()) is not None:
                    raise _NotSent(why)
            case "http11.send_request_body.complete":
                await reach("send.after", outbound.about)
            case "http11.receive_response_headers.complete":
                await reach("reply.before", outbound.about)
            case _:
                pass

    return watch


async def _bounded(response: httpx2.Response, limit: int) -> bytes | None:
    """The body; None as soon as it is longer than it may be: the rest is never taken in.

    As it is on the wire: a few bytes of a packed body can unfold into any number.
    """
    if "content-encoding" in response.headers:
        return None
    content = bytearray()
    async for part in response.aiter_raw():
        content += part
        if len(content) > limit:
            return None
    return bytes(content)


def _read(reply: Reply) -> Answer | NotApplied | Unknown:
    if reply.status >= _SERVER_ERROR or reply.status == _TIMED_OUT:
        # Of a time that is over nobody knows whose it was: who stands in between says so, too.
        return Unknown(f"the other side answered {reply.status}")
    if reply.status >= _CLIENT_ERROR:
        said = _excerpt(reply.content.decode("utf-8", "replace"))
        code = _CODES.get(reply.status, "refused")
        # Who is asked too much has done nothing, and may a moment later.
        busy = reply.status == _TOO_MANY
        return NotApplied(code, f"{reply.status}: {said}", retryable=busy)
    if not _OK <= reply.status < _REDIRECT:
        # A redirect is not followed: nobody can tell what was done on the way there.
        return Unknown(f"the other side answered {reply.status}")
    try:
        # Not `json.loads`: that reads NaN and Infinity, which no JSON has and no event may hold,
        # and as strict as events are read an answer must be read too.
        output: JsonValue = from_json(reply.content, allow_inf_nan=False)
    except ValueError as error:
        return Unknown(f"the answer is no JSON: {_plain(error)[:200]}")
    return Answer(output)


def _excerpt(text: str) -> str:
    """The beginning of a text, in whole words: half of a secret does not look like one."""
    if len(text) <= _EXCERPT:
        return text
    return text[: text.rfind(" ", 0, _EXCERPT) + 1]


def _timeout(limit: timedelta) -> httpx2.Timeout:
    seconds = limit.total_seconds()
    connect = min(seconds, _LONGEST_CONNECT_S)
    # Whoever waits for a connection has sent nothing: that comes out ahead of the end of it all.
    return httpx2.Timeout(seconds, connect=connect, pool=seconds / 2)


def _plain(error: Exception) -> str:
    return str(error) or type(error).__name__
