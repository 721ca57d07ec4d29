"""The command line itself: help, errors, exit codes, options anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from smartops.contracts.wire import Environment
from smartops.sdk import errors
from smartops.sdk.cli.commands.intents import submit
from smartops.sdk.cli.exits import Exit, of_course, of_error
from smartops.sdk.cli.hints import hint
from smartops.sdk.cli.hoisting import hoist
from smartops.sdk.cli.main import main
from smartops.sdk.cli.session import Options, Session
from smartops.sdk.course import Course, Outcome

COMMANDS = [
    *("up", "demo", "submit", "watch", "tasks", "task", "approvals", "approve", "edit", "reject"),
    *("pause", "resume", "cancel", "revoke", "halt", "call", "events", "parked", "tools", "doctor"),
]


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_teaches_by_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = outcome(capsys, command, "--help")
    assert code == 0
    assert "Example" in out
    assert f"smartops {command}" in out or f"--json {command}" in out or "approver" in out


def test_the_help_lists_every_command_and_the_exit_codes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = outcome(capsys, "--help")
    assert code == 0
    for command in [*COMMANDS, "audit"]:
        assert f"\n  {command} " in out
    for number in Exit:
        assert f"{number.value} " in out[out.index("Exit codes:") :]


def test_the_environments_are_those_of_the_contract() -> None:
    hint = get_type_hints(submit)["env"]
    assert list(get_args(hint)) == [environment.value for environment in Environment]


def test_without_an_installation_one_is_told_to_start_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = outcome(capsys, "--home", str(tmp_path), "tasks")
    assert code == Exit.UNREACHABLE
    assert "`smartops up`" in err
    assert out == ""


def test_in_json_an_error_is_a_document_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = outcome(capsys, "tasks", "--home", str(tmp_path), "--json")
    assert code == Exit.UNREACHABLE
    assert json.loads(out)["error"]["code"] == "no_profile"


def test_a_typo_is_a_usage_error_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = outcome(capsys, "aprove", "3f2a")
    assert code == Exit.USAGE
    assert "Did you mean 'approve'" in err


def test_an_intent_that_breaks_the_contract_names_the_option(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = outcome(capsys, "submit", "Fix it all", "--tag", "No Spaces", "--home", "x")
    assert code == Exit.USAGE
    assert err.startswith("usage: --tag: ")
    code, _, err = outcome(capsys, "submit", "Fix")
    assert (code, "TEXT" in err) == (Exit.USAGE, True)


def test_a_command_id_that_would_break_its_subject_is_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = outcome(capsys, "submit", "Fix it all", "--id", "a.b")
    assert code == Exit.USAGE
    assert "--id" in err


def test_nobody_is_asked_where_nobody_sits(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = outcome(capsys, "approve", "3f2a", "--home", str(tmp_path))
    assert code == Exit.USAGE
    assert "--yes" in err


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["approve", "3f", "--as", "approver"], ["--as", "approver", "approve", "3f"]),
        (["tasks", "--json"], ["--json", "tasks"]),
        (["tasks", "--home=/x", "--prefix", "p"], ["--home=/x", "--prefix", "p", "tasks"]),
        (["submit", "--", "--json"], ["submit", "--", "--json"]),
        (["submit", "make it --json"], ["submit", "make it --json"]),
        (["tasks", "--home"], ["--home", "tasks"]),
    ],
)
def test_global_options_may_stand_anywhere(given: list[str], expected: list[str]) -> None:
    assert hoist(given) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.Refused("four_eyes", "not you"), Exit.REFUSED),
        (errors.Refused("unknown", "a service may use any code"), Exit.REFUSED),
        (errors.Unknown("no answer", find_out="look"), Exit.UNKNOWN),
        (errors.Unreachable("The bus", "here", "refused"), Exit.UNREACHABLE),
        (errors.Unauthorised("The bus", "operator"), Exit.UNREACHABLE),
        (errors.NotSent("intent.submit", "full"), Exit.UNREACHABLE),
        (errors.NoProfile(Path("x")), Exit.UNREACHABLE),
        (errors.NoIdentity("bob", ()), Exit.USAGE),
        (errors.Ambiguous("3f2a", ()), Exit.USAGE),
        (errors.NotFound("no such task"), Exit.FAILURE),
        (errors.Unverified("changed"), Exit.FAILURE),
        (errors.Outdated("v_parked"), Exit.FAILURE),
    ],
)
def test_each_error_has_its_exit_code(error: errors.SdkError, expected: Exit) -> None:
    assert of_error(error) is expected


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        ("completed", Exit.OK),
        ("rolled_back", Exit.ROLLED_BACK),
        ("rejected", Exit.REFUSED),
        ("failed_retryable", Exit.FAILURE),
        ("failed_terminal", Exit.FAILURE),
        ("escalated_to_human", Exit.FAILURE),
        ("cancelled", Exit.FAILURE),
    ],
)
def test_each_outcome_has_its_exit_code(ended: Outcome, expected: Exit) -> None:
    assert of_course(Course(outcome=ended)) is expected


def test_who_stops_watching_learns_whether_a_person_is_waited_for() -> None:
    assert of_course(Course(waiting=True)) is Exit.WAITING
    assert of_course(Course()) is Exit.UNKNOWN


@pytest.mark.parametrize("code", ["four_eyes", "forbidden", "unmapped"])
def test_who_may_not_decide_is_told_of_the_other_identity(code: str) -> None:
    session = Session(Options(Path(".smartops"), "operator", json=False, prefix=None))
    assert "`--as approver`" in hint(errors.Refused(code, "not you"), session)


def test_advice_repeats_the_home_that_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(Options(Path("/x y"), "operator", json=False, prefix=None))
    assert session.command("tasks") == "smartops --home '/x y' tasks"
    monkeypatch.setenv("SMARTOPS_HOME", "/x y")
    assert session.command("tasks") == "smartops tasks"


def test_an_unknown_status_is_answered_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = outcome(capsys, "tasks", "--status", "done")
    assert code == Exit.USAGE
    assert "needs_approval" in err
