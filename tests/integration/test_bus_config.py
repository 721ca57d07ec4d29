"""The rendered configuration: accepted by the server, in step with its example, safe by default."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

import pytest
from smartops.bus.__main__ import main
from smartops.bus.api import API, api_request
from smartops.bus.connection import close, connect
from smartops.bus.household import BadHousehold, Household
from smartops.bus.nkey import new_user_key, public_key_of
from smartops.bus.server_config import TlsFiles, fill_config, render_config
from smartops.bus.topology import build_topology
from smartops.bus.users import Account, BusUser
from smartops.contracts.catalogue import SERVICES
from smartops.devstack.nats import nats_program
from smartops.devstack.servers import NatsServer
from support.bus import eventually

pytest_plugins = ["support.bus_fixtures"]

INFRA = Path(__file__).parents[2] / "infra" / "nats"
EXAMPLE = INFRA / "users.example.json"
TOPOLOGY = build_topology()


def checked(text: str, folder: Path) -> str:
    """What `nats-server -t` says about a configuration."""
    path = folder / "nats.conf"
    filled = fill_config(text, port=4222, monitor_port=8222, store_dir=str(folder / 'a "b"'))
    assert "${" not in filled
    path.write_text(filled)
    run = subprocess.run(
        [nats_program(), "-t", "-c", path], capture_output=True, text=True, check=False, timeout=20
    )
    assert run.returncode == 0, run.stderr
    return run.stderr


def test_the_example_is_what_is_rendered_from_its_users(capsys: pytest.CaptureFixture[str]) -> None:
    tls = ["--tls-cert", "/etc/nats/tls/tls.crt", "--tls-key", "/etc/nats/tls/tls.key"]
    assert main(["config", str(EXAMPLE), "--host", "0.0.0.0", *tls]) == 0
    committed = (INFRA / "nats-server.example.conf").read_text()
    assert capsys.readouterr().out == committed


def test_the_server_accepts_the_example(tmp_path: Path) -> None:
    household = Household.read(EXAMPLE)
    pair = ["-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", "-subj", "/CN=nats", "-days", "1", *pair],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=60,
    )
    tls = TlsFiles(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    text = render_config(
        household.users(TOPOLOGY), TOPOLOGY, system_key=household.system, host="0.0.0.0", tls=tls
    )
    assert "is valid" in checked(text, tmp_path)


def test_without_users_and_tls_it_is_accepted_too(tmp_path: Path) -> None:
    assert "is valid" in checked(render_config([], TOPOLOGY), tmp_path)


def test_no_door_is_left_open() -> None:
    text = render_config(Household.read(EXAMPLE).users(TOPOLOGY), TOPOLOGY)
    assert "no_auth_user" not in text
    assert "password" not in text
    assert "sync_interval: always" in text
    assert 'http: "127.0.0.1:${MONITOR_PORT}"' in text
    assert "js_ack_fc_v2: false" in text
    for closed in ("leafnodes", "websocket", "mqtt", "gateway"):
        assert not re.search(rf"^\s*{closed}\b", text, re.MULTILINE)
    for subject in ('">"', '"$JS.>"', '"$JS.API.>"', '"$JS.ACK.>"', '"_INBOX.>"'):
        assert subject not in text


def test_two_users_may_share_neither_name_nor_key() -> None:
    one = BusUser("a", "U1", Account.SERVICES, ("x",), ("y",))
    with pytest.raises(ValueError, match="share one key"):
        render_config([one, BusUser("b", "U1", Account.SERVICES, (), ())], TOPOLOGY)
    with pytest.raises(ValueError, match="share one name"):
        render_config([one, BusUser("a", "U2", Account.SERVICES, (), ())], TOPOLOGY)


async def test_a_user_without_rights_has_none(tmp_path: Path) -> None:
    key = new_user_key()
    mute = BusUser("mute", key.public, Account.SERVICES, (), ())
    config = render_config([mute], TOPOLOGY)
    async with NatsServer(tmp_path / "store", config_text=config) as server:
        nc = await connect(server.url, name="mute", inbox_prefix="_INBOX_mute", seed=key.seed)
        await nc.publish("anything", b"")
        await eventually(lambda: "permissions violation" in str(nc.last_error))
        await close(nc)


def test_a_household_without_a_service_says_which(tmp_path: Path) -> None:
    household = Household.read(EXAMPLE)
    services = {name: key for name, key in household.services.items() if name != SERVICES[0]}
    with pytest.raises(BadHousehold, match=f"no key for {SERVICES[0]}"):
        household.model_copy(update={"services": services}).users(TOPOLOGY)


def test_a_broken_file_of_users_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "users.json"
    path.write_text('{"services": {}, "provisioner": "SUAB", "monitor": "x"}')
    assert main(["config", str(path)]) == 1
    assert "bad_household" in capsys.readouterr().err
    assert main(["config", str(tmp_path / "none.json")]) == 1
    assert "cannot read" in capsys.readouterr().err


def test_a_new_key_is_private_and_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "policy.seed"
    assert main(["new-key", str(path)]) == 0
    public = capsys.readouterr().out.strip()
    assert public_key_of(path.read_text()) == public
    assert path.stat().st_mode & 0o777 == 0o600
    assert main(["new-key", str(path)]) == 1
    assert "cannot create" in capsys.readouterr().err
    assert public_key_of(path.read_text()) == public


async def test_the_command_line_provisions(
    bus_server: NatsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ["provision", "--url", bus_server.url]
    for arguments in ([*ask, "--plan"], ask):
        assert await asyncio.to_thread(main, arguments) == 0
        assert "create    stream SMARTOPS\n" in capsys.readouterr().out
    assert await asyncio.to_thread(main, ask) == 0
    assert "unchanged stream SMARTOPS\n" in capsys.readouterr().out
    nc = await connect(bus_server.url, name="check", inbox_prefix="_INBOX_check")
    names = (await api_request(nc, f"{API}.STREAM.NAMES"))["streams"]
    assert names == ["SMARTOPS", "SMARTOPS_COMMANDS", "SMARTOPS_DLQ"]
    await close(nc)
