"""The last look before the first byte: a deadline that has passed, a process that is another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import httpx2
import pytest
from smartops.tool_gateway import sending
from smartops.tool_gateway.adapters.json_api import JsonApi
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound
from smartops.tool_gateway.sending import Fuse

ME = UUID("55555555-5555-4555-8555-555555555555")
LIMIT = timedelta(seconds=5)


class Holder:
    """A process that is itself, or not."""

    def __init__(self, ident: UUID | None = ME) -> None:
        self.ident = ident

    def holds(self, ident: UUID) -> bool:
        return self.ident == ident


def code(fuse: Fuse, holder: Holder | None = None) -> str | None:
    """Why nothing may be sent any more."""
    why = fuse.burnt(holder or Holder())  # type: ignore[arg-type] - as much of it as is asked
    return None if why is None else why.code


def test_while_the_fuse_burns_and_the_process_is_itself_a_call_may_be_sent() -> None:
    fuse = Fuse.lit(ME, LIMIT)
    assert code(fuse) is None
    assert timedelta(0) < fuse.left <= LIMIT


@pytest.mark.parametrize("clock", ["seconds_since_boot", "wall"])
def test_either_clock_burns_it(clock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fuse = Fuse.lit(ME, LIMIT)
    if clock == "wall":
        later = time.time() + 5.1
        monkeypatch.setattr(time, "time", lambda: later)
    else:
        stood = sending.seconds_since_boot() + 5.1
        monkeypatch.setattr(sending, clock, lambda: stood)
    assert code(fuse) == "too_late"
    assert fuse.left <= timedelta(0)


def test_a_clock_that_is_set_back_gives_no_time() -> None:
    fuse = Fuse(ME, LIMIT, boot=sending.seconds_since_boot() - 6, wall=time.time() + 3600)
    assert code(fuse) == "too_late"


@pytest.mark.parametrize("ident", [None, uuid4()])
def test_a_process_that_is_another_by_now_sends_nothing_of_the_old_one(ident: UUID | None) -> None:
    assert code(Fuse.lit(ME, LIMIT), Holder(ident)) == "fenced"


async def asked(last_look: Callable[[], NotApplied | None] | None) -> tuple[object, bytes]:
    """What comes of a request over a real connection, and the first byte that the server got."""
    first: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first.put_nowait(await reader.read(1))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        api = JsonApi(client, 1000)
        outbound = Outbound("restart", "web-01", {}, uuid4(), {}, LIMIT, last_look=last_look)
        answer = await api.ask(outbound, "POST", "/restart", body={})
        return answer, await asyncio.wait_for(first.get(), 5)


async def test_the_driver_looks_once_more_when_it_has_its_connection() -> None:
    late = NotApplied("too_late", "not sent", retryable=True)
    assert await asked(lambda: late) == (late, b""), "opened, and closed without a byte"
    assert await asked(lambda: None) == (Answer({}), b"P")
    assert await asked(None) == (Answer({}), b"P")
