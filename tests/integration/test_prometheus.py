"""Queries to a real Prometheus server that scrapes the playground, and what its answers mean."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest
from pydantic import JsonValue
from smartops.playground.process import running_playground
from smartops.tool_gateway.adapters.egress import Egress, Place
from smartops.tool_gateway.adapters.json_api import JsonApi
from smartops.tool_gateway.adapters.latency import LatencyDriver
from smartops.tool_gateway.adapters.prometheus import PrometheusDriver
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown
from support.prometheus import MISSING, PROMETHEUS, running_prometheus

pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason=MISSING)


def outbound(tool: str, **arguments: JsonValue) -> Outbound:
    return Outbound(
        tool=tool,
        target="web-01",
        arguments=arguments,
        key=UUID(int=1),
        headers={},
        timeout=timedelta(seconds=5),
    )


def api(url: str, *, max_bytes: int = 100_000) -> JsonApi:
    hosts = (Place.parse(url).host,)
    return JsonApi(Egress([url]).client(url, {}, hosts=hosts), max_bytes)


@asynccontextmanager
async def asking(url: str, **options: int) -> AsyncIterator[PrometheusDriver]:
    driver = PrometheusDriver(api(url, **options))
    try:
        yield driver
    finally:
        await driver.close()


async def ask(driver: PrometheusDriver, query: str) -> Answer | NotApplied | Unknown:
    return await driver.call(outbound("query_prometheus", query=query))


@pytest.fixture(scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, str]]:
    """The URLs of a fleet and of the Prometheus that scrapes it."""
    folder = tmp_path_factory.mktemp("prometheus")
    async with (
        running_playground(folder / "record", folder / "state", "--servers", "3") as child,
        running_prometheus(folder / "prometheus", child.url.removeprefix("http://")) as url,
    ):
        yield child.url, url


async def test_a_vector_gives_one_number_per_series_and_a_scalar_gives_one(
    fleet: tuple[str, str],
) -> None:
    async with asking(fleet[1]) as driver:
        vector = await ask(driver, "sort(http_error_rate)")
        assert vector == Answer({"values": [0.001, 0.0015, 0.002]})
        assert await ask(driver, "max(http_error_rate)") == Answer({"values": [0.002]})
        assert await ask(driver, "scalar(count(http_error_rate)) * 2") == Answer({"values": [6.0]})


async def test_nothing_found_and_what_is_no_number_are_told_apart_from_numbers(
    fleet: tuple[str, str],
) -> None:
    async with asking(fleet[1]) as driver:
        assert await ask(driver, "nothing_of_this_name") == Answer({"values": []})
        for query in ("vector(0) / 0", "vector(1) / 0", "scalar(nothing_of_this_name)"):
            assert await ask(driver, query) == Answer({"values": [None]}), query


@pytest.mark.parametrize("query", ["http_error_rate[1m]", '"text"'])
async def test_what_gives_no_numbers_is_an_error(fleet: tuple[str, str], query: str) -> None:
    async with asking(fleet[1]) as driver:
        found = await ask(driver, query)
    assert isinstance(found, NotApplied)
    assert (found.code, found.retryable) == ("not_a_number", False)


async def test_a_query_that_is_none_is_an_error_that_says_why(fleet: tuple[str, str]) -> None:
    async with asking(fleet[1]) as driver:
        found = await ask(driver, "sum(")
    assert isinstance(found, NotApplied)
    assert found.code == "query_failed"
    assert "bad_data" in found.message
    assert "parse error" in found.message


async def test_an_answer_beyond_all_bounds_is_an_error(fleet: tuple[str, str]) -> None:
    async with asking(fleet[1], max_bytes=300) as driver:
        assert isinstance(await ask(driver, "http_requests_total"), NotApplied | Unknown)


async def test_nobody_but_the_configured_server_is_asked(fleet: tuple[str, str]) -> None:
    here = Place.parse(fleet[1]).host
    elsewhere = JsonApi(Egress(["http://192.0.2.1:9090"]).client(fleet[1], {}, hosts=(here,)), 1000)
    driver = PrometheusDriver(elsewhere)
    found = await ask(driver, "up")
    await driver.close()
    assert isinstance(found, NotApplied)
    assert found.code == "egress_refused"


async def test_a_server_that_is_away_is_an_error(unused_tcp_port: int) -> None:
    async with asking(f"http://127.0.0.1:{unused_tcp_port}") as driver:
        found = await ask(driver, "up")
    assert isinstance(found, NotApplied)
    assert found.code == "unreachable"


async def test_latencies_are_read_from_the_fleets_own_page(fleet: tuple[str, str]) -> None:
    driver = LatencyDriver(api(fleet[0]))
    async with httpx2.AsyncClient(base_url=fleet[0], timeout=5) as http:
        fault = {"mode": "latency", "server": "web-02", "value": 750}
        (await http.post("/admin/faults", json=fault)).raise_for_status()
        asked = outbound("query_latency", targets=["web-01", "web-02", "web-99"])
        found = await driver.call(asked)
        (await http.delete("/admin/faults")).raise_for_status()
    await driver.close()
    assert found == Answer({"results": {"web-01": 40.0, "web-02": 750.0, "web-99": None}})
