"""Backups and points: a database without services around it, restored by the tool's own way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from smartops.audit.adapters.anchor_files import AnchorLog
from smartops.audit.adapters.connecting import connect
from smartops.audit.adapters.log import read_after
from smartops.audit.adapters.tables import Tables
from smartops.audit.anchors import read_anchors, read_rewinds
from smartops.audit.projector import Projector
from smartops.audit.schema import READ_MODELS
from smartops.audit.verify import verify_all
from smartops.devstack.archive import Archive
from smartops.devstack.backup import back_up, mark
from smartops.devstack.errors import BackupError
from smartops.devstack.manifest import check_copy
from smartops.devstack.restore import restore
from smartops.devstack.secrets import Credentials
from smartops.devstack.servers import PostgresServer
from smartops.eventstore import EVENTSTORE, LOGIN_ROLES, EventStore, migrate, set_role_passwords
from smartops.redact import Finder
from smartops.sdk.anchors import read_anchors as read_anchored_heads
from smartops.vault import Keeper, Opener, Vault, new_key
from support.audit_histories import SERVICES, Story, ops_task, populate


@dataclass
class Installed:
    """A home with nothing but its database running."""

    home: Path
    server: PostgresServer
    passwords: dict[str, str]

    async def tell(self, *stories: Story) -> int:
        """Append stories, project them, anchor the heads; returns the last position."""
        async with AsyncExitStack() as leaving:
            stores = {}
            for name in SERVICES:
                role = f"smartops_{name}"
                store = await EventStore.connect(self.server.dsn(role, self.passwords[role]))
                leaving.push_async_callback(store.close, timedelta(seconds=1))
                stores[name] = store
            await populate(stores, stories)
        audit = await connect(self.server.dsn("smartops_audit", self.passwords["smartops_audit"]))
        try:
            projector = await Projector.open(Tables(audit))
            while rows := await read_after(audit, projector.place, 2000):
                await projector.project(rows)
            anchors = AnchorLog(self.home / "anchors")
            await asyncio.to_thread(anchors.open)
            await asyncio.to_thread(anchors.append, projector.heads.ends)
        finally:
            await audit.close()
        return projector.place.position

    async def problems(self) -> Sequence[str]:
        """What a full check finds."""
        conn = await asyncpg.connect(self.server.dsn())
        try:
            reports = await verify_all(conn, None, self.home / "anchors")
        finally:
            await conn.close()
        return [problem for report in reports for problem in report.problems]


@asynccontextmanager
async def installed(home: Path) -> AsyncIterator[Installed]:
    passwords = Credentials(home).passwords(LOGIN_ROLES)
    settings = Archive(home).server_settings()
    async with PostgresServer(home / "postgres", settings=settings) as server:
        await migrate(server.dsn(), [EVENTSTORE, READ_MODELS])
        conn = await asyncpg.connect(server.dsn())
        await set_role_passwords(conn, passwords)
        await conn.close()
        profile = {"reader_dsn": server.dsn("smartops_reader", passwords["smartops_reader"])}
        (home / "profile.json").write_text(json.dumps(profile))
        yield Installed(home, server, passwords)


async def test_a_named_point_comes_back_whole_and_what_came_after_is_told(tmp_path: Path) -> None:
    home = tmp_path / "house"
    async with installed(home) as one:
        with pytest.raises(BackupError, match="no backup"):
            await mark(home, "too early")
        first = await one.tell(ops_task("acme", "first"))
        base = await back_up(home)
        assert base.position == first
        kept = await one.tell(ops_task("acme", "kept"), ops_task("globex", "too"))
        point = await mark(home, "here")
        with pytest.raises(BackupError, match="called 'here' already"):
            await mark(home, "here")
        gone = Story("acme", "gone").submitted().planned().asked().approved().started()
        last = await one.tell(gone.dispatched(1), ops_task("acme", "gone-too"))
    (home / "nats").mkdir()
    (home / "nats" / "stream").write_text("of events that will not exist")

    told = await restore(home, "here", "olga")
    assert (told.position, point.position, told.discarded.last) == (kept, kept, last)
    assert len(told.discarded.tasks) == 2
    assert [(call.target, call.outcome) for call in told.discarded.calls] == [
        (gone.target, "unknown")
    ]
    assert (told.anchors["anchors_kept"], told.anchors["anchors_void"]) == (3, 1)
    replaced = Path(told.kept_in)
    assert not (home / "nats").exists()
    assert (replaced / "nats" / "stream").exists()
    assert json.loads((replaced / "restored.json").read_text())["position"] == kept

    [rewind] = read_rewinds(home / "anchors")
    assert (rewind.rewound_to, rewind.anchored_to, rewind.by) == (kept, last, "olga")
    assert max(read_anchored_heads(home / "anchors", "acme")) <= kept
    async with installed(home) as one:
        assert await one.problems() == []
        # Positions are given again, and anchored again: another past, and no contradiction.
        again = await one.tell(ops_task("acme", "again"))
        assert kept < again <= last
        assert await one.problems() == []
        assert max(anchor.position for anchor in read_anchors(home / "anchors")) == again


async def test_a_position_is_the_commit_that_ends_there_and_the_end_is_a_point(
    tmp_path: Path,
) -> None:
    home = tmp_path / "house"
    async with installed(home) as one:
        await one.tell(ops_task("acme", "one"))
        first = await back_up(home)
        last = await one.tell(ops_task("acme", "two"))
        conn = await asyncpg.connect(one.server.dsn())
        commits = [
            row[0]
            for row in await conn.fetch(
                "select max(position) from smartops_log.events group by xmin order by 1"
            )
        ]
        await conn.close()
        with pytest.raises(BackupError, match="still run"):
            await restore(home, "latest", "olga")
        # Killed: the last segment was never handed over, and is taken from the old directory.
        await one.server.kill()
    for nonsense, why in (
        ("2026-03-01T12:00:00", "no time zone"),
        (str(first.position), "not after the first backup"),
    ):
        with pytest.raises(BackupError, match=why):
            await restore(home, nonsense, "olga")
    assert (await restore(home, "latest", "olga")).position == last
    between = next(end for end in commits if end > first.position and end + 1 not in commits)
    with pytest.raises(BackupError, match="committed together with"):
        await restore(home, str(between + 1), "olga")
    assert (await restore(home, str(between), "olga")).position == between
    async with installed(home) as one:
        assert await one.problems() == []


async def test_a_copy_that_was_damaged_is_found(tmp_path: Path) -> None:
    home = tmp_path / "house"
    async with installed(home):
        base = await back_up(home)
    copy = home / "backups" / base.name
    check_copy(copy)
    victim = max((copy / "base").rglob("*"), key=lambda path: path.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    with pytest.raises(BackupError, match="not what the server sent"):
        check_copy(copy)


async def test_what_was_erased_after_a_point_does_not_come_back_with_it(tmp_path: Path) -> None:
    home = tmp_path / "house"
    erased, kept = UUID(int=1), UUID(int=2)
    opener = Opener([new_key()])

    async def vault(one: Installed, closing: AsyncExitStack) -> tuple[Keeper, Vault]:
        role = "smartops_tool_gateway"
        store = await EventStore.connect(one.server.dsn(role, one.passwords[role]))
        closing.push_async_callback(store.close, timedelta(seconds=1))
        return Keeper(store, Finder(), b"t" * 32, opener.sealer), Vault(store, opener)

    async with installed(home) as one, AsyncExitStack() as closing:
        keeper, values = await vault(one, closing)
        found = keeper.take_out("acme", "ana@example.com").found
        for task in (erased, kept):
            await keeper.keep("acme", task, found)
        await one.tell(ops_task("acme", "first"))
        await back_up(home)
        await mark(home, "here")
        await one.tell(ops_task("acme", "later"))
        assert await values.erase("acme", token=None, task=erased) == 1

    told = await restore(home, "here", "olga")

    assert told.erased_again == 1
    async with installed(home) as one, AsyncExitStack() as closing:
        _, values = await vault(one, closing)
        assert await values.values("acme", erased, [found[0].token]) == {}
        [left] = (await values.values("acme", kept, [found[0].token])).values()
        assert left.value == "ana@example.com"
