"""Raw requests to JetStream's JSON API.

The client library's own dataclasses lack some fields of the servers we run and drop what they do
not know, so a stream would lose settings whenever it is updated through them.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from nats import errors as nats_errors
from nats.aio.client import Client
from smartops.bus.errors import BusError
from typing_extensions import override

__all__ = [
    "API",
    "NOT_FOUND",
    "NO_ANSWER",
    "SERVICE_API",
    "ApiError",
    "BusClient",
    "api_of",
    "api_request",
    "message_id_at",
    "read_answer",
    "stream_state",
]

API = "$JS.API"
"""JetStream's own root, in the account that holds the streams."""
SERVICE_API = "JS.API"
"""Under which services find the few requests they may make: their account has no JetStream, and
its server answers `$JS.API` there with a refusal, so these are imported under another root."""
NOT_FOUND = 404
NO_RESPONDERS = 503
NO_ANSWER = 408


class ApiError(BusError):
    """JetStream answered with an error, or did not answer.

    Attributes:
        status: like an HTTP status; 404 not found, 503 nobody listens, 408 no answer in time.
        err_code: the server's own number, 0 if the answer carried none.
        description: what it said.
    """

    code = "jetstream_error"

    def __init__(self, subject: str, status: int, err_code: int, description: str) -> None:
        super().__init__(f"{subject}: {description} ({status}/{err_code})")
        self.status = status
        self.err_code = err_code
        self.description = description
        self.retryable = status in {NO_RESPONDERS, NO_ANSWER}


class BusClient(Client):
    """A connection that knows where its account finds JetStream."""

    api: str = API

    @property
    def server_id(self) -> str:
        """Of the server it is connected to, anew with each of its starts; empty: to none yet."""
        return str(self._server_info.get("server_id", ""))

    @override
    async def _process_pong(self) -> None:
        # Its reader fails on a PONG for somebody who has stopped waiting, and ends: the connection
        # then looks alive and is deaf until its pings time out, for a minute.
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()


def api_of(nc: Client) -> str:
    """The root of JetStream requests on a connection."""
    return nc.api if isinstance(nc, BusClient) else API


def read_answer(subject: str, data: bytes) -> dict[str, Any]:
    """Decode an answer or a PubAck.

    Raises:
        ApiError: the answer is an error, or no JSON object.
    """
    try:
        answer = json.loads(data)
    except ValueError as error:
        raise ApiError(subject, 500, 0, f"not JSON: {data[:80]!r}") from error
    if not isinstance(answer, dict):
        raise ApiError(subject, 500, 0, f"not an object: {data[:80]!r}")
    if problem := answer.get("error"):
        raise ApiError(
            subject,
            int(problem.get("code", 500)),
            int(problem.get("err_code", 0)),
            str(problem.get("description", "no description")),
        )
    return answer


async def api_request(
    nc: Client,
    subject: str,
    body: Mapping[str, Any] | bytes = b"",
    *,
    headers: Mapping[str, str] | None = None,
    timeout: timedelta = timedelta(seconds=5),  # noqa: ASYNC109 - the client's own deadline
) -> dict[str, Any]:
    """Ask JetStream, and return the decoded answer.

    Args:
        nc: the connection.
        subject: below `$JS.API`, or a stream's subject when the answer is a PubAck.
        body: an object to be sent as JSON, or bytes as they are.
        headers: of the message, if any.
        timeout: for the whole round trip.

    Raises:
        ApiError: see its attributes. A missing permission shows as no answer in time.
    """
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        reply = await nc.request(
            subject,
            payload,
            timeout=timeout.total_seconds(),
            headers=dict(headers) if headers else None,
        )
    except nats_errors.NoRespondersError as error:
        raise ApiError(subject, NO_RESPONDERS, 0, "nobody listens there") from error
    except nats_errors.TimeoutError as error:
        raise ApiError(subject, NO_ANSWER, 0, "no answer in time; is it permitted?") from error
    except nats_errors.Error as error:
        raise ApiError(
            subject, NO_ANSWER, 0, f"not sent: {error or type(error).__name__}"
        ) from error
    return read_answer(subject, reply.data)


async def message_id_at(nc: Client, stream: str, sequence: int) -> str | None:
    """The `Nats-Msg-Id` of the message at a place of a stream; None when there is none.

    Raises:
        ApiError: nobody answers.
    """
    subject = f"{api_of(nc)}.STREAM.MSG.GET.{stream}"
    try:
        answer = await api_request(nc, subject, {"seq": sequence})
    except ApiError as error:
        if error.status == NOT_FOUND:
            return None
        raise
    headers = base64.b64decode(answer["message"].get("hdrs", "")).decode(errors="replace")
    for line in headers.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "nats-msg-id":
            return value.strip()
    return None


async def stream_state(nc: Client, stream: str) -> dict[str, Any]:
    """How much a stream holds and where it ends: `messages`, `last_seq`, `last_ts` and more.

    Raises:
        ApiError: the stream does not exist (404), or nobody answers.
    """
    answer = await api_request(nc, f"{api_of(nc)}.STREAM.INFO.{stream}")
    state: dict[str, Any] = answer["state"]
    return state | {"created": answer["created"]}
