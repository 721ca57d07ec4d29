"""Every tool of the control API against the playground as a real process: answers and faults."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from smartops.contracts.wire import Category, JsonObject
from smartops.playground.process import running_playground
from smartops.tool_gateway.adapters.backups import BackupDriver
from smartops.tool_gateway.adapters.clusters import ClusterDriver
from smartops.tool_gateway.adapters.config import ConfigDriver
from smartops.tool_gateway.adapters.egress import Egress
from smartops.tool_gateway.adapters.fleet import FleetDriver
from smartops.tool_gateway.adapters.json_api import JsonApi
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown
from smartops.tool_gateway.tools import Drivers, Tool, control_tools

SERVER, KEY, CLUSTER = "web-01", "search.page-size", "orders-db"

ARGUMENTS: dict[str, JsonObject] = {
    "query_assets": {"environment": "production", "ids": [SERVER]},
    "get_asset": {"asset": SERVER},
    "get_golden_image": {"role": "web-server"},
    "probe_http": {"targets": [SERVER]},
    "query_error_rate": {"targets": [SERVER]},
    "apply_patch": {"asset": SERVER, "version": "2.4.1"},
    "drain_server": {"asset": SERVER},
    "undrain_server": {"asset": SERVER},
    "restart_server": {"asset": SERVER, "reason": "it hangs"},
    "get_config_value": {"asset": KEY},
    "set_config_value": {"asset": KEY, "value": "50", "expected_revision": 1},
    "restore_config_value": {"asset": KEY, "value": "20", "expected_revision": 1},
    "get_cluster": {"asset": CLUSTER},
    "simulate_failover": {"asset": CLUSTER, "primary": "orders-db-2"},
    "execute_failover": {"asset": CLUSTER, "primary": "orders-db-2", "reason_code": "drill"},
    "get_backup": {"asset": SERVER, "label": "there"},
    "run_backup": {"asset": SERVER, "label": "new"},
    "delete_backup": {"asset": SERVER, "label": "there"},
}
OPERATIONS = {
    "apply_patch": "set_version",
    "drain_server": "drain",
    "undrain_server": "undrain",
    "restart_server": "restart",
    "set_config_value": "set_config",
    "restore_config_value": "restore_config",
    "execute_failover": "fail_over",
    "run_backup": "run_backup",
    "delete_backup": "delete_backup",
}


class Bench:
    """The tools, and the playground behind them."""

    def __init__(self, tools: tuple[Tool, ...], http: httpx2.AsyncClient) -> None:
        self.tools = {tool.descriptor.name: tool for tool in tools}
        self.http = http

    async def call(
        self, name: str, *, key: UUID | None = None, seconds: float = 5.0, **changes: Any
    ) -> Answer | NotApplied | Unknown:
        tool = self.tools[name]
        arguments = {**ARGUMENTS[name], **changes}
        tool.arguments.model_validate(arguments)
        target = str(arguments.get("asset", "production"))
        limit = timedelta(seconds=seconds)
        return await tool.driver.call(Outbound(name, target, arguments, key or uuid4(), {}, limit))

    async def spoil(self, mode: str, operation: str, **more: object) -> None:
        fault = {"mode": mode, "operation": operation, **more}
        (await self.http.post("/admin/faults", json=fault)).raise_for_status()

    async def state(self) -> Any:
        whole = (await self.http.get("/admin/fleet")).json()
        return {name: whole[name] for name in ("servers", "settings", "clusters", "backups")}


@pytest.fixture(scope="module")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    folder: Path = tmp_path_factory.mktemp("playground")
    options = ("--servers", "2", "--backup-ms", "150")
    async with running_playground(folder / "record", folder / "state", *options) as child:
        yield child.url


@pytest.fixture
async def bench(process: str) -> AsyncIterator[Bench]:
    hosts = ("127.0.0.1",)
    api = JsonApi(Egress([process]).client(process, {}, hosts=hosts), 100_000)
    drivers = Drivers(FleetDriver(api), ConfigDriver(api), ClusterDriver(api), BackupDriver(api))
    async with httpx2.AsyncClient(base_url=process) as http:
        (await http.post("/admin/reset")).raise_for_status()
        (
            await http.post(f"/v1/servers/{SERVER}/backups", json={"label": "there"})
        ).raise_for_status()
        yield Bench(control_tools(drivers, hosts), http)
        await http.delete("/admin/faults")
    await api.close()


def test_every_tool_is_tried() -> None:
    tools = control_tools(Drivers(*[FleetDriver(None)] * 4))  # type: ignore[arg-type]
    assert {tool.descriptor.name for tool in tools} == set(ARGUMENTS)
    writes = {t.descriptor.name for t in tools if t.descriptor.category is not Category.READ}
    assert writes == set(OPERATIONS)


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
async def test_an_answer_has_the_shape_that_its_tool_declares(bench: Bench, name: str) -> None:
    answer = await bench.call(name)
    assert isinstance(answer, Answer), answer
    tool = bench.tools[name]
    output = tool.output.model_validate(answer.output).model_dump(mode="json")
    assert set(output) == set(tool.descriptor.output_schema["properties"])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
async def test_a_dropped_answer_is_unknown_though_the_write_was_applied(
    bench: Bench, name: str
) -> None:
    before = await bench.state()
    if name in ("restore_config_value", "undrain_server"):  # Of what is there to be taken back.
        await bench.call({"restore_config_value": "set_config_value"}.get(name, "drain_server"))
    await bench.spoil("apply_then_drop", OPERATIONS[name], times=1)
    assert isinstance(await bench.call(name), Unknown)
    last = [line for line in await _record(bench) if "applied" in line][-1]
    assert last["operation"] == OPERATIONS[name]
    assert name in ("restore_config_value", "undrain_server") or await bench.state() != before


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@pytest.mark.parametrize(("mode", "more"), [("fail_next", {"value": 1}), ("refuse", {"times": 1})])
async def test_an_answer_that_says_nothing_is_unknown(
    bench: Bench, name: str, mode: str, more: dict[str, Any]
) -> None:
    await bench.spoil(mode, OPERATIONS[name], **more)
    assert isinstance(await bench.call(name), Unknown)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
async def test_no_answer_in_time_is_unknown(bench: Bench, name: str) -> None:
    await bench.spoil("hang", OPERATIONS[name], times=1)
    assert isinstance(await bench.call(name, seconds=0.1), Unknown)


@pytest.mark.parametrize("name", sorted(n for n in ARGUMENTS if "asset" in ARGUMENTS[n]))
async def test_what_does_not_exist_was_not_changed(bench: Bench, name: str) -> None:
    answer = await bench.call(name, asset="nothing-of-this-name")
    assert isinstance(answer, NotApplied)
    assert (answer.code, answer.retryable) == ("not_found", False)


async def test_a_repeat_under_the_same_key_changes_nothing_more(bench: Bench) -> None:
    key = uuid4()
    for name in ("apply_patch", "drain_server", "execute_failover", "run_backup"):
        first = await bench.call(name, key=key if name == "apply_patch" else uuid4())
        assert isinstance(first, Answer)
    for name in ("execute_failover", "run_backup"):
        again = uuid4()
        label = {"label": f"again-{name.replace('_', '-')}"} if name == "run_backup" else {}
        one = await bench.call(name, key=again, **label)
        two = await bench.call(name, key=again, **label)
        assert one == two
    assert (await bench.call("apply_patch", key=key)) == Answer(
        {"id": SERVER, "previous_version": "2.4.0", "version": "2.4.1"}
    )
    [server] = [one for one in (await bench.state())["servers"] if one["id"] == SERVER]
    assert server["patches"] == 1


async def test_a_setting_that_changed_meanwhile_is_called_that(bench: Bench) -> None:
    await bench.call("set_config_value")
    late = await bench.call("set_config_value", value="60")
    assert isinstance(late, NotApplied)
    assert late.code == "precondition_failed"


async def test_draining_and_undraining_put_a_server_where_it_was(bench: Bench) -> None:
    for name, wanted in (("drain_server", False), ("undrain_server", True)):
        answer = await bench.call(name, draining=wanted)
        assert answer == Answer({"id": SERVER, "draining": wanted})


async def _record(bench: Bench) -> list[dict[str, Any]]:
    text = (await bench.http.get("/admin/record")).text
    return [json.loads(line) for line in text.splitlines()]
