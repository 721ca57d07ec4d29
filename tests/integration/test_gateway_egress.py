"""What a tool's driver can reach, and how much of an answer it takes in, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from smartops.tool_gateway.adapters.egress import Egress, EgressRefused, Place
from smartops.tool_gateway.adapters.json_api import JsonApi
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]
LOCAL = "127.0.0.1"


class Listener:
    """A server that counts who comes, and answers each request with the same."""

    def __init__(self, reply: Reply) -> None:
        self.connections = 0
        self.heard: list[bytes] = []
        self.port = 0
        self._reply = reply

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heard.append(head)
            await self._reply(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(reply: Reply) -> AsyncIterator[Listener]:
    listener = Listener(reply)
    server = await asyncio.start_server(listener.serve, LOCAL, 0)
    listener.port = server.sockets[0].getsockname()[1]
    async with server:
        yield listener


def saying(body: bytes, status: str = "200 OK", *headers: str) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)

    return reply


def moved(to: str) -> Reply:
    return saying(b"{}", "307 Temporary Redirect", f"location: {to}")


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
    while True:
        writer.write(b" " * 65536)
        await writer.drain()


def outbound(**changes: Any) -> Outbound:
    made: dict[str, Any] = {
        "tool": "look",
        "target": "web-01",
        "arguments": {},
        "key": uuid4(),
        "headers": {},
        "timeout": timedelta(seconds=5),
    }
    return Outbound(**{**made, **changes})


@asynccontextmanager
async def api(
    listener: Listener, *allowed: str, host: str = LOCAL, max_bytes: int = 1000
) -> AsyncIterator[JsonApi]:
    url = f"http://{host}:{listener.port}"
    egress = Egress(allowed or [url])
    opened = JsonApi(egress.client(url, {}, hosts=(host,)), max_bytes)
    yield opened
    await opened.close()


async def test_the_configured_endpoint_is_reached() -> None:
    async with listening(saying(b'{"ok":true}')) as fleet, api(fleet) as client:
        assert await client.ask(outbound(), "GET", "/") == Answer({"ok": True})
        assert b"accept-encoding: identity" in fleet.heard[0].lower()


@pytest.mark.parametrize("allowed", ["127.0.0.1:1", "fleet.example", "localhost"])
async def test_any_other_is_refused_before_a_socket_opens(allowed: str) -> None:
    async with listening(saying(b"{}")) as fleet, api(fleet, allowed) as client:
        answer = await client.ask(outbound(), "POST", "/", body={})
        assert isinstance(answer, NotApplied)
        assert (answer.code, answer.retryable) == ("egress_refused", False)
        assert fleet.connections == 0


async def test_a_host_that_the_tools_do_not_declare_is_refused_though_others_may_use_it() -> None:
    async with listening(saying(b"{}")) as fleet:
        url = f"http://{LOCAL}:{fleet.port}"
        async with Egress([url]).client(url, {}, hosts=("fleet.example",)) as client:
            with pytest.raises(EgressRefused):
                await client.get("/")
        assert fleet.connections == 0


async def test_a_path_that_is_a_url_leads_nowhere_else() -> None:
    async with (
        listening(saying(b"{}")) as fleet,
        listening(saying(b"{}")) as other,
        api(fleet) as client,
    ):
        answer = await client.ask(outbound(), "GET", f"http://{LOCAL}:{other.port}/")
        assert isinstance(answer, NotApplied)
        assert other.connections == 0


async def test_a_redirect_is_not_followed_and_its_write_is_unknown() -> None:
    async with (
        listening(saying(b"{}")) as other,
        listening(moved(f"http://{LOCAL}:{other.port}/")) as fleet,
        api(fleet, LOCAL) as client,
    ):
        assert isinstance(await client.ask(outbound(), "POST", "/", body={}), Unknown)
        assert other.connections == 0


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(saying(b"{}")) as proxy, listening(saying(b"{}")) as fleet:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{LOCAL}:{proxy.port}")
        async with api(fleet) as client:
            assert isinstance(await client.ask(outbound(), "GET", "/"), Answer)
        assert (proxy.connections, fleet.connections) == (0, 1)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "169.254.0.7", "fe80::1", "::ffff:169.254.169.254", "0.0.0.0"]
)
async def test_a_listed_name_that_leads_to_a_forbidden_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    async def resolve(host: str, port: int, **_: object) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (LOCAL, port)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)),
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve, raising=False)
    async with listening(saying(b"{}")) as fleet, api(fleet, host="fleet.example") as client:
        answer = await client.ask(outbound(), "GET", "/")
        assert isinstance(answer, NotApplied)
        assert answer.code == "egress_refused"
        assert fleet.connections == 0


async def test_a_name_is_reached_at_an_address_that_was_checked_and_hears_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int, **_: object) -> list[Any]:
        asked.append(host)
        # The first of them does not listen.
        found = ("127.0.0.2", LOCAL) if len(asked) == 1 else ("169.254.169.254",)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve, raising=False)
    async with listening(saying(b"{}")) as fleet, api(fleet, host="fleet.example") as client:
        assert isinstance(await client.ask(outbound(), "GET", "/"), Answer)
        assert asked == ["fleet.example"], "a second look could have brought another address"
        assert f"host: fleet.example:{fleet.port}".encode() in fleet.heard[0].lower()


def test_special_addresses_are_allowed_only_by_their_own_name() -> None:
    assert Egress(["fleet.example"]).forbids("169.254.169.254")
    assert Egress(["fleet.example"]).forbids("100.100.100.200")
    assert Egress(["fleet.example"]).forbids("fd00:ec2::254")
    assert not Egress(["169.254.169.254"]).forbids("169.254.169.254")
    assert not Egress(["169.254.169.254"]).forbids("::ffff:169.254.169.254")
    assert not Egress(["fleet.example"]).forbids("10.0.0.1")
    for disguised in ("64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::ffff:100.100.100.200"):
        assert Egress(["fleet.example"]).forbids(disguised), disguised
    assert not Egress(["fleet.example"]).forbids("64:ff9b::a00:1")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("fleet.example", Place("fleet.example", None)),
        ("Fleet.Example:8080", Place("fleet.example", 8080)),
        ("[::1]:8080", Place("::1", 8080)),
        ("https://fleet.example/api", Place("fleet.example", 443)),
    ],
)
def test_places_are_read(text: str, place: Place) -> None:
    assert Place.parse(text) == place


@pytest.mark.parametrize("text", ["", ":80", "http://", "host:port"])
def test_what_names_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"host|[Pp]ort"):
        Place.parse(text)


# ---- how much is read --------------------------------------------------------------------------


async def test_an_answer_without_end_is_cut_off_and_a_write_is_then_unknown() -> None:
    async with listening(endless) as fleet, api(fleet) as client:
        async with asyncio.timeout(3):
            written = await client.ask(outbound(), "PUT", "/", body={})
            read = await client.ask(outbound(), "GET", "/")
        assert isinstance(written, Unknown)
        assert "longer than 1000 bytes" in written.reason
        assert isinstance(read, NotApplied)
        assert (read.code, read.retryable) == ("too_long", False)


async def test_a_tool_s_own_limit_is_the_lower_one() -> None:
    async with listening(saying(b'{"pad":"' + b"x" * 90 + b'"}')) as fleet, api(fleet) as client:
        assert isinstance(await client.ask(outbound(max_bytes=100), "GET", "/"), Answer)
        assert isinstance(await client.ask(outbound(max_bytes=99), "GET", "/"), NotApplied)
        assert isinstance(await client.ask(outbound(max_bytes=10**6), "GET", "/"), Answer)
    async with listening(saying(b" " * 1001)) as fleet, api(fleet) as client:
        assert isinstance(await client.ask(outbound(max_bytes=10**6), "GET", "/"), NotApplied)


async def test_a_packed_answer_is_not_unpacked() -> None:
    packed = gzip.compress(b" " * 10_000_000)[:900]
    answer = saying(packed, "200 OK", "content-encoding: gzip")
    async with listening(answer) as fleet, api(fleet) as client:
        assert isinstance(await client.ask(outbound(), "GET", "/"), NotApplied)


async def test_a_refused_connection_was_not_applied() -> None:
    async with listening(saying(b"{}")) as fleet:
        pass
    async with api(fleet) as client:
        answer = await client.ask(outbound(), "POST", "/", body={})
    assert isinstance(answer, NotApplied)
    assert (answer.code, answer.retryable) == ("unreachable", True)


async def test_who_waits_in_vain_for_a_connection_has_sent_nothing() -> None:
    async def hold(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with listening(hold) as fleet, api(fleet) as client:
        others = [asyncio.create_task(client.ask(outbound(), "GET", "/")) for _ in range(200)]
        await asyncio.sleep(0)  # each has asked for its connection
        answer = await client.ask(outbound(timeout=timedelta(seconds=1)), "POST", "/", body={})
        for other in others:
            other.cancel()
        await asyncio.wait(others)
    assert isinstance(answer, NotApplied)
    assert (answer.code, answer.retryable) == ("no_connection_free", True)


async def test_a_lost_answer_is_unknown() -> None:
    async def hang_up(_: asyncio.StreamWriter) -> None: ...

    async with listening(hang_up) as fleet, api(fleet) as client:
        assert isinstance(await client.ask(outbound(), "POST", "/", body={}), Unknown)
