"""Who may do what, tried out on a server with the rendered configuration."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from nats.aio.client import Client
from smartops.bus.api import API, SERVICE_API, api_request, message_id_at, stream_state
from smartops.bus.connection import close, connect
from smartops.bus.delivery import Delivery
from smartops.bus.errors import Unauthorised
from smartops.bus.nkey import UserKey, new_user_key
from smartops.bus.provisioner import Provisioner
from smartops.bus.pull import StandingPull
from smartops.bus.pull_options import PullOptions
from smartops.bus.relay import Outgoing, Relay
from smartops.bus.server_config import render_config
from smartops.bus.specs import Topology
from smartops.bus.topology import Sizing, build_topology
from smartops.bus.users import (
    inbox_prefix,
    monitor_user,
    person_user,
    provisioner_user,
    service_users,
)
from smartops.contracts.catalogue import SERVICES
from smartops.contracts.subjects import Subjects
from smartops.devstack.servers import NatsServer
from support.bus import eventually

SUBJECTS = Subjects()
PEOPLE = ("operator", "approver")
ENTITY = "0193b2a0"
SHORT = timedelta(milliseconds=300)


class House:
    """A provisioned server and a way in for each user."""

    def __init__(self, server: NatsServer, topology: Topology, keys: dict[str, UserKey]) -> None:
        self.server = server
        self.topology = topology
        self.keys = keys

    @asynccontextmanager
    async def user(self, name: str) -> AsyncIterator[Client]:
        nc = await connect(
            self.server.url,
            name=name,
            inbox_prefix=inbox_prefix(name),
            seed=self.keys[name].seed,
            api=API if name in {"provisioner", "monitor"} else None,
        )
        try:
            yield nc
        finally:
            await close(nc)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    names = (*SERVICES, *PEOPLE, "provisioner", "monitor")
    keys = {name: new_user_key() for name in names}
    public = {name: key.public for name, key in keys.items()}
    topology = build_topology(SUBJECTS, Sizing.small())
    users = (
        *service_users(public, topology),
        *(person_user(name, public[name], tenant="acme", principal=f"p-{name}") for name in PEOPLE),
        provisioner_user(public["provisioner"], topology),
        monitor_user(public["monitor"]),
    )
    store: Path = tmp_path_factory.mktemp("house") / "store"
    async with NatsServer(store, config_text=render_config(users, topology)) as server:
        made = House(server, topology, keys)
        async with made.user("provisioner") as nc:
            await Provisioner(nc).apply(topology)
        yield made


async def refused(nc: Client, subject: str, body: bytes = b"{}") -> None:
    """Publish, and see it refused."""
    before = nc.last_error
    await nc.publish(subject, body)
    await nc.flush()
    await a_violation_beside(before, nc, subject)


async def a_violation_beside(before: Exception | None, nc: Client, subject: str) -> None:
    """Wait for it: the server may say so after the next PONG."""
    try:
        await eventually(lambda: nc.last_error is not before)
    except TimeoutError:
        pytest.fail(f"{subject} was let through")
    assert f'"{subject.lower()}"' in str(nc.last_error).lower()


def planned(tenant: str = "acme") -> str:
    return SUBJECTS.event(tenant, "task.planned", 1, "-", ENTITY)


def decide(principal: str, tenant: str = "acme") -> str:
    return SUBJECTS.command(tenant, "approval.decide", 1, principal, ENTITY)


async def test_a_service_says_its_own_topics_and_pulls_its_own_durables(house: House) -> None:
    got: asyncio.Queue[str] = asyncio.Queue()

    async def handle(delivery: Delivery) -> None:
        got.put_nowait(delivery.message.subject)
        await delivery.ack()

    acked: list[int] = []
    async with house.user("planner") as planner, house.user("policy") as policy:
        pull = StandingPull(policy, "SMARTOPS", "policy-plans", handle)
        await pull.start()
        assert pull.trouble is None
        relay = Relay(planner, acked.extend)
        await relay.start()
        await relay.publish([Outgoing(planned(), b"{}", "id-1", 1)])
        assert await asyncio.wait_for(got.get(), 5) == planned()
        await relay.stop()
        await pull.stop()
        assert acked == [1]
        for nc in (planner, policy):
            assert nc.last_error is None


async def test_an_empty_message_costs_none_that_follow_it_their_delivery(house: House) -> None:
    """To a server that answers across accounts it is the last answer to its request."""
    bodies = [b"" if number % 3 == 0 else b"%d" % number for number in range(30)]
    got: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        assert delivery.about.deliveries == 1
        got.append(delivery.message.data)
        await delivery.ack()

    async with house.user("planner") as planner:
        subject = SUBJECTS.event("acme", "tool.call.requested", 1, "planner", ENTITY)
        async with house.user("tool_gateway") as gateway:
            pull = StandingPull(gateway, "SMARTOPS", "tool_gateway-calls", handle)
            for body in bodies:
                await api_request(planner, subject, body)
            await pull.start()
            await eventually(lambda: len(got) == len(bodies))
            # Again while requests linger, so that messages come in on the ones asked for before.
            await asyncio.gather(*(api_request(planner, subject, body) for body in bodies))
            await eventually(lambda: len(got) == 2 * len(bodies))
            assert pull.counters.inboxes == 1
            await pull.stop()
    assert sorted(got) == sorted(2 * bodies)


async def test_a_service_may_not_say_what_another_decides(house: House) -> None:
    async with house.user("runner") as runner:
        await refused(runner, planned())
        await refused(runner, SUBJECTS.event("acme", "task.approval.granted", 1, "-", ENTITY))
        await refused(runner, decide("p-approver"))


async def test_a_service_may_not_acknowledge_for_another(house: House) -> None:
    async with house.user("planner") as planner, house.user("runner") as runner:
        relay = Relay(planner, lambda _acked: None)
        await relay.start()
        await relay.publish([Outgoing(planned(), b"{}", "id-2", 2)])
        await relay.settled()
        await relay.stop()
        for decision in (b"", b"+TERM", b"-NAK"):
            await refused(runner, "$JS.ACK.SMARTOPS.policy-plans.1.1.1.1.0", decision)


async def test_a_service_may_not_pull_a_foreign_durable(house: House) -> None:
    async with house.user("runner") as runner:
        for api in (SERVICE_API, API):
            await refused(runner, f"{api}.CONSUMER.MSG.NEXT.SMARTOPS.policy-plans")
            await refused(runner, f"{api}.CONSUMER.INFO.SMARTOPS.policy-plans")
            await refused(runner, f"{api}.CONSUMER.CREATE.SMARTOPS.mine")


async def test_a_service_may_not_touch_streams(house: House) -> None:
    verbs = ("DELETE", "PURGE", "UPDATE", "CREATE", "MSG.DELETE", "SNAPSHOT")
    async with house.user("tool_gateway") as nc:
        for api in (SERVICE_API, API):
            for verb in verbs:
                await refused(nc, f"{api}.STREAM.{verb}.SMARTOPS")
            await refused(nc, f"{api}.DIRECT.GET.SMARTOPS")
            for verb in ("INFO", "MSG.GET"):
                await refused(nc, f"{api}.STREAM.{verb}.SMARTOPS_COMMANDS")
            await refused(nc, f"{api}.CONSUMER.PAUSE.SMARTOPS.tool_gateway-calls")
        assert "messages" in await stream_state(nc, "SMARTOPS")
        assert await message_id_at(nc, "SMARTOPS", 1_000_000) is None


async def states(house: House) -> dict[str, Any]:
    """All that a trick could change: durables, messages stored, messages in work."""
    async with house.user("monitor") as nc:
        found: dict[str, Any] = {}
        for spec in house.topology.streams:
            found[spec.name] = (await stream_state(nc, spec.name))["messages"]
        for consumer in house.topology.consumers:
            place = f"{consumer.stream}.{consumer.durable}"
            info = await api_request(nc, f"{API}.CONSUMER.INFO.{place}")
            found[place] = (info["num_ack_pending"], info["ack_floor"]["stream_seq"])
        return found


async def settled(house: House, stream: str, messages: int) -> None:
    """What was published has arrived, and whatever it may have set off has had time to happen."""
    async with house.user("monitor") as nc:

        async def arrived() -> bool:
            return bool((await stream_state(nc, stream))["messages"] >= messages)

        await eventually(arrived)
    await asyncio.sleep(0.2)  # That nothing happens sends no event.


async def test_an_answer_cannot_be_turned_into_an_order(house: House) -> None:
    """The server answers wherever the reply subject points, with rights beyond the asker's."""
    granted = SUBJECTS.event("acme", "task.approval.granted", 1, "-", ENTITY)
    async with (
        house.user("policy") as policy,
        house.user("runner") as runner,
        house.user("planner") as planner,
    ):
        await api_request(policy, granted, b"{}")
        inbox = await runner.subscribe(f"{inbox_prefix('runner')}.x")
        ask = f"{SERVICE_API}.CONSUMER.MSG.NEXT.SMARTOPS.runner-grants"
        await runner.publish(ask, b'{"batch":1}', reply=inbox.subject)
        ack_of_runner = (await inbox.next_msg(10)).reply
        await api_request(planner, planned(), b"+TERM")
        before = await states(house)
        ask = f"{SERVICE_API}.CONSUMER.MSG.NEXT.SMARTOPS.policy-plans"
        for reply in (
            f"{API}.STREAM.DELETE.SMARTOPS_COMMANDS",
            f"{API}.CONSUMER.DELETE.SMARTOPS.runner-grants",
            f"{SERVICE_API}.STREAM.INFO.SMARTOPS",
            decide("p-approver"),
            granted,
            ack_of_runner,
        ):
            # One that gets a message, and one that gets the status that there is none: empty.
            for request in (b'{"batch":1}', b'{"batch":1,"no_wait":true}'):
                await policy.publish(ask, request, reply=reply)
            await policy.publish(granted.replace("granted", "expired"), b"{}", reply=reply)
            await policy.flush()
        await settled(house, "SMARTOPS", before["SMARTOPS"] + 5)
        after = await states(house)
    before["SMARTOPS"] += 5  # published with a false reply subject; one with an ack's is refused
    for found in (before, after):
        del found["SMARTOPS.policy-plans"]
    assert after == before


async def test_a_person_cannot_turn_the_receipt_of_a_command_into_an_order(house: House) -> None:
    async with house.user("operator") as operator:
        before = await states(house)
        replies = (
            planned(),
            decide("p-approver"),
            f"{API}.STREAM.DELETE.SMARTOPS",
            f"{inbox_prefix('approver')}.x",
        )
        for number, reply in enumerate(replies):
            subject = SUBJECTS.command("acme", "task.cancel", 1, "p-operator", f"c{number}")
            await operator.publish(subject, b"{}", reply=reply)
        await operator.flush()
        await settled(house, "SMARTOPS_COMMANDS", before["SMARTOPS_COMMANDS"] + len(replies))
        after = await states(house)
    before["SMARTOPS_COMMANDS"] += len(replies)
    assert after == before


async def test_a_person_cannot_speak_as_another_or_for_another_tenant(house: House) -> None:
    async with house.user("operator") as operator:
        ack = await api_request(operator, decide("p-operator"), b"{}")
        assert ack["stream"] == "SMARTOPS_COMMANDS"
        await refused(operator, decide("p-approver"))
        await refused(operator, decide("p-operator", tenant="other"))
        await refused(operator, planned())
        # A name of another length must not move one's own principal into its place.
        await refused(operator, f"smartops-cmd.acme.a.b.v1.p-approver.p-operator.{ENTITY}")
        await refused(operator, f"smartops-cmd.acme.a.v1.p-operator.{ENTITY}")


async def test_a_person_hears_its_tenant_and_nobody_else(house: House) -> None:
    async with house.user("operator") as operator, house.user("planner") as planner:
        mine = await operator.subscribe(SUBJECTS.tenant_events("acme"))
        await operator.flush()
        for tenant in ("other", "acme"):
            await planner.publish(planned(tenant), b"{}")
        await planner.flush()
        assert (await mine.next_msg(10)).subject == planned("acme")
        for subject in ("smartops.other.>", "smartops.>", "smartops-cmd.>", "_INBOX_approver.>"):
            before = operator.last_error
            await operator.subscribe(subject)
            await operator.flush()
            await a_violation_beside(before, operator, subject)


async def test_nobody_injects_into_a_foreign_inbox(house: House) -> None:
    async with house.user("planner") as planner:
        await refused(planner, f"{inbox_prefix('policy')}.x")


async def test_a_service_tells_of_its_own_dead_letters_only(house: House) -> None:
    async with house.user("policy") as policy:
        subject = SUBJECTS.parked("SMARTOPS", "policy-plans")
        assert (await api_request(policy, subject, b"{}"))["stream"] == "SMARTOPS_DLQ"
        await refused(policy, SUBJECTS.parked("SMARTOPS", "runner-grants"))


async def test_the_provisioner_makes_and_neither_reads_nor_deletes(house: House) -> None:
    async with house.user("provisioner") as nc:
        assert not (await Provisioner(nc).apply(house.topology)).changed
        await refused(nc, f"{API}.STREAM.DELETE.SMARTOPS")
        await refused(nc, f"{API}.CONSUMER.DELETE.SMARTOPS.policy-plans")
        await refused(nc, f"{API}.STREAM.CREATE.OTHER")
        await refused(nc, f"{API}.CONSUMER.MSG.NEXT.SMARTOPS.policy-plans")
        await refused(nc, planned())


async def test_the_monitor_reads_states_only(house: House) -> None:
    async with house.user("monitor") as nc:
        state = await api_request(nc, f"{API}.CONSUMER.INFO.SMARTOPS.policy-plans")
        assert "num_pending" in state
        assert await api_request(nc, f"{API}.STREAM.INFO.SMARTOPS_COMMANDS")
        await refused(nc, f"{API}.STREAM.MSG.GET.SMARTOPS", json.dumps({"seq": 1}).encode())
        await refused(nc, f"{API}.CONSUMER.CREATE.SMARTOPS.mine")


async def test_a_key_that_nobody_knows_is_refused_with_advice(house: House) -> None:
    with pytest.raises(Unauthorised, match="check its seed file"):
        await connect(
            house.server.url, name="runner", inbox_prefix="_INBOX_x", seed=new_user_key().seed
        )


async def test_without_a_key_nobody_enters(house: House) -> None:
    with pytest.raises(Unauthorised):
        await connect(house.server.url, name="nobody", inbox_prefix="_INBOX_x")


async def test_a_largest_payload_is_enforced(house: House) -> None:
    async with house.user("planner") as nc:
        assert nc.max_payload == 256 * 1024


async def test_a_pull_without_the_right_says_so(house: House) -> None:
    async with house.user("runner") as nc:
        options = PullOptions(patience=SHORT)
        pull = StandingPull(nc, "SMARTOPS", "policy-plans", nothing, options=options)
        await pull.start()
        assert "is it permitted?" in str(pull.trouble)
        await pull.stop()


async def nothing(_delivery: Delivery) -> None: ...
