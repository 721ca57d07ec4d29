"""What a person may do on the bus is enough for all that the client does, and no wider."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

import pytest
from smartops.bus.connection import close, connect
from smartops.bus.nkey import new_user_key
from smartops.bus.provisioner import Provisioner
from smartops.bus.server_config import render_config
from smartops.bus.topology import Sizing, build_topology
from smartops.bus.users import person_user, provisioner_user, service_users
from smartops.contracts.catalogue import SERVICES
from smartops.contracts.commands import IntentSubmit
from smartops.contracts.ids import command_key, principal
from smartops.contracts.subjects import Subjects
from smartops.devstack.servers import NatsServer
from smartops.sdk import Client, Profile, Unauthorised
from smartops.sdk.bus import Bus
from smartops.sdk.watching import filters_of
from support.bus import eventually
from support.sdk_story import Story

SUBJECTS = Subjects()
OPERATOR = principal("local", "operator")


async def test_a_person_may_do_what_the_client_does(tmp_path: Path) -> None:
    keys = {name: new_user_key() for name in (*SERVICES, "provisioner", "operator")}
    public = {name: key.public for name, key in keys.items()}
    topology = build_topology(SUBJECTS, Sizing.small())
    users = (
        *service_users(public, topology),
        person_user("operator", public["operator"], tenant="acme", principal=OPERATOR),
        provisioner_user(public["provisioner"], topology),
    )
    (tmp_path / "credentials").mkdir()
    seed = tmp_path / "credentials" / "operator.nk"
    seed.write_text(keys["operator"].seed)
    async with NatsServer(tmp_path / "store", config_text=render_config(users, topology)) as server:
        admin = await connect(
            server.url,
            name="provisioner",
            inbox_prefix="_INBOX_provisioner",
            seed=keys["provisioner"].seed,
            api="$JS.API",
        )
        await Provisioner(admin).apply(topology)
        await close(admin)
        profile = {
            "nats_url": server.url,
            "reader_dsn": "postgresql://nobody@127.0.0.1:1/none",
            "tenant": "acme",
            "prefix": "smartops",
            "principals": {"operator": OPERATOR},
        }
        (tmp_path / "profile.json").write_text(json.dumps(profile))
        loaded = Profile.load(tmp_path)
        async with await Client.connect(loaded) as client:
            intent = IntentSubmit(intent="Fix drift on production web servers")
            done = await client.submit(intent, id="x", wait=False)
            assert done.key == command_key("acme", OPERATOR, intent.name, "x")
            await _hears_a_service(client, keys["planner"].seed, server.url)
        bus = await Bus.connect(loaded, "operator")
        wanted = [
            *filters_of(SUBJECTS, "acme", uuid4()),
            SUBJECTS.event_filter("audit.appended", tenant="acme"),
            SUBJECTS.event_filter("command.refused", tenant="acme", entity=str(uuid4())),
        ]
        async with bus.listen(wanted), bus.listen([SUBJECTS.tenant_events("acme")]):
            assert bus.complaint == ""
        async with bus.listen([SUBJECTS.tenant_events("other")]):
            await eventually(lambda: '"smartops.other.>"' in bus.complaint)
        await bus.close()
        seed.write_text(new_user_key().seed)
        with pytest.raises(Unauthorised, match="'operator'"):
            await Client.connect(loaded)


async def _hears_a_service(client: Client, seed: str, url: str) -> None:
    planner = await connect(url, name="planner", inbox_prefix="_INBOX_planner", seed=seed)
    story = Story().up_to_the_plan()
    event = story.events[0]
    async with asyncio.timeout(5), aclosing(client.live()) as events:
        listening = asyncio.ensure_future(anext(events))
        subject = SUBJECTS.event("acme", "task.submitted", 1, "-", story.task)
        while not listening.done():
            await planner.publish(subject, event.raw)
            await asyncio.wait((listening,), timeout=0.05)
        assert listening.result() == event
    await close(planner)
