"""The client against a real bus and a real log; the services are stood in for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from smartops.bus.api import API, api_request
from smartops.bus.connection import close, connect
from smartops.bus.nkey import new_user_key
from smartops.contracts import events as e
from smartops.contracts.canonical import digest
from smartops.contracts.commands import IntentContext, IntentSubmit
from smartops.contracts.ids import command_key, event_id, principal, task_id
from smartops.contracts.plan import Requester
from smartops.contracts.streams import stream
from smartops.contracts.subjects import CommandSubject, Subjects
from smartops.contracts.wire import EventData
from smartops.devstack.servers import NatsServer
from smartops.eventstore import EventStore, NewEvent, Trigger, Unit, Write
from smartops.runtime.recording import Cause, Recorder
from smartops.sdk import Client, Profile, Refused, Unknown, Unreachable
from smartops.sdk.bus import Bus
from smartops.sdk.cli.main import main
from smartops.sdk.errors import Ambiguous, NotFound
from smartops.sdk.event import Event
from support.audit import AuditDatabase
from support.bus import eventually
from support.sdk_story import RUN, Story
from support.store import PASSWORD

pytest_plugins = ["support.audit_fixtures", "support.bus_fixtures"]

SUBJECTS = Subjects()
OPERATOR = principal("local", "operator")
ENOUGH = timedelta(seconds=20)
"""To look at the log a second time, after three seconds, however slow the machine."""
INTENT = IntentSubmit(intent="Fix drift on production web servers")

Said = list[tuple[str, str, EventData]]
"""Service, stream, event."""
Reaction = Callable[[CommandSubject, UUID, dict[str, Any], str], Said]


class Services:
    """Answers commands as the services would: by the log, and by word of it."""

    def __init__(self, nats: Nats, stores: dict[str, EventStore]) -> None:
        self._nats = nats
        self._stores = stores
        self._versions: dict[str, int] = {}
        self.reaction: Reaction = submitted
        self.tells = True
        """Whether events are also published."""
        self.received: list[str] = []

    async def obey(self, message: Msg) -> None:
        """React to a command."""
        subject = SUBJECTS.read_command(message.subject)
        key = command_key(subject.tenant, subject.principal, subject.name, subject.id)
        self.received.append(subject.name)
        said = self.reaction(subject, key, json.loads(message.data), digest(message.data))
        for ordinal, (service, name, data) in enumerate(said):
            await self.say(service, name, data, cause=key, ordinal=ordinal)

    async def say(
        self,
        service: str,
        name: str,
        data: EventData,
        *,
        cause: UUID | None = None,
        ordinal: int = 0,
        task: UUID | None = None,
    ) -> NewEvent:
        """Append an event and tell of it."""
        store = self._stores[service]
        category, _, ident = name.partition("/")[2].partition("-")
        task = task or (UUID(ident) if category in {"task", "gate"} else None)
        version = self._versions.get(name, 0)
        trigger = Trigger(f"{service}.test", uuid4())
        made = Recorder(service, SUBJECTS).event(
            name, version + 1, data, Cause(Trigger(f"{service}.x", cause or uuid4()), task),
            ordinal, store.db_now(),
        )  # fmt: skip
        await store.append(Unit([trigger], [Write(name, version, [made])]))
        self._versions[name] = version + 1
        if self.tells and made.subject is not None:
            await self._nats.publish(made.subject, made.state)
            await self._nats.flush()
        return made


def submitted(subject: CommandSubject, key: UUID, data: dict[str, Any], content: str) -> Said:
    """The planner accepts an intent."""
    task = task_id(command_key(subject.tenant, subject.principal, subject.name, subject.id))
    event = e.TaskSubmitted(
        intent=data["intent"],
        environment=data["environment"],
        context=IntentContext.model_validate(data["context"]),
        source=data["source"],
        requester=Requester(principal=subject.principal, authtype="local"),
        command=key,
        content=content,
    )
    return [("planner", stream("acme", "task", task), event)]


def refused(subject: CommandSubject, key: UUID, _data: dict[str, Any], content: str) -> Said:
    """The planner refuses."""
    event = e.CommandRefused(
        command=key,
        name=subject.name,
        principal=subject.principal,
        code="malformed",
        field="environment",
        message="no fleet there",
        content=content,
    )
    return [("planner", stream("acme", "cmd", key), event)]


def silent(_subject: CommandSubject, _key: UUID, _data: dict[str, Any], _content: str) -> Said:
    """Nobody answers."""
    return []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def commands_stream(bus_server: NatsServer) -> AsyncIterator[Nats]:
    nats = await connect(bus_server.url, name="services", inbox_prefix="_INBOX_services")
    await make_commands_stream(nats)
    yield nats
    await close(nats)


async def make_commands_stream(nats: Nats) -> None:
    config = {"name": "SMARTOPS_COMMANDS", "subjects": [SUBJECTS.all_commands()]}
    await api_request(nats, f"{API}.STREAM.CREATE.SMARTOPS_COMMANDS", json.dumps(config).encode())


@pytest_asyncio.fixture(loop_scope="session")
async def home(tmp_path: Path, bus_server: NatsServer, audit_database: AuditDatabase) -> Path:
    profile = {
        "nats_url": bus_server.url,
        "reader_dsn": audit_database.server.dsn("smartops_reader", PASSWORD, audit_database.name),
        "tenant": "acme",
        "prefix": "smartops",
        "principals": {"operator": OPERATOR},
    }
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "operator.nk").write_text(new_user_key().seed)
    return tmp_path


@pytest_asyncio.fixture(loop_scope="session")
async def services(commands_stream: Nats, audit_database: AuditDatabase) -> AsyncIterator[Services]:
    async with AsyncExitStack() as stack:
        stores = {
            name: await stack.enter_async_context(audit_database.store(f"smartops_{name}"))
            for name in ("planner", "policy", "runner", "tool_gateway")
        }
        made = Services(commands_stream, stores)
        heard = await commands_stream.subscribe(SUBJECTS.all_commands(), cb=made.obey)
        yield made
        await heard.unsubscribe()


@pytest_asyncio.fixture(loop_scope="session")
async def client(home: Path, services: Services) -> AsyncIterator[Client]:
    async with await Client.connect(Profile.load(home)) as made:
        yield made


async def test_submitting_waits_for_the_task(client: Client) -> None:
    done = await client.submit(INTENT, id="a")
    assert done.event is not None
    assert done.event.name == "task.submitted"
    assert done.task == task_id(command_key("acme", OPERATOR, "intent.submit", "a"))


async def test_a_task_of_which_the_bus_was_silent_is_found_in_the_log(
    client: Client, services: Services
) -> None:
    services.tells = False
    done = await client.submit(INTENT, patience=ENOUGH)
    assert done.event is not None
    assert done.event.position == 1


async def test_a_refusal_is_raised_with_its_field(client: Client, services: Services) -> None:
    services.reaction = refused
    with pytest.raises(Refused, match="no fleet there") as raised:
        await client.submit(INTENT)
    assert (raised.value.code, raised.value.field) == ("malformed", "environment")


async def test_a_refusal_of_which_the_bus_was_silent_is_found_in_the_log(
    client: Client, services: Services
) -> None:
    services.reaction, services.tells = refused, False
    with pytest.raises(Refused):
        await client.submit(INTENT, patience=ENOUGH)


async def test_who_stops_waiting_does_not_make_the_connection_deaf(
    home: Path, commands_stream: Nats
) -> None:
    bus = await Bus.connect(Profile.load(home), "operator")

    async def listen() -> None:
        async with bus.listen(["nothing"]):
            pass

    for turns in range(4):  # one of them ends in the middle of the round trip
        waiting = asyncio.create_task(listen())
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
    async with bus.listen(["news"]) as inbox, asyncio.timeout(5):
        await commands_stream.publish("news", b"")
        await eventually(lambda: not inbox.empty())
    await bus.close()


async def test_the_same_id_is_the_same_task(client: Client) -> None:
    first = await client.submit(INTENT, id="again")
    second = await client.submit(INTENT, id="again")
    assert first.task == second.task
    assert second.event == first.event


async def test_the_same_id_with_another_intent_is_a_conflict(client: Client) -> None:
    await client.submit(INTENT, id="taken")
    with pytest.raises(Refused) as raised:
        await client.submit(IntentSubmit(intent="Something else"), id="taken")
    assert (raised.value.code, raised.value.field) == ("conflict", "id")


async def test_silence_is_called_unknown_and_says_how_to_find_out(
    client: Client, services: Services
) -> None:
    services.reaction = silent
    with pytest.raises(Unknown, match=r"is stored, but nothing was heard.*--id mine") as raised:
        await client.submit(INTENT, id="mine", patience=timedelta(seconds=0.5))
    assert raised.value.task == task_id(command_key("acme", OPERATOR, "intent.submit", "mine"))


async def test_a_command_that_went_with_its_stream_is_sent_again_by_who_waits(
    client: Client, services: Services, commands_stream: Nats
) -> None:
    services.reaction = silent
    waiting = asyncio.create_task(client.submit(INTENT, id="swept-away"))
    await eventually(lambda: services.received)
    await api_request(commands_stream, f"{API}.STREAM.DELETE.SMARTOPS_COMMANDS")
    await make_commands_stream(commands_stream)
    services.reaction = submitted

    done = await waiting

    assert done.event is not None
    info = await api_request(commands_stream, f"{API}.STREAM.INFO.SMARTOPS_COMMANDS")
    assert info["state"]["messages"] == 1


async def test_without_waiting_a_stored_command_is_enough(
    client: Client, services: Services
) -> None:
    services.reaction = silent
    assert (await client.submit(INTENT, wait=False)).event is None


async def test_a_decision_waits_for_the_grant(client: Client, services: Services) -> None:
    story = Story()
    gate = stream("acme", "gate", story.task)

    def granted(*_: object) -> Said:
        voice = story.voice()
        recorded = e.TaskApprovalRecorded(
            number=1,
            plan_hash=story.plan_hash,
            assessment_hash=story.assessment_hash,
            decision="approve",
            by=voice,
        )
        grant = story.granted(voice).events[-1].data
        assert grant is not None
        return [("policy", gate, recorded), ("policy", gate, grant)]

    services.reaction = granted
    decided = await client.decide(story.task, story.plan_hash, story.assessment_hash, "approve")
    assert decided.outcome == "granted"


async def test_a_voice_that_is_not_the_last_is_recorded(client: Client, services: Services) -> None:
    story = Story()
    recorded = e.TaskApprovalRecorded(
        number=1,
        plan_hash=story.plan_hash,
        assessment_hash=story.assessment_hash,
        decision="approve",
        by=story.voice(),
    )
    services.reaction = lambda *_: [("policy", stream("acme", "gate", story.task), recorded)]
    decided = await client.decide(story.task, story.plan_hash, story.assessment_hash, "approve")
    assert decided.outcome == "recorded"


async def test_pausing_what_is_paused_is_done_already(client: Client, services: Services) -> None:
    task = uuid4()
    run = stream("acme", "run", uuid4())
    paused = e.TaskPaused(task=task, run=RUN, reason="earlier")
    await services.say("runner", run, paused, task=task)
    services.reaction = silent
    done = await client.pause(task, "again", patience=ENOUGH)
    assert (done.event.name, done.already) == ("task.paused", True)


async def test_halting_shows_by_its_event(client: Client, services: Services) -> None:
    task = uuid4()
    halted = e.TaskHalted(principal=OPERATOR, reason="stop")
    services.reaction = lambda *_: [("policy", stream("acme", "gate", task), halted)]
    done = await client.halt(task, "stop")
    assert (done.event.name, done.already) == ("task.halted", False)


async def test_a_watcher_gets_history_and_news_once_each_until_the_end(
    client: Client, services: Services
) -> None:
    task = (await client.submit(INTENT)).task
    other = (await client.submit(INTENT)).task
    run = stream("acme", "run", uuid4())
    seen: list[Event] = []

    async def go_on() -> None:
        started = e.TaskHalted(principal=OPERATOR, reason="noise")
        await services.say("policy", stream("acme", "gate", other), started)
        requested = e.ToolCallRequested(
            task=task, run=RUN, call=uuid4(), purpose="do", tool="fleet.set_version",
            version="1", target="web-01", question="q", attempt=1,
        )  # fmt: skip
        await services.say("runner", run, requested, task=task)
        services.tells = False  # The next is only in the log.
        resumed = e.TaskResumed(task=task, run=RUN, principal=OPERATOR)
        await services.say("runner", run, resumed, task=task)
        services.tells = True
        claim = e.TargetClaimed(task=task, run=RUN, environment="production", target="web-01")
        await services.say("runner", "acme/target-production/web-01", claim, task=task)
        completed = e.TaskCompleted(task=task, run=RUN, changed=1, calls=1)
        await services.say("runner", run, completed, task=task)

    async with asyncio.timeout(20), aclosing(client.watch(task)) as events:
        async for event in events:
            seen.append(event)
            if event.name == "task.submitted":
                await go_on()
    assert [event.name for event in seen] == [
        "task.submitted",
        "tool.call.requested",
        "task.completed",
        "task.resumed",
    ]
    assert {event.task for event in seen} == {task}


async def test_a_card_waits_for_the_projection(
    client: Client, services: Services, audit_database: AuditDatabase
) -> None:
    story = Story()
    waiting = asyncio.create_task(client.card(story.task, story.plan_hash))
    await asyncio.sleep(0)
    assert not waiting.done()
    async with audit_database.connection() as owner:
        await owner.execute(
            "insert into smartops_log.blobs (tenant, content) values ('acme', $1), ('acme', $2)",
            story.document,
            story.assessment,
        )
        await owner.execute(
            "insert into smartops.plans values ('acme', $1, 1, $2, $3, 'drift_plan', 's',"
            " 'production', 5, 5, 'awaiting_approval', $4, now(), now())",
            story.task,
            story.plan_hash,
            story.document_digest,
            story.assessment_hash,
        )
    assert (await waiting).plan_hash == story.plan_hash


async def test_a_plan_that_never_comes_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound, match="no plan to show yet"):
        await client.card(uuid4(), patience=timedelta(seconds=0.1))


async def test_the_beginning_of_an_id_finds_the_task(
    client: Client, audit_database: AuditDatabase
) -> None:
    first, second = UUID(int=0xABCD1 << 108), UUID(int=0xABCD2 << 108)
    async with audit_database.connection() as owner:
        await owner.executemany(
            "insert into smartops.tasks (tenant, task, status, intent, environment, requester,"
            " source, tags, submitted_at, updated_at, last_position)"
            " values ('acme', $1, 'running', 'i', 'production', 'r', 'api', '{}', now(), now(), 1)",
            [(first,), (second,)],
        )
    assert await client.reader.find_task("abcd1") == first
    with pytest.raises(Ambiguous, match="fits several tasks"):
        await client.reader.find_task("abcd")
    with pytest.raises(NotFound, match="no task begins"):
        await client.reader.find_task("ffff")


async def test_the_event_id_of_an_answer_is_computable(client: Client) -> None:
    done = await client.submit(INTENT)
    assert done.event is not None
    assert done.event.id == event_id(done.key, stream("acme", "task", done.task), 0)


async def test_a_bus_that_is_away_is_unreachable(home: Path) -> None:
    written = json.loads((home / "profile.json").read_text())
    (home / "profile.json").write_text(json.dumps({**written, "nats_url": "nats://127.0.0.1:1"}))
    with pytest.raises(Unreachable, match="smartops up"):
        await Client.connect(Profile.load(home))


async def test_a_database_that_is_away_is_unreachable(home: Path, services: Services) -> None:
    written = json.loads((home / "profile.json").read_text())
    dsn = "postgresql://smartops_reader:hidden@127.0.0.1:1/x"
    (home / "profile.json").write_text(json.dumps({**written, "reader_dsn": dsn}))
    async with await Client.connect(Profile.load(home)) as client:
        with pytest.raises(Unreachable) as raised:
            await client.events(uuid4())
    assert "hidden" not in str(raised.value)


@pytest.fixture
def command(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Awaitable[tuple[int, str, str]]]:
    """Runs a command line beside the stand-in services."""

    def run(arguments: list[str]) -> int:
        try:
            main(["--home", str(home), *arguments])
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    async def running(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(run, list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return running


Command = Callable[..., Awaitable[tuple[int, str, str]]]


async def test_submit_prints_nothing_but_the_id(command: Command, services: Services) -> None:
    code, out, err = await command("submit", INTENT.intent, "--id", "cli")
    assert code == 0
    assert UUID(out.strip()) == task_id(command_key("acme", OPERATOR, "intent.submit", "cli"))
    assert "Follow it:" in err


async def test_a_refused_command_exits_with_three(command: Command, services: Services) -> None:
    services.reaction = refused
    code, out, err = await command("submit", INTENT.intent, "--json")
    assert code == 3
    assert json.loads(out)["error"]["field"] == "environment"
    assert err.startswith("refused (malformed): environment: no fleet there")


async def test_empty_lists_say_what_to_do(command: Command, services: Services) -> None:
    assert "smartops --home" in (await command("tasks"))[1]
    assert (await command("approvals"))[1] == "Nothing waits for a decision.\n"
    assert (await command("events"))[1] == "No events yet.\n"
    assert (await command("--json", "tasks"))[1] == "[]\n"


async def test_events_in_json_are_the_stored_bytes(command: Command, client: Client) -> None:
    done = await client.submit(INTENT)
    assert done.event is not None
    code, out, _ = await command("--json", "events", str(done.task))
    assert (code, out.encode()) == (0, done.event.raw + b"\n")


async def test_watching_until_a_deadline_exits_with_six(command: Command, client: Client) -> None:
    task = (await client.submit(INTENT)).task
    code, out, err = await command("watch", str(task), "--timeout", "0.3")
    assert code == 6
    assert "submitted" in out
    assert "the task goes on" in err


async def test_audit_verify_walks_the_whole_log(
    command: Command, client: Client, audit_database: AuditDatabase
) -> None:
    for _ in range(3):
        await client.submit(INTENT)
    code, out, _ = await command("audit", "verify", "--json")
    assert (code, json.loads(out)["events"]) == (0, 3)
    async with audit_database.connection() as owner:
        await owner.execute("alter table smartops_log.events disable trigger all")
        await owner.execute(
            "update smartops_log.events set state = state || ' ' where position = 2"
        )
    code, _, err = await command("audit", "verify")
    assert code == 1
    assert "breaks at position 2" in err
