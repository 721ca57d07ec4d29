"""The embedded servers: durable, private, restartable in place, and honest when they fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import nats
import nats.errors
import psutil  # type: ignore[import-untyped]
import pytest
import pytest_asyncio
from nats.aio.client import Client
from smartops.devstack import identity
from smartops.devstack.cluster import postgres_programs
from smartops.devstack.monitor import read_monitor
from smartops.devstack.ports import free_port
from smartops.devstack.procfs import processes_in
from smartops.devstack.secrets import Credentials
from smartops.devstack.servers import (
    DEFAULT_NATS_CONFIG,
    NatsServer,
    PostgresServer,
    ServerReloadError,
    ServerStartError,
    Way,
)

SHIM = Path(identity.__file__).with_name("_shim.py")
BUSY = "select count(*) from generate_series(1, 1000000000000)"

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")


@pytest.fixture(scope="module")
def closed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder only its owner can enter, with a name that wants quoting."""
    closed = tmp_path_factory.mktemp("closed") / 'it\'s a "home"'
    closed.mkdir(mode=0o700)
    return closed


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres(closed_home: Path) -> AsyncIterator[PostgresServer]:
    """A server that the tests of this module may harm; each finds it running."""
    async with PostgresServer(closed_home / "pg data") as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def nats_store(closed_home: Path, request: pytest.FixtureRequest) -> AsyncIterator[Path]:
    yield closed_home / request.node.name


async def query(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_a_commit_survives_sigkill_of_all_of_postgres_and_the_port_stays(
    postgres: PostgresServer,
) -> None:
    port, pid = postgres.port, postgres.pid
    await query(postgres.dsn(), "create table survivors as select 1 as n")
    await postgres.kill()
    assert not postgres.running
    assert processes_in(postgres.data_dir, "postgres") == set()
    await postgres.start()
    assert await query(postgres.dsn(), "select n from survivors") == 1
    assert postgres.port == port
    assert postgres.pid != pid


async def test_postgres_starts_again_over_a_backend_that_outlived_its_postmaster(
    postgres: PostgresServer,
) -> None:
    connection = await asyncpg.connect(postgres.dsn())
    busy = asyncio.create_task(connection.fetchval(BUSY))
    at_work = f"select count(*) from pg_stat_activity where query = '{BUSY}'"
    while not await query(postgres.dsn(), at_work):  # noqa: ASYNC110 - another process works
        await asyncio.sleep(0.01)
    os.kill(postgres.pid, signal.SIGKILL)
    assert await postgres.wait() == -signal.SIGKILL
    await postgres.start()
    assert await query(postgres.dsn(), "select 2") == 2
    with pytest.raises((asyncpg.PostgresError, OSError, asyncpg.InterfaceError)):
        await busy
    connection.terminate()


async def test_postgres_stops_cleanly_with_clients_connected(postgres: PostgresServer) -> None:
    connection = await asyncpg.connect(postgres.dsn())
    await postgres.stop()
    assert postgres.returncode == 0
    connection.terminate()
    await postgres.restart()
    assert await query(postgres.dsn(), "show data_checksums") == "on"


async def test_postgres_wants_a_password_and_listens_on_loopback_alone(
    postgres: PostgresServer,
) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.dsn("postgres", "wrong"))
    listening = [
        c.laddr
        for c in psutil.Process(postgres.pid).net_connections("inet")
        if c.status == psutil.CONN_LISTEN
    ]
    assert [tuple(address) for address in listening] == [("127.0.0.1", postgres.port)]
    assert psutil.Process(postgres.pid).net_connections("unix") == []


async def test_postgres_is_durable_and_sorts_the_same_everywhere(postgres: PostgresServer) -> None:
    settings = {
        name: await query(postgres.dsn(), f"show {name}")
        for name in ("fsync", "synchronous_commit", "full_page_writes", "jit", "server_encoding")
    }
    assert settings == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "jit": "off",
        "server_encoding": "UTF8",
    }
    locale = (
        "select datlocprovider::text || ' ' || datlocale from pg_database where datname='smartops'"
    )
    assert await query(postgres.dsn(), locale) == "b C.UTF-8"


async def test_a_second_postgres_over_the_same_directory_is_refused(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smartops.devstack.server.ORPHAN_PATIENCE", timedelta(milliseconds=200))
    with pytest.raises(ServerStartError, match="in use by another running server"):
        await PostgresServer(postgres.data_dir).start()
    assert await query(postgres.dsn(), "select 3") == 3


async def test_a_stale_pid_file_that_names_a_living_stranger_does_not_matter(
    postgres: PostgresServer,
) -> None:
    await postgres.kill()
    pid_file = postgres.data_dir / "postmaster.pid"
    lines = pid_file.read_text().splitlines(keepends=True)
    pid_file.write_text("".join([f"{os.getppid()}\n", *lines[1:]]))
    await postgres.start()


async def test_a_postgres_that_cannot_start_quotes_its_log_and_leaves_nothing(
    postgres: PostgresServer,
) -> None:
    await postgres.stop()
    broken = PostgresServer(postgres.data_dir, settings={"shared_buffers": "many"})
    with pytest.raises(ServerStartError, match='invalid value for parameter "shared_buffers"'):
        await broken.start()
    assert not broken.running
    misnamed = PostgresServer(postgres.data_dir, superuser_password="wrong")
    with pytest.raises(ServerStartError, match="Give the password with which"):
        await misnamed.start()
    assert not misnamed.running
    await postgres.start()


async def test_a_given_port_that_is_taken_is_named_and_a_chosen_one_is_chosen_again(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await postgres.stop()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        with pytest.raises(ServerStartError, match="Free its port"):
            await PostgresServer(postgres.data_dir, port=port).start()
        offers = iter([port, port, 0])
        monkeypatch.setattr(
            "smartops.devstack.postgres.free_port", lambda: next(offers) or free_port()
        )
        async with PostgresServer(postgres.data_dir) as lucky:
            assert lucky.port != port
    await postgres.start()


async def test_an_interrupted_first_start_is_taken_up_again(closed_home: Path) -> None:
    data = closed_home / "interrupted"
    starting = asyncio.create_task(PostgresServer(data).start())
    begun = closed_home / "interrupted.new" / "global"
    while not begun.exists():  # noqa: ASYNC110 - another program makes it
        await asyncio.sleep(0.005)
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting
    assert not data.exists()
    (closed_home / "interrupted.new").mkdir()
    (closed_home / "interrupted.new" / "half").touch()
    async with PostgresServer(data, superuser_password="chosen: p@ss/word") as server:
        assert await query(server.dsn(), "select 4") == 4
        assert not (closed_home / "interrupted.new").exists()
        assert not (closed_home / "interrupted.password").exists()


@only_root
async def test_root_without_user_namespaces_becomes_another_user_and_back(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert postgres.way is Way.USER_NAMESPACE
    await query(postgres.dsn(), "create table carried as select 5 as n")
    await postgres.stop()
    with monkeypatch.context() as patched:
        patched.setattr(identity, "_known", {})
        patched.setattr(identity, "_works", never_works)
        async with PostgresServer(postgres.data_dir) as other:
            assert other.way is Way.OTHER_USER
            assert psutil.Process(other.pid).uids().real == 65534
            assert await query(other.dsn(), "select n from carried") == 5
            await other.kill()
            await other.start()
    await postgres.start()
    assert postgres.way is Way.USER_NAMESPACE
    assert postgres.data_dir.stat().st_uid == 0
    assert await query(postgres.dsn(), "select n from carried") == 5


@only_root
async def test_root_runs_postgres_in_a_folder_that_someone_else_keeps_closed() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, 31415, 31415)
        async with PostgresServer(Path(home) / "data") as server:
            assert server.way is Way.OTHER_USER
            assert await query(server.dsn(), "select 6") == 6


async def never_works(*_: object) -> bool:
    return False


AS_SOMEONE = """
import asyncio, sys
from pathlib import Path
from smartops.devstack.servers import NatsServer, PostgresServer

async def main() -> None:
    home = Path(sys.argv[1])
    async with PostgresServer(home / "data") as postgres, NatsServer(home / "store"):
        await postgres.kill()
        await postgres.start()
        print(postgres.way)

asyncio.run(main())
"""


@only_root
@pytest.mark.parametrize(
    ("user", "way"), [("nobody", Way.DIRECT), ("without a name", Way.USER_NAMESPACE)]
)
async def test_the_servers_run_for_a_user_who_is_not_root(user: str, way: Way) -> None:
    closed = [d for d in postgres_programs().parents if not d.stat().st_mode & stat.S_IXOTH]
    if way is Way.USER_NAMESPACE and closed:
        pytest.skip(f"no other user may enter {closed[0]}")
    uid = 65534 if user == "nobody" else 31415
    # The test's interpreter may lie where only root can go: this user may walk there, no more.
    launcher = [sys.executable, "-I", "-S", str(SHIM), "--parent", str(os.getpid())]
    # Not in pytest's own folder: no other user could enter it.
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, uid, uid)
        ran = await asyncio.create_subprocess_exec(
            *(*launcher, "--death-signal", "9", "--become", f"{uid}:{uid}", "--"),
            *(sys.executable, "-c", AS_SOMEONE, home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"]},
        )
        said, _ = await ran.communicate()
    assert (ran.returncode, said.decode().strip()) == (0, way.value)


async def test_an_acknowledged_message_survives_sigkill_of_nats_and_the_ports_stay(
    nats_store: Path,
) -> None:
    async with NatsServer(nats_store) as server:
        url, monitor_url = server.url, server.monitor_url
        client = await nats.connect(url)
        stream = client.jetstream()
        await stream.add_stream(name="S", subjects=["s"])
        await stream.publish("s", b"kept")
        await client.close()
        await server.kill()
        await server.restart()
        assert (server.url, server.monitor_url) == (url, monitor_url)
        client = await nats.connect(url)
        message = await client.jetstream().get_msg("S", 1)
        await client.close()
        assert message.data == b"kept"


async def test_nats_flushes_each_message_by_default(nats_store: Path) -> None:
    async with NatsServer(nats_store) as server:
        page = await read_monitor(int(server.monitor_url.rpartition(":")[2]), "/jsz?config=1")
        assert page["config"]["sync_always"] is True
        assert Path(page["config"]["store_dir"]) == nats_store / "jetstream"


async def test_a_second_nats_over_the_same_store_is_refused(
    nats_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smartops.devstack.server.ORPHAN_PATIENCE", timedelta(milliseconds=200))
    async with NatsServer(nats_store):
        with pytest.raises(ServerStartError, match="in use by another running server"):
            await NatsServer(nats_store).start()


async def test_a_reload_lets_a_new_user_in_without_cutting_off_the_old(nats_store: Path) -> None:
    users = Credentials(nats_store.parent).nats_users(["planner", "runner"])
    users_of = "{}authorization {{ users: [ {} ] }}\n".format
    keys = [f"{{ nkey: {user.public_key} }}" for user in users.values()]
    server = NatsServer(nats_store, config_text=users_of(DEFAULT_NATS_CONFIG, keys[0]))
    async with server:
        planner = await nats.connect(server.url, nkeys_seed=str(users["planner"].seed_path))
        with pytest.raises(nats.errors.Error, match="Authorization"):
            await connect_quietly(server.url, users["runner"].seed_path)
        await server.reload(users_of(DEFAULT_NATS_CONFIG, ", ".join(keys)))
        runner = await connect_quietly(server.url, users["runner"].seed_path)
        await planner.flush()
        assert planner.stats["reconnects"] == 0
        await runner.close()
        await planner.close()


async def connect_quietly(url: str, seed: Path) -> Client:
    async def ignore(_: Exception) -> None:
        """The error reaches the caller as well."""

    client = Client()
    try:
        await client.connect(url, nkeys_seed=str(seed), error_cb=ignore, allow_reconnect=False)
    except nats.errors.Error:
        await client.close()
        raise
    return client


async def test_a_refused_reload_leaves_the_old_configuration_in_force_and_on_disk(
    nats_store: Path,
) -> None:
    async with NatsServer(nats_store) as server:
        before = server.config_path.read_text()
        with pytest.raises(ServerReloadError, match="Parse error"):
            await server.reload("jetstream {")
        with pytest.raises(ServerReloadError, match="not supported"):
            await server.reload(DEFAULT_NATS_CONFIG.replace("smartops-dev", "renamed"))
        assert server.config_path.read_text() == before
        await server.kill()
        await server.start()


async def test_a_nats_that_cannot_start_quotes_its_log(nats_store: Path) -> None:
    broken = NatsServer(nats_store, config_text="no_such_field: 1\n" + DEFAULT_NATS_CONFIG)
    with pytest.raises(ServerStartError, match="no_such_field"):
        await broken.start()
    assert not broken.running


async def test_a_nats_without_monitor_is_ready_when_it_greets(nats_store: Path) -> None:
    async with NatsServer(nats_store, config_text='listen: "127.0.0.1:${PORT}"') as server:
        client = await nats.connect(server.url)
        await client.close()


def test_credentials_are_made_once_and_private(tmp_path: Path) -> None:
    first, second = Credentials(tmp_path), Credentials(tmp_path)
    users = first.nats_users(["planner", "policy"])
    assert list(users) == ["planner", "policy"]
    assert second.nats_users(["policy"])["policy"] == users["policy"]
    passwords = first.passwords(["smartops_planner", "smartops_policy"])
    added = second.passwords(["smartops_policy", "smartops_audit"])
    assert added["smartops_policy"] == passwords["smartops_policy"]
    assert len({*passwords.values(), *added.values()}) == 3
    assert {p.name: p.stat().st_mode & 0o777 for p in first.directory.iterdir()} == {
        "planner.nk": 0o600,
        "policy.nk": 0o600,
        "postgres.json": 0o600,
    }
    assert first.directory.stat().st_mode & 0o777 == 0o700
    assert json.loads((first.directory / "postgres.json").read_text()) == passwords | added


def test_a_damaged_credential_is_named_and_not_replaced(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path)
    seed = credentials.nats_users(["planner"])["planner"].seed_path
    seed.write_text("garbage")
    with pytest.raises(Exception, match=r"planner\.nk"):
        credentials.nats_users(["planner"])
    assert seed.read_text() == "garbage"
    (credentials.directory / "postgres.json").write_text("[]")
    with pytest.raises(Exception, match=r"postgres\.json"):
        credentials.passwords(["smartops_planner"])
