"""The fleet as pure state: what changes do, and what switches make of it."""

from __future__ import annotations

import json

import pytest
from smartops.playground import Fleet, FleetSpec
from smartops.playground.changes import (
    Change,
    DrainSet,
    FaultsCleared,
    FaultSet,
    FaultSpent,
    FleetReset,
    GoldenSet,
    Restarted,
    VersionSet,
    change_from_json,
    change_to_json,
)
from smartops.playground.errors import InvalidOption, KeyReused
from smartops.playground.faults import BROKEN_ERROR_RATE, Fault, Mode
from smartops.playground.keys import KeyRing
from smartops.playground.operations import Operation
from smartops.playground.traffic import REQUESTS_PER_SECOND, Traffic, metrics_page

DAY: list[Change] = [
    VersionSet(1, "web-01", "2.4.1", "k1"),
    Restarted(2, "web-02"),
    Restarted(3, "web-02"),
    DrainSet(4, "web-03", draining=True, key="k2"),
    GoldenSet("web-server", "aws", "2.5.0"),
    FaultSet(Fault("fault-1", Mode.FAIL_NEXT, operation=Operation.RESTART, value=2, left=2)),
    FaultSpent("fault-1"),
    FaultSet(Fault("fault-2", Mode.UNHEALTHY_NOW, "web-04")),
    FaultsCleared(("fault-2",)),
]


def after(*changes: Change, spec: FleetSpec | None = None) -> Fleet:
    fleet = Fleet(spec)
    for change in changes:
        fleet.apply(change)
    return fleet


def broken_by_change(fleet: Fleet) -> FaultSet:
    baseline = {server.id: server.version for server in fleet.servers.values()}
    return FaultSet(Fault("fault-1", Mode.UNHEALTHY_AFTER_CHANGE, baseline=baseline))


def test_a_new_fleet_is_drifted_as_far_as_asked_for() -> None:
    assert {server.version for server in Fleet().servers.values()} == {"2.4.0"}
    some = Fleet(FleetSpec(servers=5, drifted=2))
    assert [s.version for s in some.servers.values()] == ["2.4.0"] * 2 + ["2.4.1"] * 3


def test_a_new_fleet_spans_two_regions_and_two_platforms() -> None:
    placed = {(server.region, server.platform) for server in Fleet().servers.values()}
    assert len(placed) == 4
    assert list(Fleet().servers)[:2] == ["web-01", "web-02"]


@pytest.mark.parametrize(
    "options",
    [{"servers": 0}, {"drifted": 13}, {"golden": "new"}, {"old": "2.4"}, {"environment": ""}],
)
def test_a_fleet_that_cannot_exist_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidOption):
        FleetSpec(**options)  # type: ignore[arg-type]


def test_a_version_write_answers_with_what_was_there_before() -> None:
    fleet = Fleet()
    answer = fleet.apply(VersionSet(1, "web-01", "2.4.1", None))
    assert answer == {"id": "web-01", "previous_version": "2.4.0", "version": "2.4.1"}
    assert fleet.servers["web-01"].patches == 1


def test_each_restart_counts() -> None:
    fleet = after(Restarted(1, "web-01"))
    assert fleet.apply(Restarted(2, "web-01")) == {"id": "web-01", "restarts": 2}


def test_undrain_undoes_drain() -> None:
    fleet = after(DrainSet(1, "web-01", draining=True, key=None))
    assert fleet.servers["web-01"].draining
    fleet.apply(DrainSet(2, "web-01", draining=False, key=None))
    assert not fleet.servers["web-01"].draining


def test_a_key_recalls_its_first_answer_and_refuses_another_meaning() -> None:
    first = VersionSet(1, "web-01", "2.4.1", "k")
    fleet = after(first, VersionSet(2, "web-01", "2.5.0", None))
    recalled = fleet.keys.recall("k", first.meaning)
    assert recalled == {"id": "web-01", "previous_version": "2.4.0", "version": "2.4.1"}
    with pytest.raises(KeyReused):
        fleet.keys.recall("k", VersionSet(3, "web-02", "2.4.1", "k").meaning)


def test_the_oldest_key_is_forgotten_first() -> None:
    keys = KeyRing(limit=2)
    for key in ("a", "b", "c"):
        keys.remember(key, "meaning", {})
    assert keys.recall("a", "meaning") is None
    assert keys.recall("b", "meaning") == {}


def test_golden_holds_for_a_platform_before_it_holds_for_the_role() -> None:
    fleet = after(GoldenSet("web-server", "aws", "2.5.0"))
    assert fleet.golden_version("web-server", "aws") == "2.5.0"
    assert fleet.golden_version("web-server", "azure") == "2.4.1"
    assert fleet.golden_version("web-server") == "2.4.1"
    assert fleet.golden_version("database") is None


def test_a_server_breaks_on_change_and_heals_when_the_version_is_put_back() -> None:
    fleet = Fleet()
    fleet.apply(broken_by_change(fleet))
    server = fleet.servers["web-01"]
    assert fleet.healthy(server)
    fleet.apply(VersionSet(1, "web-01", "2.4.1", None))
    assert not fleet.healthy(server)
    assert fleet.error_rate(server) == BROKEN_ERROR_RATE
    assert fleet.healthy(fleet.servers["web-02"])
    fleet.apply(VersionSet(2, "web-01", "2.4.0", None))
    assert fleet.healthy(server)
    assert fleet.error_rate(server) == server.base_error_rate


def test_unhealthy_now_leaves_the_error_rate_and_an_error_rate_leaves_health() -> None:
    fleet = after(
        FaultSet(Fault("fault-1", Mode.UNHEALTHY_NOW, "web-01")),
        FaultSet(Fault("fault-2", Mode.ERROR_RATE, "web-02", value=0.5)),
    )
    first, second, third = list(fleet.servers.values())[:3]
    assert not fleet.healthy(first)
    assert fleet.error_rate(first) == first.base_error_rate
    assert fleet.healthy(second)
    assert fleet.error_rate(second) == 0.5
    assert fleet.healthy(third)
    assert fleet.error_rate(third) == third.base_error_rate


def test_a_spent_fault_stays_listed_and_no_longer_acts() -> None:
    fleet = after(
        FaultSet(Fault("fault-1", Mode.FAIL_NEXT, left=1, value=1)), FaultSpent("fault-1")
    )
    assert fleet.faults.acting(Mode.FAIL_NEXT, "web-01", Operation.RESTART) is None
    assert [fault.left for fault in fleet.faults.all()] == [0]


def test_a_switch_set_again_replaces_its_earlier_setting() -> None:
    fleet = after(
        FaultSet(Fault("fault-1", Mode.ERROR_RATE, "web-01", value=0.9)),
        FaultSet(Fault("fault-2", Mode.ERROR_RATE, "web-01", value=0.1)),
    )
    assert [fault.id for fault in fleet.faults.all()] == ["fault-2"]
    assert fleet.error_rate(fleet.servers["web-01"]) == 0.1


def test_a_fault_acts_on_its_server_and_operation_only() -> None:
    fault = Fault("fault-1", Mode.HANG, "web-01", Operation.RESTART)
    assert fault.acts_on(Mode.HANG, "web-01", Operation.RESTART)
    assert not fault.acts_on(Mode.HANG, "web-02", Operation.RESTART)
    assert not fault.acts_on(Mode.HANG, "web-01", Operation.DRAIN)
    assert not fault.acts_on(Mode.HANG, None, Operation.LIST_SERVERS)
    dropping = Fault("fault-2", Mode.APPLY_THEN_DROP)
    assert not dropping.acts_on(Mode.APPLY_THEN_DROP, "web-01", Operation.HEALTH)


def test_a_reset_brings_back_the_first_day_but_no_fault_id() -> None:
    spec = FleetSpec(servers=4)
    fleet = after(*DAY, FleetReset(), spec=spec)
    assert fleet.servers == Fleet(spec).servers
    assert fleet.faults.all() == []
    assert len(fleet.keys) == 0
    assert (fleet.resets, fleet.last_fault) == (1, 2)


@pytest.mark.parametrize("change", [*DAY, FleetReset()], ids=lambda change: type(change).__name__)
def test_a_change_reads_back_as_it_was_written(change: Change) -> None:
    assert change_from_json(json.loads(json.dumps(change_to_json(change)))) == change


def test_a_snapshot_reads_back_as_the_same_fleet() -> None:
    fleet = after(*DAY)
    written = json.loads(json.dumps(fleet.to_json()))
    assert json.loads(json.dumps(Fleet.from_json(fleet.spec, written).to_json())) == written


def test_traffic_is_the_integral_of_the_error_rate_over_time() -> None:
    fleet = Fleet(FleetSpec(servers=1))
    traffic = Traffic(fleet, now=1000.0)
    fleet.apply(FaultSet(Fault("fault-1", Mode.ERROR_RATE, value=0.5)))
    traffic.settle(fleet, ["web-01"], now=1010.0)
    ok, failed = traffic.counts("web-01", now=1020.0)
    assert ok + failed == 20 * REQUESTS_PER_SECOND - 1  # Both are rounded down.
    assert failed == int(10 * REQUESTS_PER_SECOND * (0.001 + 0.5))
    assert traffic.counts("web-01", now=1015.0) == (ok, failed)


def test_the_metrics_page_names_server_code_and_version() -> None:
    fleet = Fleet(FleetSpec(servers=1))
    lines = metrics_page(fleet, Traffic(fleet, 0.0), 2.0).splitlines()
    assert 'http_requests_total{server="web-01",code="200"} 99' in lines
    assert 'http_requests_total{server="web-01",code="500"} 0' in lines
    assert 'http_error_rate{server="web-01"} 0.001' in lines
    assert 'http_request_p99_seconds{server="web-01"} 0.04' in lines
    assert 'server_version_info{server="web-01",version="2.4.0"} 1' in lines


def test_a_server_is_slow_by_a_switch_or_by_a_change_that_breaks_it() -> None:
    fleet = Fleet(FleetSpec(servers=2))
    fleet.apply(FaultSet(Fault("fault-1", Mode.LATENCY, "web-01", value=750.0)))
    lines = metrics_page(fleet, Traffic(fleet, 0.0), 2.0).splitlines()
    assert 'http_request_p99_seconds{server="web-01"} 0.75' in lines
    assert 'http_request_p99_seconds{server="web-02"} 0.04' in lines
    assert fleet.healthy(fleet.servers["web-01"])
