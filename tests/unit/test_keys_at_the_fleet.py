"""The same key is the same request: repeats are recognised, anything else is a clear failure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest
from smartops.playground import Fleet, FleetSpec, Record, create_app
from smartops.tool_gateway.adapters.fleet import FleetDriver
from smartops.tool_gateway.adapters.json_api import JsonApi
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound

KEY = UUID("44444444-4444-5444-8444-444444444444")


@pytest.fixture
async def fleet() -> AsyncIterator[tuple[FleetDriver, Fleet]]:
    """The gateway's driver, and the fleet that it talks to."""
    fleet = Fleet(FleetSpec(servers=2))
    app = create_app(fleet, Record())
    transport = httpx2.ASGITransport(app=app)
    client = httpx2.AsyncClient(transport=transport, base_url="http://fleet")
    driver = FleetDriver(JsonApi(client, 10_000))
    yield driver, fleet
    await driver.close()
    app.world.close()


def patch(version: str, server: str = "web-01") -> Outbound:
    arguments = {"asset": server, "version": version}
    return Outbound("apply_patch", server, {**arguments}, KEY, {}, timedelta(seconds=5))


async def test_a_repeat_under_its_key_gets_the_first_answer_and_changes_nothing(
    fleet: tuple[FleetDriver, Fleet],
) -> None:
    driver, world = fleet
    first = await driver.call(patch("3.0.0"))
    assert isinstance(first, Answer)
    assert await driver.call(patch("3.0.0")) == first
    assert world.servers["web-01"].patches == 1


@pytest.mark.parametrize(("version", "server"), [("3.0.1", "web-01"), ("3.0.0", "web-02")])
async def test_a_key_with_other_arguments_is_refused_for_good_and_says_so(
    fleet: tuple[FleetDriver, Fleet], version: str, server: str
) -> None:
    driver, world = fleet
    await driver.call(patch("3.0.0"))
    answer = await driver.call(patch(version, server))
    assert isinstance(answer, NotApplied)
    assert (answer.code, answer.retryable) == ("refused", False)
    assert "idempotency_key_reused" in answer.message
    assert [one.patches for one in world.servers.values()] == [1, 0]
