"""The playground as a real process: ports, kills, closed connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from smartops.playground.errors import StartFailed
from smartops.playground.process import PlaygroundProcess, running_playground

VERSION = "/v1/servers/web-01/version"
RESTART = "/v1/servers/web-01/restart"


@asynccontextmanager
async def playground(
    folder: Path, *options: str
) -> AsyncIterator[tuple[PlaygroundProcess, httpx2.AsyncClient]]:
    async with (
        running_playground(folder / "record", folder / "state", *options) as child,
        httpx2.AsyncClient(base_url=child.url, timeout=10) as http,
    ):
        yield child, http


async def switch(http: httpx2.AsyncClient, mode: str, **fields: object) -> None:
    (await http.post("/admin/faults", json={"mode": mode, **fields})).raise_for_status()


def recorded(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "record").read_text().splitlines()]


async def test_it_says_where_it_listens_and_ends_tidily(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    options = ("--servers", "3", "--drifted", "1", "--ready-file", str(ready))
    async with playground(tmp_path, *options) as (child, http):
        assert child.url == f"http://127.0.0.1:{int(ready.read_text())}"
        servers = (await http.get("/v1/servers")).json()["servers"]
        assert [server["version"] for server in servers] == ["2.4.0", "2.4.1", "2.4.1"]
        await switch(http, "hang", operation="health")
        hanging = asyncio.create_task(http.get("/servers/web-01/health"))
        done, _ = await asyncio.wait({hanging}, timeout=0.2)
        assert not done
        assert await child.stop() == 0
        with pytest.raises(httpx2.TransportError):
            await hanging
    assert not ready.exists()


async def test_an_answer_is_not_held_back_for_an_acknowledgement(tmp_path: Path) -> None:
    # Head and body are two writes: with Nagle's algorithm on, each answer takes 40 ms.
    clock = asyncio.get_running_loop().time
    async with playground(tmp_path) as (_, http):
        await http.get("/servers/web-01/health")
        began = clock()
        for _ in range(20):
            await http.get("/servers/web-01/health")
        assert clock() - began < 0.4


async def test_an_answered_write_survives_kill_9(tmp_path: Path) -> None:
    key = {"idempotency-key": "k1"}
    async with playground(tmp_path) as (child, http):
        first = await http.put(VERSION, json={"version": "2.4.1"}, headers=key)
        await http.post(RESTART, json={"reason": "x"})
        await http.put("/admin/golden", json={"role": "web-server", "version": "2.5.0"})
        await switch(http, "unhealthy_now", server="web-02")
        before = (await http.get("/admin/fleet")).json()
        await child.kill()
    async with playground(tmp_path) as (child, http):
        assert (await http.get("/admin/fleet")).json() == before
        again = await http.put(VERSION, json={"version": "2.4.1"}, headers=key)
        assert again.json() == first.json()
        restarted = await http.post(RESTART, json={"reason": "x"})
        assert restarted.json() == {"id": "web-01", "restarts": 2}
        told = (await http.get("/admin/record", params={"since": 2})).text
    lines = recorded(tmp_path)
    assert [line["n"] for line in lines if "n" in line] == [1, 2, 3, 4]
    assert [line["applied"] for line in lines if "applied" in line] == [1, 2, 4]
    assert [json.loads(line) for line in told.splitlines()] == lines[4:]


async def test_kill_9_under_load_loses_no_answered_write(tmp_path: Path) -> None:
    answered, enough = 0, asyncio.Event()

    async def restart_until_killed(http: httpx2.AsyncClient) -> None:
        nonlocal answered
        while True:
            try:
                answer = await http.post(RESTART, json={"reason": "x"})
            except httpx2.TransportError:
                return
            answered = max(answered, answer.json()["restarts"])
            if answered >= 100:
                enough.set()

    async with playground(tmp_path) as (child, http):
        load = [asyncio.create_task(restart_until_killed(http)) for _ in range(8)]
        async with asyncio.timeout(10):
            await enough.wait()
        await child.kill()
        await asyncio.gather(*load)
    async with playground(tmp_path) as (_, http):
        restarts = (await http.get("/v1/servers/web-01")).json()["restarts"]
    assert restarts >= answered
    lines = recorded(tmp_path)
    assert len([line for line in lines if "applied" in line]) == restarts
    numbers = [line["n"] for line in lines if "n" in line]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_apply_then_drop_really_applies_and_closes_without_a_byte(tmp_path: Path) -> None:
    async with playground(tmp_path) as (_, http):
        await switch(http, "apply_then_drop", server="web-01", operation="set_version", times=1)
        key = {"idempotency-key": "k1"}
        with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
            await http.put(VERSION, json={"version": "2.4.1"}, headers=key)
        server = (await http.get("/v1/servers/web-01")).json()
        assert (server["version"], server["patches"]) == ("2.4.1", 1)
        retried = await http.put(VERSION, json={"version": "2.4.1"}, headers=key)
        assert retried.json()["previous_version"] == "2.4.0"
    outcomes = [next(iter(line)) for line in recorded(tmp_path) if "n" not in line]
    assert outcomes == ["applied", "replayed"]


async def test_refuse_closes_the_connection_and_applies_nothing(tmp_path: Path) -> None:
    async with playground(tmp_path) as (_, http):
        await switch(http, "refuse", operation="restart")
        with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
            await http.post(RESTART, json={"reason": "x"})
        assert (await http.get("/v1/servers/web-01")).json()["restarts"] == 0


async def test_a_hanging_write_is_applied_late_even_if_its_caller_left(tmp_path: Path) -> None:
    async with playground(tmp_path) as (_, http):
        await switch(http, "hang", operation="restart")
        with pytest.raises(httpx2.ReadTimeout):
            await http.post(RESTART, json={"reason": "x"}, timeout=0.2)
        assert (await http.get("/v1/servers/web-01")).json()["restarts"] == 0
        await http.delete("/admin/faults")
        # Clearing wakes the held request before any later request is read.
        assert (await http.get("/v1/servers/web-01")).json()["restarts"] == 1


async def test_the_token_file_locks_the_door(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("opensesame\n")
    async with playground(tmp_path, "--token-file", str(token)) as (_, http):
        assert (await http.get("/v1/servers")).status_code == 401
        key = {"authorization": "Bearer opensesame"}
        assert (await http.get("/v1/servers", headers=key)).status_code == 200
        assert (await http.get("/admin/fleet", headers=key)).status_code == 200


async def test_a_second_process_on_the_same_files_is_turned_away(tmp_path: Path) -> None:
    async with playground(tmp_path):
        with pytest.raises(StartFailed, match="another process"):
            async with playground(tmp_path):
                pass
    with pytest.raises(StartFailed, match="start with its options"):
        async with playground(tmp_path, "--servers", "3"):
            pass
