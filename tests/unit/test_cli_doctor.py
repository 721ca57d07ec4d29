"""What the doctor says of each thing that can be wrong, and what it tells people to do."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from nats import errors as nats_errors
from smartops.contracts.catalogue import HANDLERS, SERVICES, handler
from smartops.sdk.cli.doctor_bus_judging import (
    DEAD_LETTERS,
    MANY,
    Consumer,
    judge_account,
    judge_consumers,
    judge_health,
    judge_left_behind,
    judge_refusal,
    judge_streams,
)
from smartops.sdk.cli.doctor_database import (
    LATE,
    Lag,
    judge_clocks,
    judge_failure,
    judge_lag,
    judge_parked,
)
from smartops.sdk.cli.doctor_findings import Finding, Level, document, exit_of, warning, well
from smartops.sdk.cli.doctor_home import ROOM_BYTES, judge_room, look_at_home
from smartops.sdk.cli.doctor_restored import look_at_restores
from smartops.sdk.cli.doctor_services import (
    Answer,
    judge_notes,
    judge_service,
    look_at_services,
)
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.main import main
from smartops.sdk.errors import Outdated, SdkError, Unauthorised, Unreachable


def only(found: list[Finding], code: str) -> Finding:
    """The one finding, which has this code and says what to do."""
    [finding] = found
    assert finding.code == code
    assert (finding.level is Level.OK) == (finding.advice == "")
    return finding


# ---- home --------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An installation, as `smartops up` leaves it."""
    profile = {
        "nats_url": "nats://127.0.0.1:1",
        "reader_dsn": "postgresql://reader:secret@127.0.0.1:1/db",
        "tenant": "acme",
        "prefix": "smartops",
        "principals": {"operator": "token"},
    }
    write(tmp_path / "profile.json", json.dumps(profile))
    write(tmp_path / "credentials/operator.nk", "SUABC")
    return tmp_path


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """A file with a mode."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def test_a_home_in_order_is_one_line(home: Path) -> None:
    found, profile = look_at_home(home, "operator")
    assert only(found, "home.profile").level is Level.OK
    assert profile is not None


def test_without_a_profile_there_is_nothing_more_to_look_at(tmp_path: Path) -> None:
    found, profile = look_at_home(tmp_path, "operator")
    assert "smartops up" in only(found, "home.no_profile").advice
    assert profile is None


def test_a_profile_without_a_tenant_shows_nothing(home: Path) -> None:
    raw = json.loads((home / "profile.json").read_text("utf-8"))
    write(home / "profile.json", json.dumps(raw | {"tenant": ""}))
    assert "tenant" in only(look_at_home(home, "operator")[0], "home.no_tenant").advice


def test_an_unknown_identity_is_told_who_is_known(home: Path) -> None:
    finding = only(look_at_home(home, "approver")[0], "home.no_identity")
    assert finding.advice.endswith("--as operator.")


def test_a_lost_credential_is_named(home: Path) -> None:
    (home / "credentials/operator.nk").unlink()
    finding = only(look_at_home(home, "operator")[0], "home.no_credential")
    assert "operator.nk" in finding.text


def test_a_credential_that_cannot_be_read_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    finding = only(look_at_home(home, "operator")[0], "home.unreadable_credential")
    assert "Permission denied" in finding.text


def test_a_file_that_is_no_seed_is_named(home: Path) -> None:
    write(home / "credentials/operator.nk", "hello")
    assert only(look_at_home(home, "operator")[0], "home.bad_credential").level is Level.PROBLEM


@pytest.mark.parametrize("name", ["profile.json", "credentials/operator.nk"])
def test_a_secret_that_others_may_read_is_a_warning_with_the_cure(home: Path, name: str) -> None:
    (home / name).chmod(0o640)
    finding = only(look_at_home(home, "operator")[0], "home.open_file")
    assert (finding.level, "0640" in finding.text) == (Level.WARNING, True)
    assert f"chmod 600 {home / name}" in finding.advice


# ---- bus ---------------------------------------------------------------------------------------


def test_a_bus_that_does_not_answer_is_away() -> None:
    error = ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)")
    finding = judge_refusal("nats://x:1", "operator", error)
    assert only([finding], "bus.unreachable").text == (
        "nats://x:1 does not answer (Connection refused)"
    )


def test_a_bus_that_knows_us_not_refuses() -> None:
    error = nats_errors.Error("nats: 'Authorization Violation'")
    assert only([judge_refusal("nats://x", "operator", error)], "bus.refused").advice


def test_a_person_in_the_wrong_account_is_told_so() -> None:
    assert judge_account("operator", "PEOPLE") == []
    assert judge_account("operator", None) == []
    assert "SERVICES" in only(judge_account("operator", "SERVICES"), "bus.account").text


def test_a_missing_stream_is_a_problem_and_dead_letters_are_a_warning() -> None:
    assert judge_streams({"SMARTOPS": 7, DEAD_LETTERS: 0}) == []
    assert "SMARTOPS " in only(judge_streams({"SMARTOPS": None}), "bus.no_stream").text
    letters = only(judge_streams({DEAD_LETTERS: 2}), "bus.dead_letters")
    assert (letters.level, letters.text[:14]) == (Level.WARNING, "2 dead letters")


def test_consumers_that_are_pulled_are_well() -> None:
    assert judge_consumers(dict.fromkeys(HANDLERS, Consumer(pending=3, waiting=1))) == []


def test_a_missing_consumer_names_who_is_not_woken() -> None:
    finding = only(judge_consumers({handler("runner.grants"): None}), "bus.no_consumer")
    assert "runner-grants of SMARTOPS is missing: runner" in finding.text
    of_commands = only(judge_consumers({handler("planner.intents"): None}), "bus.no_consumer")
    assert "SMARTOPS_COMMANDS" in of_commands.text


def test_messages_that_nobody_pulls_are_a_problem_told_once_per_service() -> None:
    idle = {
        handler("runner.grants"): Consumer(pending=4, waiting=0),
        handler("runner.calls"): Consumer(pending=0, waiting=0),
    }
    finding = only(judge_consumers(idle), "bus.nobody_pulls")
    assert finding.text.endswith(": 4 for runner-grants")
    assert "Start runner" in finding.advice


def test_a_service_that_nobody_misses_yet_is_a_warning() -> None:
    idle = {handler("runner.grants"): Consumer(pending=0, waiting=0)}
    assert only(judge_consumers(idle), "bus.nobody_listens").level is Level.WARNING


def test_a_handler_far_behind_is_a_warning() -> None:
    behind = {handler("runner.grants"): Consumer(pending=MANY + 1, waiting=1)}
    assert only(judge_consumers(behind), "bus.behind").level is Level.WARNING


# ---- database ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unreachable("The database", "x", "y"), "database.unreachable"),
        (Unauthorised("The database", "the reader"), "database.refused"),
        (Outdated("no such view"), "database.outdated"),
        (SdkError("division by zero"), "database.failed"),
    ],
)
def test_each_failure_of_the_database_has_its_advice(error: SdkError, code: str) -> None:
    assert only([judge_failure(error, "127.0.0.1:5432")], code).level is Level.PROBLEM


def test_views_that_follow_are_well_and_a_moment_behind_is_no_matter() -> None:
    assert judge_lag("acme", Lag(10, 0, None)) == []
    assert judge_lag("acme", Lag(10, 3, LATE)) == []


def test_views_that_stand_still_are_a_problem() -> None:
    finding = only(judge_lag("acme", Lag(10, 3, timedelta(minutes=2))), "database.behind")
    assert "3 events behind the log, the oldest 2 min old" in finding.text


def test_a_tenant_without_events_may_be_the_wrong_one() -> None:
    assert "'acme'" in only(judge_lag("acme", None), "database.no_events").text


def test_parked_triggers_are_told_with_the_first_reason() -> None:
    rows: list[dict[str, Any]] = [
        {"handler": "runner.calls", "reason": "malformed: x"},
        {"handler": "policy.plans", "reason": "other"},
    ]
    finding = only(judge_parked(rows), "database.parked")
    assert finding.text == "2 triggers parked, at policy.plans, runner.calls: malformed: x"
    assert judge_parked([]) == []


def test_clocks_that_differ_are_told_in_both_directions() -> None:
    near, far, slow = timedelta(milliseconds=900), timedelta(seconds=3), timedelta(seconds=6)
    assert judge_clocks(near, timedelta(0)) == []
    assert "3 s ahead of" in only(judge_clocks(far, timedelta(0)), "database.clock").text
    assert "3 s behind" in only(judge_clocks(-far, timedelta(0)), "database.clock").text
    assert judge_clocks(far, slow) == [], "half of a slow round trip may be all on one side"


# ---- services ----------------------------------------------------------------------------------


def test_a_service_is_not_ready_for_reasons_that_become_advice(tmp_path: Path) -> None:
    reasons = (("consumers", "planner-intents is missing"), ("policy", "another bundle"))
    finding = only(
        judge_service(tmp_path, "planner", Answer("http://x", 503, reasons)), "services.not_ready"
    )
    assert "consumers: planner-intents is missing; policy: another bundle" in finding.text
    assert "provisioner" in finding.advice
    assert "policy activate" in finding.advice
    assert judge_service(tmp_path, "planner", Answer("http://x", 200)) == []


def test_how_code_of_plans_is_fenced_in_is_told() -> None:
    held = Answer("http://x", 200, notes=(("sandbox", "landlock (limits, seccomp, landlock 7)"),))
    assert only(judge_notes(held), "services.sandbox").level is Level.OK
    none = Answer("http://x", 200, notes=(("sandbox", "none, so computed steps are refused: x"),))
    missing = only(judge_notes(none), "services.no_sandbox")
    assert missing.level is Level.WARNING
    assert "bubblewrap" in missing.advice
    other = Answer("http://x", 200, notes=(("bundle", "sha256:12, which is not in force"),))
    differs = only(judge_notes(other), "services.other_policy")
    assert differs.level is Level.WARNING
    assert "policy propose" in differs.advice
    assert judge_notes(Answer("http://x", 200, notes=(("bundle", "in force"),))) == []
    assert judge_notes(Answer("http://x", 200)) == []


def test_a_service_without_reasons_points_to_its_log(tmp_path: Path) -> None:
    finding = only(judge_service(tmp_path, "audit", Answer("http://x", 500)), "services.not_ready")
    assert "audit.log" in finding.advice


async def test_without_a_running_stack_nothing_is_asked(tmp_path: Path) -> None:
    assert only(await look_at_services(tmp_path), "services.not_local").level is Level.WARNING


@contextmanager
def page(status: int, body: bytes) -> Iterator[str]:
    """A service that answers so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_pages_are_asked_where_services_say_they_are_now(tmp_path: Path) -> None:
    reasons = {"reasons": [{"part": "bus", "trouble": "not connected"}]}
    gone = {"health_url": "http://127.0.0.1:1"}
    with page(503, json.dumps(reasons).encode()) as sick, page(200, b"{}") as fine:
        services = {name: {"health_url": fine} for name in SERVICES} | {
            "runner": gone,
            "policy": gone,
        }
        write(tmp_path / "run.json", json.dumps({"pid": os.getpid(), "services": services}))
        write(tmp_path / "run/policy.health", sick)
        found = await look_at_services(tmp_path)

    assert [(one.code, one.text.split()[0]) for one in found] == [
        ("services.not_ready", "policy"),
        ("services.silent", "runner"),
    ]
    assert "bus: not connected" in found[0].text


async def test_a_dead_supervisor_and_services_that_were_left_out_are_told(tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec("true")
    await child.wait()
    write(tmp_path / "run.json", json.dumps({"pid": child.pid, "services": {}}))

    codes = [one.code for one in await look_at_services(tmp_path)]

    assert codes == ["services.no_supervisor"] + ["services.left_out"] * len(SERVICES)


# ---- all of it ---------------------------------------------------------------------------------


def test_exit_codes_tell_what_a_script_may_conclude() -> None:
    away = judge_refusal("nats://x", "operator", OSError("x"))
    wrong = only(judge_account("operator", "SERVICES"), "bus.account")
    assert exit_of([well("bus", "connected", "x")]) is Exit.OK
    assert exit_of([warning("home", "open_file", "x", "y")]) is Exit.OK
    assert exit_of([wrong]) is Exit.FAILURE
    assert exit_of([wrong, away]) is Exit.UNREACHABLE


def test_the_document_counts_and_lists() -> None:
    told = document([well("bus", "connected", "x"), warning("home", "open_file", "x", "y")])
    assert (told["healthy"], told["problems"], told["warnings"]) == (True, 0, 1)
    assert told["findings"][1] == {
        "part": "home",
        "code": "home.open_file",
        "level": "warning",
        "text": "x",
        "advice": "y",
    }


def test_the_command_without_an_installation(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--json", "--home", str(tmp_path)])
    told = json.loads(capsys.readouterr().out)
    assert (ended.value.code, told["healthy"]) == (7, False)


def test_the_command_teaches_by_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--help"])
    out = capsys.readouterr().out
    assert ended.value.code == 0
    assert "smartops doctor --as approver" in out


# ---- full disks --------------------------------------------------------------------------------


def test_a_disk_without_room_is_named_with_what_lies_there(tmp_path: Path) -> None:
    assert judge_room(tmp_path, "the bus's store lies", ROOM_BYTES) == []
    finding = only(judge_room(tmp_path, "the bus's store lies", 3 << 20), "home.disk_full")
    assert finding.level is Level.PROBLEM
    assert finding.text == f"the disk of {tmp_path}, where the bus's store lies, has 3 MiB left"


def test_a_bus_that_runs_and_does_not_work_is_told_with_its_own_words() -> None:
    assert judge_health(None) == []
    said = "JetStream stream 'STREAMS > SMARTOPS' write error: no space left on device"
    finding = only(judge_health(said), "bus.unhealthy")
    assert finding.level is Level.PROBLEM
    assert said in finding.text
    assert "until the server is restarted" in finding.advice


def test_commands_that_are_decided_and_still_there_are_no_problem() -> None:
    idle = [Consumer(0, 1), Consumer(0, 1)]
    after = {"messages": 2, "first_seq": 7}
    finding = only(judge_left_behind(7, after, idle), "bus.left_behind")
    assert finding.level is Level.WARNING


@pytest.mark.parametrize(
    ("first", "after", "consumer"),
    [
        (7, {"messages": 0, "first_seq": 8}, Consumer(0, 1)),
        (6, {"messages": 2, "first_seq": 7}, Consumer(0, 1)),
        (7, {"messages": 2, "first_seq": 7}, Consumer(1, 1)),
        (7, {"messages": 2, "first_seq": 7}, Consumer(0, 1, 1)),
        (7, {"messages": 2, "first_seq": 7}, None),
    ],
    ids=["none", "they flow", "one waits", "one is in hand", "nobody would know"],
)
def test_commands_that_may_still_be_decided_are_not_told(
    first: int, after: dict[str, int], consumer: Consumer | None
) -> None:
    assert judge_left_behind(first, after, [Consumer(0, 1), consumer]) == []


def test_a_restore_is_told_with_the_writes_that_the_log_does_not_know(tmp_path: Path) -> None:
    assert look_at_restores(tmp_path) == []
    kept = tmp_path / "replaced-20260301T120000Z"
    kept.mkdir()
    call = {"tool": "fleet.set_version", "idempotence": "idempotent", "outcome": "completed"}
    report = {
        "position": 700,
        "at": "2026-03-01T12:00:00+00:00",
        "discarded": {
            "topics": {"task.submitted.v1": 1, "tool.call.dispatched.v1": 4},
            "calls": [{**call, "target": f"web-0{n}"} for n in range(1, 5)],
        },
    }
    (kept / "restored.json").write_text(json.dumps(report), encoding="utf-8")
    [found] = look_at_restores(tmp_path)
    assert (found.code, found.level) == ("history.rewound", Level.WARNING)
    assert "rewound to position 700" in found.text
    assert "5 events that outsiders may know" in found.text
    assert "ahead by 4 writes: fleet.set_version on web-01" in found.text
    assert "1 more" in found.text
    assert str(kept) in found.advice
    report["discarded"] = {"topics": {}, "calls": []}
    (kept / "restored.json").write_text(json.dumps(report), encoding="utf-8")
    assert "nothing was given up" in look_at_restores(tmp_path)[0].text
    (kept / "restored.json").write_text("{", encoding="utf-8")
    assert look_at_restores(tmp_path)[0].code == "history.unreadable_report"
