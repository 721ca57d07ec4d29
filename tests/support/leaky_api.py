"""A control API that gives everything away: whatever it is told, it says again, and more."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

__all__ = ["LeakyApi", "leaky_api"]


class LeakyApi:
    """What it heard, and what it gives away.

    Attributes:
        url: where it listens.
        heard: bodies and headers of all requests.
    """

    def __init__(self, gives: Sequence[str]) -> None:
        self.url = ""
        self.heard: list[str] = []
        self.gives = gives


@contextmanager
def leaky_api(*gives: str) -> Iterator[LeakyApi]:
    """One that runs, and gives these texts away in every answer."""
    api = LeakyApi(gives)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            said = f"{self.path} {self.headers} {self.rfile.read(length).decode()}"
            api.heard.append(said)
            if self.command == "GET":
                servers: list[dict[str, Any]] = [
                    {
                        "id": "web-01",
                        "role": "web",
                        "environment": "sandbox",
                        "version": "1.0.0",
                        "healthy": True,
                        "region": region,
                        "platform": f"asked for by {api.gives[0]}",
                    }
                    for region in api.gives
                ]
                self.say(200, json.dumps({"servers": servers, **servers[0]}))
            else:
                short = " ".join(said.split()).replace("authorization", "auth")
                self.say(400, f"no {' and '.join(api.gives)}; you said {short}"[:4000])

        def say(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        @override
        def log_message(self, *_: object) -> None:
            return

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - so they are called there.

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
