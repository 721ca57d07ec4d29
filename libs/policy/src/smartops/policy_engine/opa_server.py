"""Speaks to an OPA server over HTTP: one connection, kept; bounded in time and in bytes."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from smartops.contracts.errors import Malformed
from smartops.contracts.parsing import strict_json
from smartops.policy_engine.answer import Undecidable
from smartops.policy_engine.errors import EngineDown

__all__ = ["MAX_ANSWER_BYTES", "OpaServer", "Reply"]

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Longest answer that is read. A decision names at most each step of a plan a few times."""

_CHUNK = 65_536
_OK = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    body: bytes

    def document(self) -> Any:
        """The body as JSON.

        Raises:
            Undecidable: it is none.
        """
        try:
            return strict_json(self.body, max_bytes=MAX_ANSWER_BYTES)
        except Malformed as error:
            raise Undecidable(f"the answer is no JSON: {error}") from error


class OpaServer:
    """One server.

    Args:
        url: its base, `http://127.0.0.1:8181`; a path in it is kept.
        token_file: file with a bearer token, read anew for each connection; None: none is sent.
        timeout_s: longest wait for one answer, in seconds, from the connection to the last byte.
    """

    def __init__(self, url: str, *, token_file: Path | None = None, timeout_s: float = 1.0) -> None:
        self._connection: http.client.HTTPConnection | None = None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise ValueError(f"{url!r} is no http or https URL")
        self._url = url
        self._secure = parts.scheme == "https"
        self._host, self._port, self._base = parts.hostname, parts.port, parts.path.rstrip("/")
        self._token_file = token_file
        self._timeout_s = timeout_s
        self._headers: dict[str, str] = {}

    def __del__(self) -> None:
        """An engine that is put away leaves no connection open; nobody else closes it."""
        self.close()

    def close(self) -> None:
        """Hang up; the next question connects again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def call(self, method: str, path: str, body: bytes | None = None) -> Reply | None:
        """Ask, once more if a connection that was kept turns out to be closed.

        Returns:
            None: no answer in time, although the server says that it is healthy.

        Raises:
            EngineDown: it cannot be reached, breaks off, or is too slow and not healthy either.
        """
        try:
            return self._call(method, path, body)
        except TimeoutError as error:
            if path != "/health" and self._healthy():
                return None
            raise EngineDown(
                "opa", f"{self._url} does not answer in {self._timeout_s} s"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise EngineDown("opa", f"{self._url}: {error or type(error).__name__}") from error

    def must(self, method: str, path: str, body: bytes | None = None) -> Reply:
        """As `call`; slowness is an outage, whatever its health.

        Raises:
            EngineDown: no answer.
        """
        reply = self.call(method, path, body)
        if reply is None:
            raise EngineDown("opa", f"{self._url} does not answer in {self._timeout_s} s")
        return reply

    def _healthy(self) -> bool:
        try:
            reply = self._call("GET", "/health", None)
        except (OSError, http.client.HTTPException):
            return False
        return reply.status == _OK

    def _call(self, method: str, path: str, body: bytes | None) -> Reply:
        kept = self._connection is not None
        try:
            return self._once(method, path, body)
        except TimeoutError:
            self.close()
            raise
        except (OSError, http.client.HTTPException):
            self.close()
            if not kept:
                raise
        try:  # Servers close idle connections; asking has no effects, so it may be done twice.
            return self._once(method, path, body)
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def _once(self, method: str, path: str, body: bytes | None) -> Reply:
        ends = monotonic() + self._timeout_s
        connection = self._connection or self._connect()
        if connection.sock is not None:
            connection.sock.settimeout(self._timeout_s)
        connection.request(method, self._base + path, body, self._headers | _type(method, path))
        response = connection.getresponse()
        read = bytearray()
        while True:
            left = ends - monotonic()
            if left <= 0:
                raise TimeoutError
            if connection.sock is not None:
                connection.sock.settimeout(left)
            chunk = response.read1(_CHUNK)
            if not chunk:
                break
            read += chunk
            if len(read) > MAX_ANSWER_BYTES:
                raise http.client.HTTPException(f"more than {MAX_ANSWER_BYTES} bytes")
        if response.length:
            raise http.client.IncompleteRead(bytes(read), response.length)
        response.close()  # Else the connection is not ready for the next question.
        if response.will_close:
            self.close()
        return Reply(response.status, bytes(read))

    def _connect(self) -> http.client.HTTPConnection:
        if self._token_file is not None:
            try:
                token = self._token_file.read_text(encoding="ascii").strip()
            except UnicodeDecodeError:
                token = ""
            if not token.isprintable() or not token:
                # Not the input's fault, so nothing is denied for it.
                raise EngineDown("opa", f"{self._token_file} holds no token")
            self._headers = {"Authorization": f"Bearer {token}"}
        if self._secure:
            self._connection = http.client.HTTPSConnection(
                self._host,
                self._port,
                timeout=self._timeout_s,
                context=ssl.create_default_context(),
            )
        else:
            self._connection = http.client.HTTPConnection(
                self._host, self._port, timeout=self._timeout_s
            )
        return self._connection


def _type(method: str, path: str) -> dict[str, str]:
    if method == "GET":
        return {}
    text = path.startswith("/v1/policies/")
    return {"Content-Type": "text/plain" if text else "application/json"}
