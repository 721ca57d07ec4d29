"""The record and the state file: what is on disk after kills, repetitions and restarts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from smartops.playground import Fleet, FleetSpec, Record, StateFile
from smartops.playground.append_file import AppendFile
from smartops.playground.changes import Restarted, VersionSet
from smartops.playground.errors import FileCorrupt, FileInUse, InvalidOption, SpecMismatch
from smartops.playground.world import World

SPEC = FleetSpec(servers=3)


def request(record: Record, server: str = "web-01") -> int:
    return record.request(
        method="POST",
        path=f"/v1/servers/{server}/restart",
        server=server,
        operation="restart",
        body=b"{}",
        headers={"x-smartops-call": "c1", "idempotency-key": "k"},
    )


def lines(record: Record, since: int = 0) -> list[dict[str, Any]]:
    return [json.loads(line) for line in record.lines(since)]


def test_a_request_line_holds_all_that_was_sent(tmp_path: Path) -> None:
    record = Record(tmp_path / "record", clock=lambda: 12.5)
    assert request(record) == 1
    assert lines(record) == [
        {
            "n": 1,
            "at": 12.5,
            "method": "POST",
            "path": "/v1/servers/web-01/restart",
            "server": "web-01",
            "operation": "restart",
            "body_sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "idempotency_key": "k",
            "headers": {
                "x-smartops-call": "c1",
                "x-smartops-task": None,
                "x-smartops-grant": None,
                "x-smartops-tenant": None,
            },
            "deduped": None,
        }
    ]
    record.close()


def test_numbers_go_on_when_the_record_is_opened_again(tmp_path: Path) -> None:
    for expected in (1, 2, 3):
        record = Record(tmp_path / "record")
        assert request(record) == expected
        record.close()


def test_since_leaves_out_every_line_about_earlier_requests(tmp_path: Path) -> None:
    record = Record(tmp_path / "record")
    for _ in range(600):
        request(record)
    record.applied(599, "web-01", "restart", {})
    record.applied(600, "web-01", "restart", {})
    assert [line.get("n", line.get("applied")) for line in lines(record, 598)] == [
        599,
        600,
        599,
        600,
    ]
    assert [line.get("n") for line in lines(record, 599)] == [600, None]
    assert lines(record, 600) == []
    assert len(lines(record)) == 602
    record.close()
    again = Record(tmp_path / "record")
    assert [line.get("n") for line in lines(again, 599)] == [600, None]
    again.close()


def test_a_line_torn_by_a_kill_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "record"
    record = Record(path)
    request(record)
    record.close()
    with path.open("ab") as file:
        file.write(b'{"n": 2, "at"')
    again = Record(path)
    assert request(again) == 2
    assert [line["n"] for line in lines(again)] == [1, 2]
    again.close()


def test_a_corrupt_line_stops_the_start_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_text('{"n": 1}\nnonsense\n')
    with pytest.raises(FileCorrupt, match="line 2"):
        Record(path)


def test_a_file_has_one_writer_at_a_time(tmp_path: Path) -> None:
    first = AppendFile(tmp_path / "file")
    with pytest.raises(FileInUse):
        AppendFile(tmp_path / "file")
    first.replace([b"a\n"])
    with pytest.raises(FileInUse):
        AppendFile(tmp_path / "file")
    first.close()
    second = AppendFile(tmp_path / "file")
    assert list(second.lines()) == [b"a"]
    second.close()


def test_what_a_killed_replacement_left_behind_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / ".file.new").write_bytes(b"half a snapsh")
    file = AppendFile(tmp_path / "file")
    file.replace([b"whole\n"])
    file.append(b"next\n")
    assert (tmp_path / "file").read_bytes() == b"whole\nnext\n"
    file.close()


def test_lines_longer_than_a_chunk_come_out_whole() -> None:
    file = AppendFile.temporary()
    long = b"x" * 700_000
    file.append(long + b"\n")
    file.append(b"y\n")
    assert list(file.lines()) == [long, b"y"]
    file.close()


def test_a_file_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption):
        AppendFile(tmp_path / "missing" / "file")


def test_a_state_file_plays_its_changes(tmp_path: Path) -> None:
    path = tmp_path / "state"
    state = StateFile(path, SPEC)
    state.append(VersionSet(1, "web-01", "2.4.1", "k"))
    state.close()
    again = StateFile(path, SPEC)
    assert again.fleet.servers["web-01"].version == "2.4.1"
    assert again.fleet.keys.recall("k", VersionSet(9, "web-01", "2.4.1", "k").meaning) is not None
    again.close()


def test_a_state_file_of_another_fleet_is_refused(tmp_path: Path) -> None:
    StateFile(tmp_path / "state", SPEC).close()
    with pytest.raises(SpecMismatch):
        StateFile(tmp_path / "state", FleetSpec(servers=4))


@pytest.mark.parametrize("line", ['{"change": "exploded"}', "[]", "{", '{"change": "restarted"}'])
def test_a_change_that_is_not_understood_stops_the_start(tmp_path: Path, line: str) -> None:
    path = tmp_path / "state"
    StateFile(path, SPEC).close()
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(FileCorrupt, match="line 2"):
        StateFile(path, SPEC)


def test_a_state_file_that_grows_is_compacted_and_still_the_same(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state", SPEC, compact_bytes=2000)
    record = Record()
    world = World(state.fleet, record, state=state)
    sizes = set()
    for _ in range(200):
        world.write(Restarted(request(record), "web-01"))
        sizes.add((tmp_path / "state").stat().st_size)
    assert max(sizes) < 8000
    world.close()
    again = StateFile(tmp_path / "state", SPEC)
    assert again.fleet.servers["web-01"].restarts == 200
    again.close()


def test_a_write_kept_before_a_kill_is_recorded_as_applied_on_the_next_start(
    tmp_path: Path,
) -> None:
    def open_world() -> World:
        state = StateFile(tmp_path / "state", SPEC)
        return World(state.fleet, Record(tmp_path / "record"), state=state)

    world = open_world()
    world.write(Restarted(request(world.record), "web-01"))
    world.commit(Restarted(request(world.record, "web-02"), "web-02"))  # Killed before the record.
    world.close()
    again = open_world()
    told = [line for line in lines(again.record) if "applied" in line]
    assert [(line["applied"], line.get("recovered")) for line in told] == [(1, None), (2, True)]
    assert told[1]["result"] == {"id": "web-02", "restarts": 1}
    again.close()
    last = open_world()
    assert len([line for line in lines(last.record) if "applied" in line]) == 2
    last.close()


def test_a_state_kept_beside_a_new_record_settles_nothing_in_it(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state", SPEC)
    state.append(Restarted(1, "web-01"))
    state.close()
    again = StateFile(tmp_path / "state", SPEC)
    world = World(again.fleet, Record(), state=again)
    assert lines(world.record) == []
    world.close()


def test_a_world_without_a_state_file_keeps_nothing() -> None:
    record = Record()
    world = World(Fleet(SPEC), record)
    assert world.write(Restarted(request(record), "web-01")) == {"id": "web-01", "restarts": 1}
    world.close()
