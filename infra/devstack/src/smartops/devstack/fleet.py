"""The fleet to operate on: the playground's process, and its own API."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from urllib.request import Request, urlopen

from smartops.devstack.awaiting import appears
from smartops.devstack.files import write_private
from smartops.devstack.process import ServiceProcess, base_env
from smartops.devstack.stack_options import StackOptions

__all__ = ["Fleet"]


class Fleet:
    """The playground of one installation.

    Attributes:
        child: its process.
        token_file: holds the bearer token of its API.
        url: where it listens, once it is ready.
    """

    def __init__(self, home: Path, options: StackOptions, token_file: Path) -> None:
        self.token_file = token_file
        self.url: str | None = None
        self._ready = home / "run" / "playground.port"
        arguments = [
            *("--servers", str(options.servers)),
            *("--environment", options.environment),
            *("--record", str(home / "playground.record.jsonl")),
            *("--state", str(home / "playground.state.jsonl")),
            *("--token-file", str(token_file)),
            *("--ready-file", str(self._ready)),
        ]
        if options.drifted is not None:
            arguments += ["--drifted", str(options.drifted)]
        self.child = ServiceProcess(
            "playground",
            [sys.executable, "-m", "smartops.playground", *arguments],
            env=base_env(),
            log_path=home / "logs" / "playground.log",
        )

    def prepare(self) -> None:
        """Before its process is started: a token, and no port of an earlier one."""
        if not self.token_file.exists():
            write_private(self.token_file, os.urandom(24).hex())
        self._ready.unlink(missing_ok=True)

    async def ready(self) -> None:
        """Wait until it listens."""
        await appears(self._ready)
        self.url = f"http://127.0.0.1:{self._ready.read_text(encoding='utf-8').strip()}"

    def token(self) -> str:
        """The bearer token of its API."""
        return self.token_file.read_text(encoding="utf-8").strip()

    async def ask(
        self, method: str, path: str, body: object | None = None
    ) -> dict[str, list[dict[str, object]]]:
        """A request to its API."""
        return await asyncio.to_thread(self._ask, method, path, body)

    def _ask(
        self, method: str, path: str, body: object | None
    ) -> dict[str, list[dict[str, object]]]:
        request = Request(  # noqa: S310 - our own loopback address
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "authorization": f"Bearer {self.token()}",
                "content-type": "application/json",
            },
        )
        with urlopen(request, timeout=10) as reply:  # noqa: S310 - the same
            raw = reply.read()
        found: dict[str, list[dict[str, object]]] = json.loads(raw) if raw else {}
        return found
