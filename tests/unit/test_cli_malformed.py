"""What people mistype: told in their own words, with exit code 2, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer.main
from pydantic import BaseModel, ValidationError
from smartops.contracts import commands as c
from smartops.contracts.bounds import Limits
from smartops.contracts.constraints import Constraints
from smartops.contracts.editing import Edit
from smartops.sdk import errors
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.main import app, main
from smartops.sdk.cli.malformed import complaint
from smartops.sdk.cli.session import Options, Session, fail
from smartops.sdk.orders import Order

TASK = UUID(int=1)
LONG = "x" * 2001


def failed(make: Callable[..., object], **fields: Any) -> ValidationError:
    with pytest.raises(ValidationError) as found:
        make(**fields)
    return found.value


def code_of(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("make", "fields", "told"),
    [
        (c.RunPause, {"task": TASK, "reason": ""}, "--reason: may not be empty"),
        (c.RunHalt, {"task": TASK, "reason": LONG}, "--reason: may have 2000 characters at most"),
        (c.IntentSubmit, {"intent": "Fix"}, "TEXT: needs 5 characters at least"),
        (
            c.IntentSubmit,
            {"intent": "Fix it all", "tags": ["No Spaces"]},
            "--tag: 'No Spaces' is not of the form",
        ),
        (
            c.IntentSubmit,
            {"intent": "Fix it all", "context": {"scope": {"asset_ids": ["web-1", "a b"]}}},
            "--target: 'a b' is not of the form",
        ),
        (
            c.IntentSubmit,
            {"intent": "Fix it all", "context": {"steps": [{"tool": "t", "target": ""}]}},
            "--steps 0.target: ",
        ),
        (Constraints, {"exclude_assets": ("",)}, "--exclude: '' is not of the form"),
        (Limits, {"max_targets": 0}, "--max-targets: Input should be"),
        (Limits, {"condition": "x" * 501}, "--while: may have 500 characters at most"),
        (Edit, {"phases": [{"phase": "wave", "batch": 0}]}, "--batch: Input should be"),
        (Edit, {"phases": [{"phase": "wave", "wait_ms": -1}]}, "--wait: Input should be"),
        (Edit, {"exclude": ["no such name!"]}, "--exclude: 'no such name!' is not of the form"),
        (Edit, {"changes": [{"tool": "t", "argument": "", "value": 1}]}, "--set 0.argument: "),
    ],
)
def test_the_option_is_named_and_why(
    make: Callable[..., object], fields: dict[str, Any], told: str
) -> None:
    said = complaint(failed(make, **fields))
    assert said is not None
    assert said.startswith(told)


def test_what_others_wrote_is_not_told_as_if_it_had_been_typed() -> None:
    class Row(BaseModel):
        reason: int

    wrong = failed(Row, reason="x")
    assert complaint(wrong) is None
    session = Session(Options(Path("x"), "operator", json=False, prefix=None))
    with pytest.raises(ValidationError):
        fail(session, wrong)


@pytest.mark.parametrize("ident", ["", "a b", "a.b", "x" * 129])
def test_a_command_that_no_subject_can_hold_is_not_sent(ident: str) -> None:
    with pytest.raises(errors.BadId, match="letters, digits"):
        Order("acme", "me", c.RunPause(task=TASK, reason="x"), ident)


_BAD = ("--reason", "x", "--id", "a b")


@pytest.mark.parametrize(
    "arguments",
    [
        ("pause", "3f2a", *_BAD),
        ("policy", "sign", "3f2a", *_BAD),
        ("policy", "shadow", "3f2a", *_BAD),
        ("parked", "retry", "3f2a", *_BAD),
        ("autonomy", "lower", "drift", "1", *_BAD),
        ("autonomy", "lower", "drift", "4", "--reason", "x"),
        ("autonomy", "lower", "drift", "1", "--environment", "prod", "--reason", "x"),
        ("autonomy", "show", "drift", "--environment", "prod"),
        ("policy", "replay", "--bundle", "x", "--entrypoint", "gat"),
        ("policy", "replay", "--bundle", "x", "--since", "99999999999999d"),
        ("policy", "replay", "--bundle", "x", "--since", "2999-01-01T00:00"),
        ("reject", "3f2a", "--yes", "--reason", "x", "--replan", "--exclude", "a b"),
    ],
)
def test_nothing_is_asked_of_an_installation_about_what_cannot_be(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    # Without an installation anything else ends with code 7.
    assert code_of(*arguments, "--home", str(tmp_path)) == Exit.USAGE


def _helps(command: Any, name: str) -> Iterator[tuple[str, str]]:
    yield name, (command.help or "").partition("\n")[0]
    for word, below in getattr(command, "commands", {}).items():
        yield from _helps(below, f"{name} {word}")


@pytest.mark.parametrize(
    ("name", "line"), list(_helps(typer.main.get_command(app), "smartops")), ids=lambda text: text
)
def test_the_line_that_lists_a_command_is_a_whole_sentence(name: str, line: str) -> None:
    assert line.endswith("."), name
