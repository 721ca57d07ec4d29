"""A real Prometheus server that scrapes a page, for as long as a test needs it."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

__all__ = ["MISSING", "PROMETHEUS", "running_prometheus"]

PROMETHEUS = shutil.which("prometheus")
MISSING = "there is no prometheus here: apt-get install prometheus"

_PATIENCE_S = 30
_CONFIG = """
global:
  scrape_interval: 200ms
  scrape_timeout: 200ms
scrape_configs:
  - job_name: fleet
    authorization:
      credentials: "{token}"
    static_configs:
      - targets: ["{target}"]
"""


@asynccontextmanager
async def running_prometheus(
    folder: Path, target: str, *, port: int = 0, token: str = "none"
) -> AsyncIterator[str]:
    """The URL of a server that scrapes `target`, given as host:port, and has done so.

    Args:
        folder: for its data.
        target: what it scrapes.
        port: where it listens; 0 takes a free one.
        token: what it shows the target.
    """
    if PROMETHEUS is None:
        raise RuntimeError(MISSING)
    config = await asyncio.to_thread(_configure, folder, target, token)
    with socket.socket() as free:
        free.bind(("127.0.0.1", port))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    child = await asyncio.create_subprocess_exec(
        PROMETHEUS,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=error",
    )
    try:
        url = f"http://{address}"
        await _scraped(url)
        yield url
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


def _configure(folder: Path, target: str, token: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "prometheus.yml"
    config.write_text(_CONFIG.format(target=target, token=token))
    return config


async def _scraped(url: str) -> None:
    async with httpx2.AsyncClient(base_url=url, timeout=5) as http, asyncio.timeout(_PATIENCE_S):
        while True:
            try:
                told = (await http.get("/api/v1/query", params={"query": "up == 1"})).json()
                if told["data"]["result"]:
                    return
            except (httpx2.HTTPError, ValueError, KeyError):
                pass  # Not up yet: nobody tells when it is.
            await asyncio.sleep(0.1)
