"""What is shown where there is little room, or no terminal at all."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from smartops.sdk.cli.commands.inbox import _wanted
from smartops.sdk.cli.commands.intents import _decide
from smartops.sdk.cli.session import Options, Session, Trimmed
from smartops.sdk.cli.tables import table

HEADS = ["task", "plan", "risk", "environment", "what", "asked by", "voices", "due"]
ROW = [
    *("17352f12", "2", "high", "production", "Remediate 1 drifted of 12", "operator (local)"),
    *("2 of 2", "approved: broken glass"),
]


@pytest.mark.parametrize("width", [72, 80, 100, 120])
def test_what_it_is_about_is_told_on_narrow_terminals_too(width: int) -> None:
    written = io.StringIO()
    Console(file=written, width=width).print(table(HEADS, [ROW], last="due or decided"))
    head, _, line = written.getvalue().splitlines()
    assert "what" in head
    assert "Remediate" in line
    assert "17352f12" in line
    assert max(map(len, written.getvalue().splitlines())) <= width


def test_a_table_is_no_wider_than_its_words_need() -> None:
    written = io.StringIO()
    Console(file=written, width=200).print(table(HEADS, [ROW]))
    assert all(word in written.getvalue() for word in [*HEADS, *ROW])
    assert max(map(len, written.getvalue().splitlines())) == sum(
        max(len(head), len(cell)) for head, cell in zip(HEADS, ROW, strict=True)
    ) + 3 * (len(HEADS) - 1)


def test_lines_end_where_their_words_end_if_nobody_looks() -> None:
    written = io.StringIO()
    Console(file=Trimmed(written), width=100).print(table(["what", "since"], [["a b", "now"]]))  # type: ignore[arg-type]
    lines = written.getvalue().splitlines()
    assert lines == [line.rstrip(" ") for line in lines]
    assert "a b" in lines[-1]


def test_a_session_without_a_terminal_writes_so(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(Options(Path("x"), "operator", json=False, prefix=None))
    session.show(table(["what", "since"], [["longer than its head", "1"], ["x", "2"]]))
    out = capsys.readouterr().out
    assert " \n" not in out


def test_what_others_wrote_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(Options(Path("x"), "operator", json=False, prefix=None))
    session.show("refused by [/policy] of [red]acme :smile:")
    assert capsys.readouterr().out == "refused by [/policy] of [red]acme :smile:\n"


def asked(quorum: int, roles: list[str], *held: str) -> dict[str, Any]:
    voices = [{"roles": [role]} for role in held]
    return {
        "quorum": quorum,
        "roles": roles,
        "voices": voices,
        "decided_by": voices,
        "escalated": [],
    }


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (asked(1, ["approver"]), "1 voice, of somebody with the role approver"),
        (asked(1, []), "1 voice"),
        (
            asked(2, ["approver", "senior-approver"]),
            "2 voices, between them the roles approver and senior-approver",
        ),
        (
            asked(2, ["approver", "senior-approver"], "approver"),
            "1 further voice, of somebody with the role senior-approver",
        ),
        (
            asked(3, ["approver", "senior-approver"], "approver"),
            "2 further voices, one of them of somebody with the role senior-approver",
        ),
        (asked(2, ["approver"], "approver"), "1 further voice"),
    ],
)
def test_who_is_still_wanted_is_said_in_words(row: dict[str, Any], told: str) -> None:
    assert _wanted(row) == told


@pytest.mark.parametrize(
    ("requester", "editor", "name"),
    [("o", None, "approver"), ("a", None, "NAME"), ("o", "a", "NAME"), ("o", "o", "approver")],
)
def test_nobody_is_named_as_decider_who_had_a_hand_in_the_plan(
    requester: str, editor: str | None, name: str
) -> None:
    session = Session(Options(Path(".smartops"), "operator", json=False, prefix=None))
    client: Any = SimpleNamespace(profile=SimpleNamespace(principals={"approver": "a"}))
    header = SimpleNamespace(
        task="3f2a91c4-0000",
        requester=SimpleNamespace(principal=requester),
        editor=None if editor is None else SimpleNamespace(principal=editor),
    )
    card: Any = SimpleNamespace(plan=SimpleNamespace(header=header))
    assert _decide(session, client, card) == f"Decide: smartops --as {name} approve 3f2a91c4"
