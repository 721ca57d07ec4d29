"""What a tool answers, however odd: a recorded output, or nobody knows; never an exception."""

from __future__ import annotations

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
from smartops.tool_gateway.adapters.fleet import FleetDriver
from smartops.tool_gateway.adapters.json_api import JsonApi
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
    """A driver that answers as told."""

    def __init__(self, output: JsonValue) -> None:
        self._output = output

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        del outbound
        return Answer(self._output)

    async def close(self) -> None:
        return


def tool(output: JsonValue, **declared: Any) -> Tool:
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
    output: JsonValue, secrets: Path, **declared: Any
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
