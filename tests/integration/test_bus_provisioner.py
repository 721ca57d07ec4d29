"""The provisioner: creates, shows drift, mends it, names what it cannot mend, deletes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from nats.aio.client import Client
from smartops.bus.api import API, ApiError, api_request
from smartops.bus.connection import close, connect
from smartops.bus.errors import ProvisioningError, UnfixableDrift
from smartops.bus.provisioner import Provisioner
from smartops.bus.report import Action
from smartops.bus.specs import ConsumerSpec, StreamSpec, Topology
from smartops.bus.topology import Sizing, build_topology
from smartops.devstack.servers import NatsServer

pytest_plugins = ["support.bus_fixtures"]


@pytest.fixture
async def nc(bus_server: NatsServer) -> AsyncIterator[Client]:
    """A connection to a server without streams."""
    client = await connect(bus_server.url, name="provisioner", inbox_prefix="_INBOX_p")
    yield client
    names = await api_request(client, f"{API}.STREAM.NAMES")
    for name in names["streams"] or ():
        await api_request(client, f"{API}.STREAM.DELETE.{name}")
    await close(client)


def stream(**changes: Any) -> StreamSpec:
    spec = StreamSpec(
        name="JOBS",
        subjects=("jobs.>",),
        description="for tests",
        retention="workqueue",
        discard="new",
        max_age=None,
        max_bytes=1_000_000,
        max_msg_bytes=10_000,
        duplicate_window=timedelta(seconds=30),
        replicas=1,
    )
    return replace(spec, **changes)


def consumer(durable: str, *filters: str, **changes: Any) -> ConsumerSpec:
    spec = ConsumerSpec(
        stream="JOBS",
        durable=durable,
        service="worker",
        filters=filters,
        description="for tests",
        deliver="all",
    )
    return replace(spec, **changes)


async def config(nc: Client, path: str) -> dict[str, Any]:
    kind = "CONSUMER" if "." in path else "STREAM"
    answer = await api_request(nc, f"{API}.{kind}.INFO.{path}")
    found: dict[str, Any] = answer["config"]
    return found


async def test_the_whole_topology_is_made_and_then_found_unchanged(nc: Client) -> None:
    topology = build_topology(sizing=Sizing.small())
    provisioner = Provisioner(nc)
    plan = await provisioner.plan(topology)
    assert {change.action for change in plan.changes} == {Action.CREATE}
    first = await provisioner.apply(topology)
    assert first.changed
    assert len(first.changes) == len(topology.streams) + len(topology.consumers)
    second = await provisioner.apply(topology)
    assert not second.changed
    assert second.unknown == ()
    assert not (await provisioner.plan(topology)).changed
    events = await config(nc, "SMARTOPS")
    assert events["persist_mode"] == "async"
    assert events["deny_delete"]
    assert events["deny_purge"]


async def test_two_runs_at_once_agree(bus_server: NatsServer, nc: Client) -> None:
    other = await connect(bus_server.url, name="second", inbox_prefix="_INBOX_q")
    topology = build_topology(sizing=Sizing.small())
    await asyncio.gather(Provisioner(nc).apply(topology), Provisioner(other).apply(topology))
    assert not (await Provisioner(nc).apply(topology)).changed
    await close(other)


async def test_drift_is_shown_and_then_mended(nc: Client) -> None:
    topology = Topology((stream(),), (consumer("a", "jobs.a"),))
    provisioner = Provisioner(nc)
    await provisioner.apply(topology)
    await api_request(
        nc, f"{API}.STREAM.UPDATE.JOBS", {**stream().config(), "max_bytes": 5, "discard": "old"}
    )
    drifted = consumer("a", "jobs.b", ack_wait=timedelta(seconds=3)).config()
    await api_request(
        nc, f"{API}.CONSUMER.CREATE.JOBS.a", {"stream_name": "JOBS", "config": drifted}
    )
    plan = await provisioner.plan(topology)
    assert str(plan) == (
        "update    stream JOBS\n"
        "            discard: 'old' -> 'new'\n"
        "            max_bytes: 5 -> 1000000\n"
        "update    consumer JOBS/a\n"
        "            filter_subjects: ['jobs.b'] -> ['jobs.a']\n"
        "            ack_wait: 3000000000 -> 30000000000"
    )
    assert (await provisioner.apply(topology)) == plan
    assert not (await provisioner.plan(topology)).changed


async def test_settings_that_we_do_not_decide_survive_an_update(nc: Client) -> None:
    await api_request(
        nc,
        f"{API}.STREAM.CREATE.JOBS",
        {**stream().config(), "max_bytes": 5, "allow_direct": True, "compression": "s2"},
    )
    await Provisioner(nc).apply(Topology((stream(),), ()))
    after = await config(nc, "JOBS")
    assert after["max_bytes"] == 1_000_000
    assert after["allow_direct"]
    assert after["compression"] == "s2"


async def test_what_the_server_cannot_change_is_named_and_the_rest_is_mended(nc: Client) -> None:
    old = stream(retention="limits", discard="old", max_bytes=5)
    await Provisioner(nc).apply(Topology((old,), ()))
    with pytest.raises(UnfixableDrift) as caught:
        await Provisioner(nc).apply(Topology((stream(),), ()))
    (refusal,) = caught.value.refusals
    assert (refusal.name, refusal.field) == ("stream JOBS", "retention")
    assert (refusal.have, refusal.want) == ("limits", "workqueue")
    assert "can not change retention policy" in refusal.reason
    assert "retention is 'limits', should be 'workqueue'" in str(caught.value)
    after = await config(nc, "JOBS")
    assert (after["max_bytes"], after["discard"]) == (1_000_000, "new")


async def test_an_unfixable_consumer_is_named_too(nc: Client) -> None:
    limits = stream(retention="limits")
    await Provisioner(nc).apply(Topology((limits,), (consumer("a", "jobs.a"),)))
    wanted = consumer("a", "jobs.a", deliver="new", max_ack_pending=7)
    with pytest.raises(UnfixableDrift, match="consumer JOBS/a: deliver_policy is 'all'"):
        await Provisioner(nc).apply(Topology((limits,), (wanted,)))
    assert (await config(nc, "JOBS.a"))["max_ack_pending"] == 7


async def test_a_subject_moves_from_one_durable_of_a_work_queue_to_another(nc: Client) -> None:
    provisioner = Provisioner(nc)
    await provisioner.apply(Topology((stream(),), (consumer("z", "jobs.>"),)))
    moved = Topology((stream(),), (consumer("a", "jobs.a"), consumer("z", "jobs.z")))
    report = await provisioner.apply(moved)
    assert [change.action for change in report.changes] == [
        Action.NONE,
        Action.CREATE,
        Action.UPDATE,
    ]


async def test_unknown_streams_and_durables_are_reported_and_left_alone(nc: Client) -> None:
    provisioner = Provisioner(nc)
    await provisioner.apply(Topology((stream(),), (consumer("old", "jobs.old"),)))
    await api_request(nc, f"{API}.STREAM.CREATE.FOREIGN", {"name": "FOREIGN", "subjects": ["f"]})
    report = await provisioner.apply(Topology((stream(),), (consumer("new", "jobs.new"),)))
    assert report.unknown == ("stream FOREIGN", "consumer JOBS/old")
    assert "consumer JOBS/old: not in the topology, left alone" in str(report)
    assert (await config(nc, "JOBS.old"))["filter_subjects"] == ["jobs.old"]


async def test_a_refused_creation_names_its_stream(nc: Client) -> None:
    with pytest.raises(ProvisioningError, match="stream JOBS: the server refused"):
        await Provisioner(nc).apply(Topology((stream(replicas=3),), ()))


async def test_a_server_that_does_not_answer_is_no_drift(nc: Client) -> None:
    async def mute(*_args: Any, **_options: Any) -> Any:
        raise ApiError("$JS.API", 408, 0, "no answer in time")

    provisioner = Provisioner(nc)
    await provisioner.apply(Topology((stream(max_bytes=5),), ()))
    real = nc.request

    async def request(subject: str, *args: Any, **options: Any) -> Any:
        return await (mute() if "UPDATE" in subject else real(subject, *args, **options))

    nc.request = request  # type: ignore[method-assign]
    with pytest.raises(ApiError):
        await provisioner.apply(Topology((stream(),), ()))
    nc.request = real  # type: ignore[method-assign]
