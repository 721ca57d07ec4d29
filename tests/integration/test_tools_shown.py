"""Registered tools as people look at them: from the log through the read model to the terminal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from smartops.audit.adapters.log import last_position
from smartops.audit.checking import check
from smartops.contracts.envelope import EventMeta, encode
from smartops.contracts.events import ToolRegistered, ToolRegisteredV1
from smartops.contracts.tools import ToolDescriptor, ToolDescriptorV1
from smartops.contracts.wire import EventData
from smartops.eventstore import NewEvent, Trigger, Unit, Write
from smartops.sdk import Profile
from smartops.sdk.cli.main import main
from smartops.sdk.reader import Reader
from support.audit import AuditDatabase
from support.registered import REGISTERED
from support.store import PASSWORD

pytest_plugins = ["support.audit_fixtures"]

PATCH, FAILOVER, LOOK = (
    REGISTERED[name] for name in ("apply_patch", "execute_failover", "get_asset")
)
OLD = ToolDescriptorV1(**PATCH.model_dump(include=set(ToolDescriptorV1.model_fields)))
OLD_DIGEST = ToolDescriptor(**OLD.model_dump()).digest()
Command = Callable[..., Awaitable[tuple[int, str, str]]]


async def register(database: AuditDatabase, *events: EventData) -> None:
    """Say it as the gateway does, each tool in its own stream."""
    versions: dict[str, int] = {}
    async with database.store("smartops_tool_gateway") as store:
        for data in events:
            name = f"_platform/tool-{data.descriptor.name}"  # type: ignore[attr-defined]
            version = versions[name] = versions.get(name, 0) + 1
            meta = EventMeta(
                id=uuid4(),
                tenant="_platform",
                stream=name,
                version=version,
                entity=name,
                task=None,
                cause=uuid4(),
                party="-",
                time=datetime.now(UTC),
            )
            event = NewEvent(
                meta.id, data.type_key(), None, meta.cause, "-", encode(meta, data), None
            )
            trigger = Trigger("test", meta.cause)
            await store.append(Unit([trigger], [Write(name, version - 1, [event])]))


def now(tool: ToolDescriptor) -> ToolRegistered:
    return ToolRegistered(descriptor=tool, digest=tool.digest())


@pytest.fixture
def home(tmp_path: Path, audit_database: AuditDatabase) -> Path:
    dsn = audit_database.server.dsn("smartops_reader", PASSWORD, audit_database.name)
    profile = {
        "nats_url": "nats://127.0.0.1:1",
        "reader_dsn": dsn,
        "tenant": "acme",
        "prefix": "smartops",
        "principals": {},
    }
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    return tmp_path


@pytest.fixture
def command(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(arguments: list[str]) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["--home", str(home), *arguments])
        return int(ended.value.code or 0)

    async def running(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(run, list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return running


@pytest.fixture
async def told(audit_database: AuditDatabase) -> AuditDatabase:
    """A tool that changed with an upgrade, and two that never did."""
    old = ToolRegisteredV1(descriptor=OLD, digest=OLD_DIGEST)
    await register(audit_database, old, now(PATCH), now(FAILOVER), now(LOOK))
    await audit_database.project()
    return audit_database


async def test_a_tool_keeps_every_form_that_it_had(told: AuditDatabase, home: Path) -> None:
    async with Reader(Profile.load(home)) as reader:
        newest, oldest = await reader.tool("apply_patch")
        assert (newest["current"], oldest["current"]) == (True, False)
        assert (newest["digest"], oldest["digest"]) == (PATCH.digest(), OLD_DIGEST)
        assert newest["digest"] != oldest["digest"]
        assert newest["descriptor"] == PATCH.model_dump(mode="json")
        assert oldest["descriptor"]["blast_radius"] is None
        listed = await reader.tools()
        assert [row["name"] for row in listed] == ["apply_patch", "execute_failover", "get_asset"]
        assert await reader.tool("no_such_tool") == []
    async with told.audit() as conn:
        assert (await check(conn)).ok, "a rebuild gives the same rows"
        assert await last_position(conn) == 4


async def test_tools_are_the_platform_s_and_one_asks_for_them_as_such(
    told: AuditDatabase, home: Path
) -> None:
    async with told.reader("_platform") as conn:
        found = await conn.fetch("select tenant from smartops.v_tools where current")
        assert [row["tenant"] for row in found] == ["_platform"] * 3
    async with told.reader("acme") as conn:
        assert await conn.fetch("select * from smartops.v_tools") == []
    async with told.reader(None) as conn:
        with pytest.raises(asyncpg.UndefinedObjectError, match=r"smartops\.tenant"):
            await conn.fetch("select * from smartops.v_tools")
    async with Reader(Profile.load(home)) as reader:
        assert len(await reader.tools()) == 3
        [setting] = await reader.rows("select current_setting('smartops.tenant') as tenant")
        assert setting["tenant"] == "acme", "what is asked next is about one's own tenant again"


# ---- on the command line -----------------------------------------------------------------------


@pytest.mark.usefixtures("told")
async def test_the_list_tells_what_there_is(command: Command) -> None:
    code, out, _ = await command("tools", "list")
    assert code == 0
    head, _, *rows = out.splitlines()
    assert head.split() == ["tool", "version", "risk", "category", "what"]
    assert [row.split()[0] for row in rows] == ["apply_patch", "execute_failover", "get_asset"]
    assert "state_change_prod" in rows[0]
    code, out, _ = await command("--json", "tools", "list")
    assert [row["digest"] for row in json.loads(out)] == [
        *(PATCH.digest(), FAILOVER.digest(), LOOK.digest()),
    ]


@pytest.mark.usefixtures("told")
async def test_a_tool_is_shown_with_its_promises_and_its_past(command: Command) -> None:
    code, out, _ = await command("tools", "show", "apply_patch")
    assert code == 0
    for text in (PATCH.digest(), OLD_DIGEST, "at most 1 asset", "with the same key", "127.0.0.1"):
        assert text in out
    code, out, _ = await command("tools", "show", "execute_failover")
    for text in ("simulate_failover", "maintenance", "10 calls in 1 h", "1 call", "primary"):
        assert text in out
    assert "Before " not in out, "it never was anything else"
    code, out, _ = await command("tools", "show", "get_asset")
    assert "Taken back by" not in out


@pytest.mark.usefixtures("told")
async def test_a_tool_is_shown_for_programs(command: Command) -> None:
    _, out, _ = await command("tools", "show", "execute_failover", "--schema")
    shown = json.loads(out)
    assert shown == {"input": FAILOVER.input_schema, "output": FAILOVER.output_schema}
    _, out, _ = await command("--json", "tools", "show", "apply_patch")
    shown = json.loads(out)
    assert ToolDescriptor.model_validate(shown["descriptor"]) == PATCH
    assert [one["digest"] for one in shown["history"]] == [OLD_DIGEST]


@pytest.mark.usefixtures("told")
async def test_a_name_that_is_nearly_right_is_suggested(command: Command) -> None:
    code, out, err = await command("tools", "show", "aply_patch")
    assert (code, out) == (1, "")
    assert "Did you mean apply_patch?" in err
    assert "tools list" in err
    code, out, _ = await command("--json", "tools", "show", "x")
    assert json.loads(out)["error"]["code"] == "not_found"


async def test_before_the_gateway_has_started_there_is_nothing_to_list(command: Command) -> None:
    code, out, _ = await command("tools", "list")
    assert code == 0
    assert "No tools are registered" in out
    code, out, _ = await command("--json", "tools", "list")
    assert json.loads(out) == []
