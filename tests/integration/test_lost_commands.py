"""Accepted commands that go with their stream, on a real server: what can be told of them."""

from __future__ import annotations

from typing import cast

import pytest
from smartops.bus.api import API, api_request
from smartops.bus.provisioner import Provisioner
from smartops.bus.topology import COMMANDS_STREAM, Sizing, build_topology
from smartops.contracts.catalogue import handler
from smartops.contracts.subjects import Subjects
from smartops.eventstore.rows import Backlog
from smartops.eventstore.store import EventStore
from smartops.runtime.watch import Watch
from smartops.sdk.cli.doctor_services import judge_losses
from smartops.telemetry.metrics import Metrics
from support.bus import Bench

pytest_plugins = ["support.bus_fixtures"]

SUBJECTS = Subjects()


class Store:
    """A store in which nothing waits."""

    async def outbox_backlog(self) -> Backlog:
        return Backlog(0, None)

    async def parked(self, _limit: int) -> list[object]:
        return []


async def test_commands_that_waited_in_a_stream_that_was_wiped_are_counted_and_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    provisioner, topology = Provisioner(bench.nc), build_topology(SUBJECTS, Sizing.small())
    metrics = Metrics("planner")
    watch = Watch(cast("EventStore", Store()), metrics, [handler("planner.intents")])
    watch._nc = bench.nc
    await provisioner.apply(topology)
    for number in range(3):
        subject = SUBJECTS.command("acme", "intent.submit", 1, "p", f"id-{number}")
        await api_request(bench.nc, subject, b"{}")
    await watch.look()
    assert judge_losses("planner", _page(metrics)) == []

    await api_request(bench.nc, f"{API}.STREAM.DELETE.{COMMANDS_STREAM}")
    await watch.look()  # while nothing is there, nothing can be told
    await provisioner.apply(topology)
    await watch.look()
    await watch.look()

    [told] = judge_losses("planner", _page(metrics))
    assert "up to 3 at planner.intents" in told.text
    assert "sends it again under the same id" in caplog.text
    for stream in (spec.name for spec in topology.streams):
        await api_request(bench.nc, f"{API}.STREAM.DELETE.{stream}")


def _page(metrics: Metrics) -> str:
    return metrics.exposition()[0].decode()
