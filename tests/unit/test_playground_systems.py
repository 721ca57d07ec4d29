"""Settings, clusters and backups of the playground: state, strictness, faults, the record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.playground import Fleet, FleetSpec, Playground, Record, StateFile
from smartops.playground.changes import FleetReset
from smartops.playground.config_store import Setting
from smartops.playground.errors import ConnectionDropped, InvalidOption
from smartops.playground.operations import BACKUPS, CLUSTERS, CONFIG, WRITES, Operation
from smartops.playground.tokens import Tokens
from smartops.playground.world import World

SETTING = "/v1/config/search.page-size"
CLUSTER = "/v1/clusters/orders-db"
BACKUP = "/v1/servers/web-01/backups"
SPEC = FleetSpec(servers=2, backup_ms=1000)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def world(clock: Clock) -> AsyncIterator[World]:
    made = World(Fleet(SPEC), Record(), clock=clock)
    yield made
    made.close()


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=Playground(world, Tokens()))  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url="http://fleet") as client:
        yield client


def outcomes(world: World) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in world.record.lines()]
    return [line for line in lines if "n" not in line]


def seen(revision: int) -> dict[str, str]:
    return {"if-match": f'"{revision}"'}


async def switch(http: httpx2.AsyncClient, mode: str, **fields: object) -> None:
    (await http.post("/admin/faults", json={"mode": mode, **fields})).raise_for_status()


# ---- settings ----------------------------------------------------------------------------------


async def test_a_setting_changes_only_from_the_revision_that_was_seen(
    http: httpx2.AsyncClient, world: World
) -> None:
    first = (await http.put(SETTING, json={"value": "50"}, headers=seen(1))).json()
    assert first == {"key": "search.page-size", "value": "50", "revision": 2}
    again = await http.put(SETTING, json={"value": "60"}, headers=seen(1))
    assert (again.status_code, again.json()["code"]) == (412, "precondition_failed")
    assert (await http.get(SETTING)).json() == first
    assert [next(iter(line)) for line in outcomes(world)] == ["applied", "refused"]


async def test_a_key_does_not_keep_a_setting_from_changing_twice(http: httpx2.AsyncClient) -> None:
    for revision in (1, 2):
        answer = await http.put(
            SETTING, json={"value": "50"}, headers={**seen(revision), "idempotency-key": "k"}
        )
        assert answer.json()["revision"] == revision + 1


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, {"value": "5"}, 428),
        ({"if-match": "1"}, {"value": "5"}, 400),
        ({"if-match": "*"}, {"value": "5"}, 400),
        ({"if-match": '"0"'}, {"value": "5"}, 400),
        (seen(1), {"value": ""}, 422),
        (seen(1), {"value": 5}, 422),
        (seen(1), {"value": "x" * 2001}, 422),
        (seen(1), {"value": "5", "more": 1}, 422),
    ],
)
async def test_a_change_that_is_not_in_order_changes_nothing(
    http: httpx2.AsyncClient, headers: dict[str, str], body: dict[str, Any], status: int
) -> None:
    assert (await http.put(SETTING, json=body, headers=headers)).status_code == status
    assert (await http.get(SETTING)).json()["revision"] == 1


async def test_a_restore_takes_back_the_one_change_and_twice_is_as_once(
    http: httpx2.AsyncClient, world: World
) -> None:
    await http.put(SETTING, json={"value": "50"}, headers=seen(1))
    for _ in range(2):
        back = await http.post(f"{SETTING}/restore", json={"revision": 1, "value": "20"})
        assert back.json() == {"key": "search.page-size", "value": "20", "revision": 3}
    assert [next(iter(line)) for line in outcomes(world)] == ["applied", "applied", "replayed"]


async def test_a_restore_of_what_never_changed_changes_nothing(http: httpx2.AsyncClient) -> None:
    back = await http.post(f"{SETTING}/restore", json={"revision": 1, "value": "20"})
    assert back.json()["revision"] == 1


async def test_a_restore_never_takes_somebody_else_s_change_back(http: httpx2.AsyncClient) -> None:
    await http.put(SETTING, json={"value": "50"}, headers=seen(1))
    await http.put(SETTING, json={"value": "70"}, headers=seen(2))
    back = await http.post(f"{SETTING}/restore", json={"revision": 1, "value": "20"})
    assert (back.status_code, back.json()["code"]) == (409, "conflict")
    other = await http.post(f"{SETTING}/restore", json={"revision": 2, "value": "20"})
    assert other.status_code == 409
    assert (await http.get(SETTING)).json()["value"] == "70"


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 6)), max_size=12))
def test_a_setting_is_back_at_a_revision_only_with_its_value(moves: list[tuple[bool, int]]) -> None:
    setting = Setting("k", ["v1"])
    for restores, number in moves:
        if restores and setting.revision == number + 1:
            setting.restore(number)
        elif not restores:
            setting.change(f"v{setting.revision + 1}")
        for revision in range(1, setting.revision + 1):
            if setting.is_back_at(revision):
                assert setting.values[-1] == setting.values[revision - 1]


async def test_a_late_change_is_compared_when_it_happens_not_when_it_arrived(
    http: httpx2.AsyncClient,
) -> None:
    await switch(http, "hang", operation="set_config", times=1)
    late = asyncio.create_task(http.put(SETTING, json={"value": "1"}, headers=seen(1)))
    while (await http.get("/admin/faults")).json()["faults"][0]["left"]:  # noqa: ASYNC110
        await asyncio.sleep(0)  # Nothing else tells that it waits.
    await http.put(SETTING, json={"value": "2"}, headers=seen(1))
    await http.delete("/admin/faults")
    assert (await late).status_code == 412
    assert (await http.get(SETTING)).json()["value"] == "2"


# ---- clusters ----------------------------------------------------------------------------------


async def test_a_failover_dedupes_by_key_and_its_rehearsal_changes_nothing(
    http: httpx2.AsyncClient, world: World
) -> None:
    rehearsed = (await http.get(f"{CLUSTER}/failover?primary=orders-db-2")).json()
    assert (rehearsed["previous_primary"], rehearsed["lost_s"]) == ("orders-db-1", 0.4)
    body = {"primary": "orders-db-2", "reason_code": "drill"}
    for _ in range(2):
        done = await http.post(f"{CLUSTER}/failover", json=body, headers={"idempotency-key": "k"})
        assert done.json() == {
            "id": "orders-db",
            "primary": "orders-db-2",
            "previous_primary": "orders-db-1",
        }
    assert (await http.get(CLUSTER)).json()["failovers"] == 1
    assert [next(iter(line)) for line in outcomes(world)] == ["applied", "replayed"]


@pytest.mark.parametrize("primary", ["orders-db-9", "orders-db-3"])
async def test_a_member_that_is_unknown_or_ill_never_leads(
    http: httpx2.AsyncClient, primary: str
) -> None:
    await switch(http, "unhealthy_now", server="orders-db-3")
    rehearsed = await http.get(f"{CLUSTER}/failover", params={"primary": primary})
    done = await http.post(f"{CLUSTER}/failover", json={"primary": primary, "reason_code": "drill"})
    assert (rehearsed.status_code, done.status_code) == (409, 409)
    assert (await http.get(CLUSTER)).json()["primary"] == "orders-db-1"


async def test_a_failover_wants_a_listed_reason(http: httpx2.AsyncClient) -> None:
    body = {"primary": "orders-db-2", "reason_code": "because"}
    answer = await http.post(f"{CLUSTER}/failover", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, "reason_code")


# ---- backups -----------------------------------------------------------------------------------


async def test_a_backup_runs_until_its_time_is_over(http: httpx2.AsyncClient, clock: Clock) -> None:
    started = await http.post(BACKUP, json={"label": "nightly"})
    assert (started.status_code, started.json()["state"]) == (202, "running")
    clock.now += 0.5
    assert (await http.get(f"{BACKUP}/nightly")).json() == {
        "server": "web-01",
        "label": "nightly",
        "state": "running",
        "percent": 50,
    }
    clock.now += 0.5
    assert (await http.get(f"{BACKUP}/nightly")).json()["state"] == "done"


async def test_a_backup_starts_once_per_key_and_a_label_is_taken_once(
    http: httpx2.AsyncClient,
) -> None:
    for _ in range(2):
        again = await http.post(BACKUP, json={"label": "a"}, headers={"idempotency-key": "k"})
        assert again.status_code == 202
    other = await http.post(BACKUP, json={"label": "a"}, headers={"idempotency-key": "other"})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")


async def test_a_backup_of_an_ill_server_fails_and_may_be_made_anew(
    http: httpx2.AsyncClient, clock: Clock
) -> None:
    await switch(http, "unhealthy_now", server="web-01")
    await http.post(BACKUP, json={"label": "a"})
    clock.now += 2
    assert (await http.get(f"{BACKUP}/a")).json()["state"] == "failed"
    await http.delete("/admin/faults")
    assert (await http.post(BACKUP, json={"label": "a"})).status_code == 202


async def test_a_backup_is_deleted_once_also_while_it_runs(http: httpx2.AsyncClient) -> None:
    await http.post(BACKUP, json={"label": "a"})
    found = [(await http.delete(f"{BACKUP}/a")).json()["deleted"] for _ in range(2)]
    assert found == [True, False]
    assert (await http.get(f"{BACKUP}/a")).status_code == 404


# ---- all of them -------------------------------------------------------------------------------

REQUESTS: dict[Operation, tuple[str, str, dict[str, Any] | None, dict[str, str], str]] = {
    Operation.GET_CONFIG: ("GET", SETTING, None, {}, "search.page-size"),
    Operation.SET_CONFIG: ("PUT", SETTING, {"value": "5"}, seen(1), "search.page-size"),
    Operation.RESTORE_CONFIG: (
        *("POST", f"{SETTING}/restore", {"revision": 1, "value": "20"}, {}),
        "search.page-size",
    ),
    Operation.GET_CLUSTER: ("GET", CLUSTER, None, {}, "orders-db"),
    Operation.SIMULATE_FAILOVER: (
        *("GET", f"{CLUSTER}/failover?primary=orders-db-2", None, {}),
        "orders-db",
    ),
    Operation.FAIL_OVER: (
        *("POST", f"{CLUSTER}/failover", {"primary": "orders-db-2", "reason_code": "drill"}, {}),
        "orders-db",
    ),
    Operation.GET_BACKUP: ("GET", f"{BACKUP}/there", None, {}, "web-01"),
    Operation.RUN_BACKUP: ("POST", BACKUP, {"label": "new"}, {}, "web-01"),
    Operation.DELETE_BACKUP: ("DELETE", f"{BACKUP}/there", None, {}, "web-01"),
}


async def ask(http: httpx2.AsyncClient, operation: Operation) -> httpx2.Response:
    method, path, body, headers, _ = REQUESTS[operation]
    return await http.request(method, path, json=body, headers=headers)


def test_every_new_operation_is_tried() -> None:
    assert set(REQUESTS) == CONFIG | CLUSTERS | BACKUPS


@pytest.mark.parametrize("operation", sorted(REQUESTS))
@pytest.mark.parametrize("mode", ["fail_next", "refuse", "delay", "hang", "apply_then_drop"])
async def test_every_fault_acts_on_every_operation(
    http: httpx2.AsyncClient, world: World, operation: Operation, mode: str
) -> None:
    await http.post(BACKUP, json={"label": "there"})
    before = world.fleet.to_json()
    fields: dict[str, object] = {"server": REQUESTS[operation][4], "operation": operation}
    match mode:
        case "fail_next":
            await switch(http, mode, value=1, **fields)
            assert (await ask(http, operation)).status_code == 500
        case "refuse":
            await switch(http, mode, times=1, **fields)
            with pytest.raises(ConnectionDropped):
                await ask(http, operation)
        case "delay":
            await switch(http, mode, value=1, **fields)
            assert (await ask(http, operation)).is_success
            return
        case "hang":
            await switch(http, mode, **fields)
            waiting = asyncio.create_task(ask(http, operation))
            done, _ = await asyncio.wait({waiting}, timeout=0.02)
            assert not done
            assert world.fleet.to_json()["settings"] == before["settings"]
            await http.delete("/admin/faults")
            assert (await waiting).is_success
            return
        case _ if operation in WRITES:
            await switch(http, mode, times=1, **fields)
            with pytest.raises(ConnectionDropped) as dropped:
                await ask(http, operation)
            assert dropped.value.applied
            return
        case _:
            refused = await http.post("/admin/faults", json={"mode": mode, **fields})
            assert refused.status_code == 422
    after = world.fleet.to_json()
    for part in ("settings", "clusters", "backups", "keys"):
        assert after[part] == before[part], "nothing was applied"


async def test_everything_survives_a_kill_and_a_reset_forgets_it(tmp_path: Path) -> None:
    first = StateFile(tmp_path / "state", SPEC)
    world = World(first.fleet, Record(tmp_path / "record"), state=first, clock=Clock())
    await _change_everything(world)
    kept = world.fleet.to_json()
    world.close()

    second = StateFile(tmp_path / "state", SPEC)
    assert second.fleet.to_json() == kept
    again = World(second.fleet, Record(tmp_path / "record"), state=second)
    assert again.fleet.settings["search.page-size"].revision == 3
    again.close()

    third = StateFile(tmp_path / "state", SPEC)
    assert third.fleet.to_json() == kept, "the same from a snapshot"
    third.fleet.apply(FleetReset())
    assert third.fleet.clusters["orders-db"].primary == "orders-db-1"
    third.close()


async def _change_everything(world: World) -> None:
    transport = httpx2.ASGITransport(app=Playground(world, Tokens()))  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url="http://fleet") as http:
        await http.put(SETTING, json={"value": "50"}, headers=seen(1))
        for operation in (
            Operation.RESTORE_CONFIG,
            Operation.FAIL_OVER,
            Operation.RUN_BACKUP,
        ):
            assert (await ask(http, operation)).is_success
        await http.post(BACKUP, json={"label": "gone"})
        await http.delete(f"{BACKUP}/gone")


def test_a_state_file_of_before_there_were_settings_is_read(tmp_path: Path) -> None:
    path = tmp_path / "state"
    StateFile(path, SPEC).close()
    snapshot = json.loads(path.read_text())
    for part in ("settings", "clusters", "backups"):
        del snapshot["fleet"][part]
    del snapshot["spec"]["backup_ms"]
    path.write_text(json.dumps(snapshot) + "\n")
    found = StateFile(path, FleetSpec(servers=2))
    assert set(found.fleet.clusters) == {"orders-db"}
    found.close()


@pytest.mark.parametrize("backup_ms", [0, -1, 3_600_001])
def test_a_backup_takes_some_time_but_not_forever(backup_ms: int) -> None:
    with pytest.raises(InvalidOption):
        FleetSpec(backup_ms=backup_ms)


async def test_what_there_is_is_shown_to_the_administrator(http: httpx2.AsyncClient) -> None:
    await http.post(BACKUP, json={"label": "a"})
    whole = (await http.get("/admin/fleet")).json()
    assert whole["settings"][0]["key"] == "checkout.timeout-ms"
    assert whole["clusters"][0]["members"][0]["healthy"] is True
    assert whole["backups"][0]["label"] == "a"


@pytest.mark.parametrize(
    "path", ["/v1/config/none", "/v1/clusters/none", "/v1/servers/none/backups/a"]
)
async def test_what_is_not_there_is_not_found(http: httpx2.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 404
