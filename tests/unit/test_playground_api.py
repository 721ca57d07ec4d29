"""The HTTP API in-process: strictness, tokens, idempotency and every switch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from smartops.playground import Fleet, FleetSpec, Playground, Record, Tokens, create_app
from smartops.playground.errors import ConnectionDropped, InvalidOption
from smartops.playground.settings import read_settings
from typing_extensions import override

VERSION = "/v1/servers/web-01/version"
RESTART = "/v1/servers/web-01/restart"


class AnnouncingRecord(Record):
    """Tells when a request has arrived; whatever holds it does so in the same step."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = asyncio.Event()

    @override
    def request(self, **facts: Any) -> int:
        self.arrived.set()
        return super().request(**facts)


@pytest.fixture
async def record() -> AnnouncingRecord:
    return AnnouncingRecord()


@pytest.fixture
async def app(record: AnnouncingRecord) -> AsyncIterator[Playground]:
    playground = create_app(Fleet(FleetSpec(servers=4)), record)
    yield playground
    playground.world.close()


@pytest.fixture
async def http(app: Playground) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(app) as opened:
        yield opened


def client(app: Any, **headers: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app)
    return httpx2.AsyncClient(transport=transport, base_url="http://fleet", headers=headers)


async def switch(http: httpx2.AsyncClient, mode: str, **fields: object) -> str:
    answer = await http.post("/admin/faults", json={"mode": mode, **fields})
    assert answer.status_code == 201, answer.text
    fault_id: str = answer.json()["id"]
    return fault_id


async def record_of(http: httpx2.AsyncClient, since: int = 0) -> list[dict[str, Any]]:
    answer = await http.get("/admin/record", params={"since": since})
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_the_inventory_filters_by_role_environment_and_ids(http: httpx2.AsyncClient) -> None:
    everything = (await http.get("/v1/servers")).json()["servers"]
    assert len(everything) == 4
    assert everything[0] == (await http.get("/v1/servers/web-01")).json()
    some = await http.get("/v1/servers?ids=web-03,web-01&role=web-server&environment=production")
    assert [server["id"] for server in some.json()["servers"]] == ["web-01", "web-03"]
    none = await http.get("/v1/servers", params={"environment": "staging"})
    assert none.json() == {"servers": []}


async def test_golden_is_asked_by_role_and_set_by_the_administrator(
    http: httpx2.AsyncClient,
) -> None:
    golden = "/v1/golden?role=web-server"
    assert (await http.get(golden)).json() == {"role": "web-server", "version": "2.4.1"}
    await http.put("/admin/golden", json={"role": "web-server", "version": "3.0.0"})
    assert (await http.get(golden)).json()["version"] == "3.0.0"
    assert (await http.get("/v1/golden?role=database")).status_code == 404


@pytest.mark.parametrize(
    ("line", "body", "status", "field"),
    [
        (f"PUT {VERSION}", b"{", 400, None),
        (f"PUT {VERSION}", b"[]", 400, None),
        (f"PUT {VERSION}", b"\xff", 400, None),
        (f"PUT {VERSION}", b"[" * 20_000, 400, None),
        (f"PUT {VERSION}", b'{"version": NaN}', 400, None),
        (f"PUT {VERSION}", b'{"version": "1.0.0", "version": "2.0.0"}', 400, "version"),
        (f"PUT {VERSION}", b"", 422, "version"),
        (f"PUT {VERSION}", b'{"version": 2}', 422, "version"),
        (f"PUT {VERSION}", b'{"version": "latest"}', 422, "version"),
        (f"PUT {VERSION}", b'{"version": "2.4.1\\n"}', 422, "version"),
        (f"PUT {VERSION}", b'{"version": "2.4.1", "force": true}', 422, "force"),
        (f"PUT {VERSION}", b" " * 70_000, 413, None),
        (f"PUT {VERSION}?force=1", b'{"version": "2.4.1"}', 400, "force"),
        (f"POST {RESTART}", b"{}", 422, "reason"),
        ("POST /v1/servers/web-01/drain", b'{"now": true}', 422, "now"),
        ("POST /v1/servers/web-99/drain", b"{}", 404, "server"),
        ("GET /v1/servers?ids=web-99", b"", 404, "ids"),
        ("GET /v1/servers?ids=", b"", 400, "ids"),
        ("GET /v1/servers?role=a&role=b", b"", 400, "role"),
        ("GET /v1/servers?colour=red", b"", 400, "colour"),
        ("DELETE /v1/servers/web-01", b"", 405, None),
        ("GET /v1/servers//version", b"", 404, None),
        ("GET /elsewhere", b"", 404, None),
        ("GET /admin/elsewhere", b"", 404, None),
        ("PUT /admin/reset", b"", 405, None),
        ("GET /admin/record?since=-1", b"", 400, "since"),
        pytest.param("GET /admin/record?since=" + "9" * 5000, b"", 400, "since", id="huge-since"),
        ("DELETE /admin/faults?id=fault-9", b"", 404, "id"),
        ("PUT /admin/golden", b'{"role": "dns", "version": "1.0.0"}', 422, "role"),
        ("POST /admin/faults", b'{"mode": "explode"}', 422, "mode"),
        ("POST /admin/faults", b'{"mode": "hang", "value": 1}', 422, "value"),
        ("POST /admin/faults", b'{"mode": "hang", "server": "web-99"}', 422, "server"),
        ("POST /admin/faults", b'{"mode": "hang", "times": true}', 422, "times"),
        ("POST /admin/faults", b'{"mode": "error_rate", "value": 2}', 422, "value"),
        ("POST /admin/faults", b'{"mode": "error_rate", "value": true}', 422, "value"),
        ("POST /admin/faults", b'{"mode": "fail_next", "value": 1.5}', 422, "value"),
        (
            "POST /admin/faults",
            b'{"mode": "unhealthy_now", "operation": "drain"}',
            422,
            "operation",
        ),
        (
            "POST /admin/faults",
            b'{"mode": "apply_then_drop", "operation": "health"}',
            422,
            "operation",
        ),
    ],
)
async def test_a_request_that_is_not_understood_gets_a_problem_naming_the_field(
    http: httpx2.AsyncClient, line: str, body: bytes, status: int, field: str | None
) -> None:
    method, path = line.split()
    answer = await http.request(method, path, content=body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json().get("field")) == (status, field)
    assert answer.json()["detail"]
    fleet = (await http.get("/admin/fleet")).json()
    assert {server["version"] for server in fleet["servers"]} == {"2.4.0"}


async def test_a_body_that_says_it_is_no_json_is_refused(http: httpx2.AsyncClient) -> None:
    answer = await http.put(VERSION, content=b"{}", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["field"]) == (415, "content-type")


async def test_the_same_key_gets_the_first_answer_again(http: httpx2.AsyncClient) -> None:
    key = {"idempotency-key": "k1"}
    first = await http.put(VERSION, json={"version": "2.4.1"}, headers=key)
    await http.put(VERSION, json={"version": "2.5.0"})
    again = await http.put(VERSION, content=b'{ "version" : "2.4.1" }', headers=key)
    assert again.json() == first.json()
    server = (await http.get("/v1/servers/web-01")).json()
    assert (server["version"], server["patches"]) == ("2.5.0", 2)
    outcomes = [line for line in await record_of(http) if "n" not in line]
    assert [next(iter(line)) for line in outcomes] == ["applied", "applied", "replayed"]


async def test_the_same_key_with_another_body_is_refused(http: httpx2.AsyncClient) -> None:
    key = {"idempotency-key": "k1"}
    await http.put(VERSION, json={"version": "2.4.1"}, headers=key)
    other = await http.put(VERSION, json={"version": "2.4.2"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    elsewhere = await http.put("/v1/servers/web-02/version", json={"version": "2.4.1"}, headers=key)
    assert elsewhere.status_code == 422
    refused = [line for line in await record_of(http) if "refused" in line]
    assert [(line["refused"], line["status"]) for line in refused] == [(2, 422), (3, 422)]


@pytest.mark.parametrize("key", ["", "two words", "x" * 256])
async def test_a_key_that_is_none_is_refused(http: httpx2.AsyncClient, key: str) -> None:
    answer = await http.put(VERSION, json={"version": "2.4.1"}, headers={"idempotency-key": key})
    assert (answer.status_code, answer.json()["field"]) == (400, "idempotency-key")


async def test_a_restart_is_opaque_and_happens_each_time(http: httpx2.AsyncClient) -> None:
    key = {"idempotency-key": "k1"}
    for expected in (1, 2):
        answer = await http.post(RESTART, json={"reason": "test"}, headers=key)
        assert answer.json() == {"id": "web-01", "restarts": expected}


async def test_a_late_repetition_of_a_drain_does_not_drain_again(http: httpx2.AsyncClient) -> None:
    do, undo = {"idempotency-key": "do"}, {"idempotency-key": "undo"}
    first = await http.post("/v1/servers/web-01/drain", json={}, headers=do)
    await http.post("/v1/servers/web-01/undrain", json={}, headers=undo)
    late = await http.post("/v1/servers/web-01/drain", json={}, headers=do)
    assert late.json() == first.json() == {"id": "web-01", "draining": True}
    assert (await http.get("/v1/servers/web-01")).json()["draining"] is False


async def test_every_write_is_recorded_before_it_is_understood(http: httpx2.AsyncClient) -> None:
    await http.put("/v1/servers/web-99/version", json={"version": "1.0.0"})
    await http.delete("/nowhere?x=1", headers={"x-smartops-task": "t1"})
    await http.get("/v1/servers")
    requests = [line for line in await record_of(http) if "n" in line]
    assert [(line["server"], line["operation"], line["path"]) for line in requests] == [
        ("web-99", "set_version", "/v1/servers/web-99/version"),
        (None, None, "/nowhere?x=1"),
    ]
    assert requests[1]["headers"]["x-smartops-task"] == "t1"


async def test_reads_are_recorded_when_asked_for() -> None:
    app = create_app(Fleet(), Record(reads=True))
    async with client(app) as http:
        await http.get("/servers/web-01/health")
        assert [line["operation"] for line in await record_of(http)] == ["health"]
    app.world.close()


async def test_without_the_token_nothing_opens_and_the_attempt_is_recorded() -> None:
    app = create_app(Fleet(), Record(), tokens=Tokens(fleet="f", admin="a"))
    async with client(app) as nobody, client(app, authorization="bearer f") as gateway:
        for path in ("/v1/servers", "/servers/web-01/health", "/metrics", "/admin/fleet"):
            answer = await nobody.get(path)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert (await nobody.post(RESTART, json={"reason": "x"})).status_code == 401
        assert (await gateway.post(RESTART, json={"reason": "x"})).json()["restarts"] == 1
        assert (await gateway.get("/admin/fleet")).status_code == 401
    async with client(app, authorization="Bearer a") as administrator:
        assert (await administrator.get("/v1/servers")).status_code == 401
        lines = await record_of(administrator)
    assert [line["n"] for line in lines if "n" in line] == [1, 2]
    assert [line["status"] for line in lines if "refused" in line] == [401]
    app.world.close()


async def test_health_and_error_rate_follow_the_switches(http: httpx2.AsyncClient) -> None:
    health, rate = "/servers/web-01/health", "/v1/servers/web-01/error_rate"
    assert (await http.get(health)).json() == {"status": "ok"}
    await switch(http, "unhealthy_after_change", server="web-01")
    assert (await http.get(health)).status_code == 200
    await http.put(VERSION, json={"version": "2.4.1"})
    assert (await http.get(health)).status_code == 503
    assert (await http.get(rate)).json() == {"error_rate": 0.25, "window_s": 60}
    assert 'http_error_rate{server="web-01"} 0.25' in (await http.get("/metrics")).text
    await http.put(VERSION, json={"version": "2.4.0"})
    assert (await http.get(health)).status_code == 200
    assert (await http.get(rate)).json()["error_rate"] == 0.001


async def test_fail_next_fails_so_many_requests_and_applies_none(http: httpx2.AsyncClient) -> None:
    await switch(http, "fail_next", value=2, operation="restart")
    statuses = [(await http.post(RESTART, json={"reason": "x"})).status_code for _ in range(3)]
    assert statuses == [500, 500, 200]
    assert (await http.get("/v1/servers/web-01")).json()["restarts"] == 1
    assert (await http.get("/admin/faults")).json()["faults"][0]["left"] == 0


async def test_a_key_of_a_failed_write_is_free_for_its_retry(http: httpx2.AsyncClient) -> None:
    await switch(http, "fail_next", value=1)
    key = {"idempotency-key": "k1"}
    assert (await http.post("/v1/servers/web-01/drain", headers=key)).status_code == 500
    assert (await http.post("/v1/servers/web-01/drain", headers=key)).status_code == 200


async def test_apply_then_drop_applies_and_says_nothing(http: httpx2.AsyncClient) -> None:
    await switch(http, "apply_then_drop", server="web-01", times=1)
    key = {"idempotency-key": "k1"}
    with pytest.raises(ConnectionDropped):
        await http.put(VERSION, json={"version": "2.4.1"}, headers=key)
    retried = await http.put(VERSION, json={"version": "2.4.1"}, headers=key)
    assert retried.json()["previous_version"] == "2.4.0"
    assert (await http.get("/v1/servers/web-01")).json()["patches"] == 1


async def test_refuse_applies_nothing(http: httpx2.AsyncClient) -> None:
    await switch(http, "refuse", server="web-01", operation="restart")
    with pytest.raises(ConnectionDropped):
        await http.post(RESTART, json={"reason": "x"})
    assert (await http.get("/v1/servers/web-01")).json()["restarts"] == 0
    refused = [line for line in await record_of(http) if "refused" in line]
    assert [(line["status"], line["code"]) for line in refused] == [(None, "connection_dropped")]


async def test_a_delay_holds_a_request_back_for_its_milliseconds(http: httpx2.AsyncClient) -> None:
    await switch(http, "delay", value=30, operation="health", times=1)
    clock = asyncio.get_running_loop().time
    began = clock()
    await http.get("/servers/web-01/health")
    assert clock() - began >= 0.03


async def test_a_hanging_request_goes_on_once_its_switch_is_cleared(
    record: AnnouncingRecord, http: httpx2.AsyncClient
) -> None:
    fault = await switch(http, "hang", server="web-01", operation="restart")
    hanging = asyncio.create_task(http.post(RESTART, json={"reason": "x"}))
    await record.arrived.wait()
    assert (await http.get("/v1/servers/web-01")).json()["restarts"] == 0
    assert (await http.delete("/admin/faults", params={"id": fault})).json() == {"cleared": [fault]}
    assert (await hanging).json() == {"id": "web-01", "restarts": 1}


@pytest.mark.parametrize(("mode", "more"), [("hang", {}), ("delay", {"value": 50})])
async def test_a_request_that_waits_across_a_reset_is_never_applied(
    record: AnnouncingRecord, http: httpx2.AsyncClient, mode: str, more: dict[str, object]
) -> None:
    await switch(http, mode, operation="restart", **more)
    waiting = asyncio.create_task(http.post(RESTART, json={"reason": "x"}))
    await record.arrived.wait()
    assert (await http.post("/admin/reset")).json() == {"resets": 1, "last_request": 1}
    with pytest.raises(ConnectionDropped):
        await waiting
    fleet = (await http.get("/admin/fleet")).json()
    assert (fleet["servers"][0]["restarts"], fleet["faults"]) == (0, [])


async def test_clearing_all_faults_brings_back_normal_life(http: httpx2.AsyncClient) -> None:
    await switch(http, "refuse")
    await switch(http, "unhealthy_now")
    assert len((await http.delete("/admin/faults")).json()["cleared"]) == 2
    assert (await http.get("/servers/web-01/health")).status_code == 200


def test_a_playground_open_to_others_wants_a_token() -> None:
    files = ("--record", "r", "--state", "s")
    with pytest.raises(InvalidOption):
        read_settings(["--host", "0.0.0.0", *files])
    settings = read_settings(["--host", "0.0.0.0", "--token-file", "t", *files])
    assert settings.fleet == FleetSpec()
