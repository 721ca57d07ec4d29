"""A server that speaks the part of OPA's REST API that we use, evaluating by regorus.

It stands in for an OPA server, of which there is no wheel, and it can be made to misbehave. What it
does by itself is as OPA documents it: policies by id, data replaced as a whole, an undefined
document as an answer without `result`, an error of evaluation as status 500 with its code.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import regorus  # type: ignore[import-untyped]
from typing_extensions import override

__all__ = ["Answer", "Opa", "opa_server"]

Answer = Callable[["Opa", str, str, bytes], tuple[int, bytes] | None]
"""From server, method, path and body to status and body; None: hang up."""


class Opa:
    """What the server holds, and how it answers."""

    def __init__(self) -> None:
        self.policies: dict[str, str] = {}
        self.data: dict[str, Any] = {}
        self.asked: list[tuple[str, str]] = []
        self.token: str | None = None
        self.misbehave: Answer | None = None
        self.healthy = True
        self.connections = 0
        self.url = ""

    def forget(self) -> None:
        """As after a restart: nothing is kept."""
        self.policies.clear()
        self.data.clear()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes] | None:
        """What it says; None: it hangs up."""
        place, _, query = path.partition("?")
        self.asked.append((method, place))
        if self.misbehave is not None:
            return self.misbehave(self, method, place, body)
        return self.behave(method, place, query, body)

    def behave(self, method: str, path: str, query: str, body: bytes) -> tuple[int, bytes]:
        """As OPA does."""
        kind, *parts = path.strip("/").removeprefix("v1/").split("/")
        if kind == "health":
            return (200 if self.healthy else 500), b"{}"
        if (method, kind) == ("PUT", "policies"):
            try:
                engine = regorus.Engine()
                engine.add_policy("/".join(parts), body.decode())
            except RuntimeError as error:
                return 400, _error("invalid_parameter", "rego_parse_error", str(error)[:100])
            self.policies["/".join(parts)] = body.decode()
            return 200, b"{}"
        if (method, kind) == ("PUT", "data"):
            self.data[parts[0]] = json.loads(body)
            return 204, b""
        if (method, kind) == ("POST", "data"):
            return self._evaluate(parts, query, body)
        return 404, _error("resource_not_found", "", path)

    def _evaluate(self, parts: list[str], query: str, body: bytes) -> tuple[int, bytes]:
        held = json.dumps([self.data, self.policies])
        engine = _compiled(held).clone()
        engine.set_input_json(json.dumps(json.loads(body)["input"]))
        answer: dict[str, Any] = {}
        if "provenance=true" in query:
            answer["provenance"] = {"version": "1.16.0-test"}
        try:
            found = engine.eval_rule(".".join(["data", *parts]))
        except RuntimeError as error:
            if "not a valid rule path" in str(error):
                return 200, json.dumps(answer).encode()
            if "strict-builtin-errors=true" not in query:
                return 200, json.dumps(answer).encode()
            return 500, _error("internal_error", "eval_builtin_error", str(error)[:200])
        if found is not None:
            answer["result"] = found
        return 200, json.dumps(answer).encode()


_mine = threading.local()
"""An engine of regorus belongs to the thread that made it; so each thread keeps its own."""


def _compiled(held: str) -> Any:
    if getattr(_mine, "held", None) != held:
        data, policies = json.loads(held)
        engine = regorus.Engine()
        engine.add_data_json(json.dumps(data))
        for path, text in policies.items():
            engine.add_policy(path, text)
        _mine.held, _mine.engine = held, engine
    return _mine.engine


def _error(code: str, inner: str, message: str) -> bytes:
    errors = [{"code": inner, "message": message}] if inner else []
    return json.dumps({"code": code, "message": message, "errors": errors}).encode()


@contextmanager
def opa_server() -> Iterator[Opa]:
    """A running server, on a port of its own."""
    opa = Opa()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 65_536

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if opa.token is not None and self.headers["Authorization"] != f"Bearer {opa.token}":
                said: tuple[int, bytes] | None = 401, _error("unauthorized", "", "who are you?")
            else:
                said = opa.answer(self.command, self.path, body)
            if said is None:
                self.close_connection = True
                self.connection.close()
                return
            status, text = said
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            self.wfile.flush()

        do_GET = do_PUT = do_POST = _serve  # noqa: N815 - the names that it looks for

        @override
        def log_message(self, *_args: Any) -> None:
            """Says nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        @override
        def process_request(self, request: Any, client_address: Any) -> None:
            opa.connections += 1
            super().process_request(request, client_address)

        @override
        def handle_error(self, *_args: Any) -> None:
            """Clients that gave up are no news."""

    server = Server(("127.0.0.1", 0), Handler)
    opa.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield opa
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def slowly(seconds: float) -> Answer:
    """Answer nothing but health for a while."""

    def answer(opa: Opa, method: str, path: str, body: bytes) -> tuple[int, bytes] | None:
        if urlsplit(path).path == "/health":
            return opa.behave(method, path, "", body)
        time.sleep(seconds)
        return None

    return answer
