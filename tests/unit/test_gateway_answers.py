"""What a tool answers, however odd: a recorded output, or nobody knows; never an exception."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pydantic import JsonValue
from smartops.contracts.canonical import canonical
from smartops.contracts.events import ToolCallRequested
from smartops.contracts.wire import Category, Idempotence, Purpose, Risk
from smartops.telemetry.tracing import QuietTracer
from smartops.tool_gateway import carrying
from smartops.tool_gateway.adapters.fleet import FleetDriver
from smartops.tool_gateway.adapters.json_api import JsonApi
from smartops.tool_gateway.adapters.metrics_page import read_gauges
from smartops.tool_gateway.carrying import Carrier
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown
from smartops.tool_gateway.secrets import Secrets
from smartops.tool_gateway.tools.base import Arguments, Output, Tool, descriptor
from support.vault_memory import VaultMemory


class AnyArguments(Arguments):
    """The target."""

    asset: str


class AnyOutput(Output):
    """Whatever it is."""

    rate: float | None = None
    rates: tuple[dict[str, float | None], ...] = ()
    count: int = 0
    word: str = ""


class Saying:
    """A driver that answers as told; or raises, or never ends."""

    def __init__(self, output: JsonValue | Exception | asyncio.Event) -> None:
        self._output = output

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        del outbound
        if isinstance(self._output, Exception):
            raise self._output
        if isinstance(self._output, asyncio.Event):
            await self._output.wait()
            return Answer({})
        return Answer(self._output)

    async def close(self) -> None:
        return


def tool(output: JsonValue | Exception | asyncio.Event, **declared: Any) -> Tool:
    made = descriptor(
        "look",
        "Looks.",
        AnyArguments,
        AnyOutput,
        category=Category.READ,
        risk=Risk.READ_ONLY,
        idempotence=Idempotence.IDEMPOTENT,
        **declared,
    )
    return Tool(made, AnyArguments, AnyOutput, Saying(output))


async def carried(
    output: JsonValue | Exception | asyncio.Event, secrets: Path, **declared: Any
) -> Answer | NotApplied | Unknown:
    asked = ToolCallRequested(
        call=uuid4(),
        task=uuid4(),
        purpose=Purpose.OBSERVE,
        tool="look",
        version="1",
        target="web-01",
        question="look",
        attempt=1,
    )
    memory = VaultMemory()
    carrier = Carrier(Secrets(secrets, memory.vault, memory.keeper), QuietTracer())
    return await carrier.look(tool(output, **declared), "acme", asked)


@pytest.mark.parametrize(
    "output",
    [
        {"rate": float("nan")},
        {"rate": float("inf")},
        {"rates": [{"web-01": -float("inf")}]},
        {"count": 2**53 + 1},
        {"word": "\ud800"},
    ],
    ids=["NaN", "Infinity", "deep within", "beyond 2^53", "lone surrogate"],
)
async def test_an_answer_that_no_event_can_hold_tells_nothing(
    tmp_path: Path, output: dict[str, Any]
) -> None:
    assert isinstance(await carried(output, tmp_path), Unknown)


async def test_an_answer_that_an_event_can_hold_is_recorded(tmp_path: Path) -> None:
    found = await carried({"rate": 0.5, "rates": [{"a": None}], "word": "ö"}, tmp_path)
    assert isinstance(found, Answer)
    expected = '{"count":0,"rate":0.5,"rates":[{"a":null}],"word":"ö"}'
    assert canonical(found.output) == expected.encode()


async def test_sensitive_fields_are_taken_out_before_anything_is_recorded(tmp_path: Path) -> None:
    output = {"rate": 0.5, "rates": [{"a": 1.0, "b": 2.0}, {"a": 3.0}], "word": "hush"}
    found = await carried(output, tmp_path, sensitive_fields=("word", "rates.a"))
    assert found == Answer({"rate": 0.5, "rates": [{"b": 2.0}, {}], "count": 0})


async def test_an_answer_that_is_longer_than_the_tool_says_tells_nothing(tmp_path: Path) -> None:
    shortest = len(canonical({"rate": None, "rates": [], "count": 0, "word": "12345"}))
    fits = await carried({"word": "12345"}, tmp_path, max_output_bytes=shortest)
    assert isinstance(fits, Answer)
    longer = await carried({"word": "12345"}, tmp_path, max_output_bytes=shortest - 1)
    assert isinstance(longer, Unknown)


async def test_a_driver_that_raises_tells_nothing_and_its_words_go_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = await carried(KeyError("hunter2"), tmp_path)
    assert found == Unknown("its driver failed: KeyError")
    assert "the driver of look failed: KeyError" in caplog.text
    assert "hunter2" not in caplog.text


async def test_a_driver_that_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "_OVERTIME", timedelta(0))
    found = await carried(asyncio.Event(), tmp_path, timeout_ms=100)
    assert found == Unknown("its driver did not end within 0.1 s")


def test_of_a_page_of_metrics_only_numbers_are_read() -> None:
    page = "\n".join(
        f'rate{{server="{name}"}} {value}'
        for name, value in {"a": "0.5", "b": "1e-", "c": "NaN", "d": "+Inf", "e": "--1"}.items()
    )
    assert read_gauges(f'# TYPE rate gauge\n{page}\nrate_2{{server="f"}} 1', "rate") == {"a": 0.5}


async def test_looking_at_many_silent_servers_takes_no_longer_than_one_call_may() -> None:
    asked: list[str] = []

    async def silent(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        await asyncio.Event().wait()
        raise AssertionError

    client = httpx2.AsyncClient(
        base_url="http://fleet.test", transport=httpx2.MockTransport(silent)
    )
    driver = FleetDriver(JsonApi(client, 1_000_000))
    names = [f"web-{number}" for number in range(200)]
    looked = Outbound(
        "probe_http", "web-0", {"targets": [*names]}, uuid4(), {}, timedelta(milliseconds=200)
    )
    async with asyncio.timeout(5):
        found = await driver.call(looked)
    assert found == Answer({"results": dict.fromkeys(names)})
    assert 0 < len(asked) < len(names), "behind those that used the time up nobody is asked"
    await driver.close()


@pytest.fixture
async def fleet() -> AsyncIterator[tuple[FleetDriver, list[bytes]]]:
    """The fleet's driver, and the bodies that it is answered, one per request."""
    bodies: list[bytes] = []

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, stream=httpx2.ByteStream(bodies.pop(0)))

    client = httpx2.AsyncClient(
        base_url="http://fleet.test", transport=httpx2.MockTransport(answer)
    )
    driver = FleetDriver(JsonApi(client, 1_000_000))
    yield driver, bodies
    await driver.close()


@pytest.mark.parametrize(
    "body",
    [b'{"id": NaN}', b'{"id": -Infinity}', b"Infinity", b"", b"\xff", b"[" * 100_000, b'"\\ud800"'],
)
async def test_what_is_no_json_is_unknown(
    fleet: tuple[FleetDriver, list[bytes]], body: bytes
) -> None:
    driver, bodies = fleet
    bodies.append(body)
    outbound = Outbound(
        "get_asset", "web-01", {"asset": "web-01"}, uuid4(), {}, timedelta(seconds=1)
    )
    assert isinstance(await driver.call(outbound), Unknown)


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (400, ("refused", False)),
        (404, ("not_found", False)),
        (412, ("precondition_failed", False)),
        (429, ("too_many_requests", True)),
        (408, None),
        (302, None),
        (500, None),
        (503, None),
    ],
)
async def test_what_a_status_says_of_whether_it_was_done(
    status: int, wanted: tuple[str, bool] | None
) -> None:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, stream=httpx2.ByteStream(b"{}"))

    client = httpx2.AsyncClient(
        base_url="http://fleet.test", transport=httpx2.MockTransport(answer)
    )
    driver = FleetDriver(JsonApi(client, 1_000_000))
    asset = {"asset": "web-01", "version": "2"}
    outbound = Outbound("apply_patch", "web-01", {**asset}, uuid4(), {}, timedelta(seconds=1))
    found = await driver.call(outbound)
    told = (found.code, found.retryable) if isinstance(found, NotApplied) else None
    assert told == wanted
    assert wanted is not None or isinstance(found, Unknown)
    await driver.close()
