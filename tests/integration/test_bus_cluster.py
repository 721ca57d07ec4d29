"""Three servers, three replicas: provisioned, and published to and pulled from with one dead."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from nats.aio.client import Client
from smartops.bus.api import API, ApiError, api_request
from smartops.bus.delivery import Delivery
from smartops.bus.errors import UnfixableDrift
from smartops.bus.provisioner import Provisioner
from smartops.bus.pull import StandingPull
from smartops.bus.pull_options import PullOptions
from smartops.bus.relay import Outgoing, Relay
from smartops.bus.topology import COMMANDS_STREAM, DLQ_STREAM, EVENTS_STREAM, Sizing, build_topology
from smartops.contracts.subjects import Subjects
from support.bus import eventually
from support.cluster import Cluster, cluster_at

SUBJECTS = Subjects()
ONE = build_topology(SUBJECTS, Sizing.small())
THREE = build_topology(SUBJECTS, replace(Sizing.small(), replicas=3))
STREAMS = (EVENTS_STREAM, COMMANDS_STREAM, DLQ_STREAM)
SHORT = timedelta(seconds=1)


@pytest.fixture(scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    async with cluster_at(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture(scope="module")
async def replicated(cluster: Cluster) -> Cluster:
    """With everything on three servers, provisioned from nothing."""
    async with cluster.client("provisioner") as nc:
        for stream in STREAMS:
            with contextlib.suppress(ApiError):  # not there: what is wanted
                await api_request(nc, f"{API}.STREAM.DELETE.{stream}")
        await Provisioner(nc).apply(THREE)
        for stream in STREAMS:
            await cluster.current(nc, stream)
    return cluster


async def streams(nc: Client) -> Mapping[str, Mapping[str, Any]]:
    return {
        name: (await api_request(nc, f"{API}.STREAM.INFO.{name}"))["config"] for name in STREAMS
    }


def planned(number: int) -> str:
    return SUBJECTS.event("acme", "task.planned", 1, "-", f"task-{number}")


async def test_one_replica_becomes_three_where_it_can_and_the_rest_is_named(
    cluster: Cluster,
) -> None:
    """The event stream's persistence cannot change: it is made anew, and filled from the log."""
    async with cluster.client("provisioner") as nc:
        provisioner = Provisioner(nc)
        await provisioner.apply(ONE)
        assert {c["num_replicas"] for c in (await streams(nc)).values()} == {1}
        assert (await streams(nc))[EVENTS_STREAM]["persist_mode"] == "async"

        plan = str(await provisioner.plan(THREE))
        assert plan.count("num_replicas: 1 -> 3") == 3
        assert "persist_mode: 'async' -> 'default'" in plan
        with pytest.raises(UnfixableDrift) as stopped:
            await provisioner.apply(THREE)
        named = {(one.name, one.field) for one in stopped.value.refusals}
        assert named == {
            (f"stream {EVENTS_STREAM}", "num_replicas"),
            (f"stream {EVENTS_STREAM}", "persist_mode"),
        }
        mended = await streams(nc)
        assert [mended[name]["num_replicas"] for name in STREAMS] == [1, 3, 3]

        await api_request(nc, f"{API}.STREAM.DELETE.{EVENTS_STREAM}")
        await provisioner.apply(THREE)
        assert not (await provisioner.plan(THREE)).changed
        assert {c["num_replicas"] for c in (await streams(nc)).values()} == {3}


async def test_from_nothing_every_stream_and_durable_has_three_replicas(
    replicated: Cluster,
) -> None:
    async with replicated.client("monitor") as nc:
        configs = await streams(nc)
        assert {config["num_replicas"] for config in configs.values()} == {3}
        # The server refuses to write a replicated stream behind: the default was chosen.
        assert all(
            config.get("persist_mode", "default") == "default" for config in configs.values()
        )
        assert configs[COMMANDS_STREAM]["retention"] == "workqueue"
        for spec in THREE.consumers:
            subject = f"{API}.CONSUMER.INFO.{spec.stream}.{spec.durable}"
            found = (await api_request(nc, subject))["cluster"]
            assert len({found["leader"], *(one["name"] for one in found["replicas"])}) == 3
        assert not (await Provisioner(nc).plan(THREE)).changed


async def test_with_one_server_dead_work_goes_on_and_drift_is_shown_and_mended(
    replicated: Cluster,
) -> None:
    acked: list[int] = []
    seen: set[str] = set()

    async def handle(delivery: Delivery) -> None:
        seen.add(delivery.message.subject)
        await delivery.ack()

    async with (
        replicated.client("planner") as planner,
        replicated.client("policy") as policy,
        replicated.client("provisioner") as provisioning,
    ):
        options = PullOptions(heartbeat=SHORT, expires=4 * SHORT, patience=2 * SHORT)
        pull = StandingPull(policy, EVENTS_STREAM, "policy-plans", handle, options=options)
        await pull.start()
        relay = Relay(planner, acked.extend)
        await relay.start()
        await relay.publish([Outgoing(planned(n), b"{}", f"id-{n}", n) for n in range(1, 11)])
        await eventually(lambda: len(seen) == 10)

        dead = replicated.servers[await replicated.leader(provisioning, EVENTS_STREAM)]
        await dead.kill()

        async def published() -> bool:
            """As the service does: what was not acknowledged is said again."""
            left = [n for n in range(11, 31) if n not in acked]
            await relay.publish([Outgoing(planned(n), b"{}", f"id-{n}", n) for n in left])
            return not left

        await eventually(published, seconds=40)
        await eventually(lambda: len(seen) == 30, seconds=40)

        command = SUBJECTS.command("acme", "intent.submit", 1, "p", "one")

        async def commanded() -> bool:
            """A sender says it again, under the same id, until the new leader has it."""
            try:
                answer = await api_request(planner, command, b"{}")
            except ApiError:
                return False
            return bool(answer["stream"] == COMMANDS_STREAM)

        await eventually(commanded, seconds=40)
        changed = {**THREE.stream(COMMANDS_STREAM).config(), "max_msgs": 7}

        async def changed_behind_our_back() -> bool:
            """The dead server may have led the cluster: what it lost is asked for again."""
            try:
                update = f"{API}.STREAM.UPDATE.{COMMANDS_STREAM}"
                return bool(await api_request(provisioning, update, changed))
            except ApiError as error:
                if not error.retryable:
                    raise
                return False

        await eventually(changed_behind_our_back, seconds=40)
        provisioner = Provisioner(provisioning)

        async def drift_is_shown() -> bool:
            """Durables that the dead server led answer again once others have taken over."""
            try:
                return "max_msgs: 7 -> 1000000" in str(await provisioner.plan(THREE))
            except ApiError:
                return False

        await eventually(drift_is_shown, seconds=40)
        await provisioner.apply(THREE)
        assert not (await provisioner.plan(THREE)).changed

        await dead.start()
        for stream in STREAMS:
            await replicated.current(provisioning, stream)
        assert pull.trouble is None
        await relay.stop()
        await pull.stop()
