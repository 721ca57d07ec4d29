"""`delegation`, `standing` and `break-glass` on the command line: what is asked for, and told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Self
from uuid import UUID

import pytest
from smartops.contracts.commands import ApprovalDelegate, StandingGive
from smartops.contracts.wire import Environment, RiskLevel
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.main import main
from smartops.sdk.cli.session import Session

MANDATE = UUID("3f2a0000-0000-4000-8000-000000000001")
BEN = UUID("be000000-0000-4000-8000-000000000002")
EVENT = SimpleNamespace(id=UUID(int=7))
HELD: dict[str, Any] = {
    "name": "ada",
    "environments": ["staging"],
    "reason": "on leave",
    "ended_at": None,
    "until": datetime.now(UTC) + timedelta(hours=30),
}
DELEGATION = {**HELD, "delegation": MANDATE, "to_name": "ben", "roles": ["approver"]}
STANDING = {
    **HELD,
    "standing": MANDATE,
    "uses": 2,
    "max_uses": 20,
    "agent": "drift",
    "tools": ["apply_patch"],
    "max_targets": 5,
    "max_risk_level": "medium",
}


class House:
    """Client and reader in one: it knows what is there, and notes what it is asked."""

    def __init__(self) -> None:
        self.reader = self
        self.asked: list[tuple[Any, ...]] = []
        self.already = False
        self.rows: list[dict[str, Any]] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def actors(self) -> list[dict[str, Any]]:
        return [{"name": "ben", "actor": BEN}]

    async def tools(self) -> list[dict[str, Any]]:
        return [{"name": "apply_patch"}]

    async def agents(self) -> list[str]:
        return ["drift"]

    async def delegations(self, **_: Any) -> list[dict[str, Any]]:
        return [DELEGATION] if self.rows is None else self.rows

    async def standings(self, **_: Any) -> list[dict[str, Any]]:
        return [STANDING] if self.rows is None else self.rows

    def __getattr__(self, name: str) -> Any:
        async def ask(*what: Any, id: str | None) -> Any:  # noqa: A002 - as the client calls it
            self.asked.append((name, *what, id))
            return SimpleNamespace(mandate=MANDATE, event=EVENT, already=self.already)

        return ask


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    house = House()

    async def client(_: Session) -> House:
        return house

    monkeypatch.setattr(Session, "client", client)
    monkeypatch.setattr(Session, "reader", lambda _: house)
    return house


@pytest.fixture
def smartops(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


GIVE_VOICE = ("delegation", "give", "ben", "-e", "staging", "--until", "7d", "--reason", "on leave")
GIVE_WORD = (
    *("standing", "give", "--agent", "drift", "--tool", "apply_patch", "-e", "staging"),
    *("--until", "7d", "--uses", "20", "--max-targets", "5", "--reason", "nightly"),
)


def test_a_voice_is_handed_to_a_person_by_name(house: House, smartops: Any) -> None:
    code, out, _ = smartops(*GIVE_VOICE, "--id", "once")
    assert (code, out) == (Exit.OK, "ben may speak for you: delegation 3f2a0000\n")
    [(name, command, ident)] = house.asked
    assert (name, ident) == ("delegate", "once")
    assert isinstance(command, ApprovalDelegate)
    assert (command.to, command.roles) == (BEN, ("approver",))
    assert command.environments == (Environment("staging"),)
    assert timedelta(days=6, hours=23) < command.until - datetime.now(UTC) <= timedelta(days=7)


def test_nobody_of_that_name_is_told_who_there_is(house: House, smartops: Any) -> None:
    code, _, err = smartops(*GIVE_VOICE[:2], "bob", *GIVE_VOICE[3:])
    assert code == Exit.FAILURE
    assert "nobody is called 'bob'; there are: ben." in err
    assert house.asked == []


@pytest.mark.parametrize("words", [GIVE_VOICE, GIVE_WORD])
def test_an_environment_that_is_none_is_a_usage_error(
    house: House, smartops: Any, words: tuple[str, ...]
) -> None:
    code, _, err = smartops(*("stagin" if word == "staging" else word for word in words))
    assert code == Exit.USAGE
    assert "--environment 'stagin' is none of production" in err
    assert house.asked == []


def test_a_class_of_plans_is_agreed_to(house: House, smartops: Any) -> None:
    code, out, _ = smartops(*GIVE_WORD, "--max-risk", "low")
    assert (code, out) == (Exit.OK, "agreed to, 20 times at most: standing word 3f2a0000\n")
    [(name, command, _)] = house.asked
    assert name == "give_standing"
    assert isinstance(command, StandingGive)
    assert (command.max_uses, command.plans.max_targets) == (20, 5)
    assert (command.plans.agent, command.plans.tools) == ("drift", ("apply_patch",))
    assert command.plans.max_risk_level is RiskLevel("low")


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [("apply_patch", "aply_patch", "no tool 'aply_patch'"), ("drift", "drft", "no agent 'drft'")],
)
def test_a_class_that_nothing_can_fit_is_told_of(
    house: House, smartops: Any, right: str, wrong: str, told: str
) -> None:
    code, _, err = smartops(*(wrong if word == right else word for word in GIVE_WORD))
    assert (code, told in err, "standing revoke 3f2a0000" in err) == (Exit.OK, True, True)
    assert smartops(*GIVE_WORD)[2] == ""


@pytest.mark.parametrize("words", [GIVE_VOICE, GIVE_WORD])
def test_what_the_contract_will_not_have_is_a_usage_error(
    house: House, smartops: Any, words: tuple[str, ...]
) -> None:
    code, out, err = smartops("--json", *words[:-1], "")
    assert (code, err) == (Exit.USAGE, "usage: --reason: may not be empty\n")
    assert json.loads(out)["error"]["code"] == "usage"
    assert house.asked == []


def test_an_unknown_risk_is_a_usage_error(house: House, smartops: Any) -> None:
    code, _, err = smartops(*GIVE_WORD, "--max-risk", "some")
    assert code == Exit.USAGE
    assert "--max-risk 'some' is none of low, medium, high, critical" in err
    assert house.asked == []


ENDS = [("delegation", "end", "end_delegation"), ("standing", "revoke", "revoke_standing")]


@pytest.mark.parametrize(("group", "verb", "method"), ENDS)
@pytest.mark.parametrize("already", [False, True])
def test_the_beginning_of_an_id_is_enough_to_take_it_back(
    house: House, smartops: Any, group: str, verb: str, method: str, *, already: bool
) -> None:
    house.already = already
    code, out, _ = smartops(group, verb, "3f2a", "--reason", "enough")
    assert code == Exit.OK
    assert out == f"3f2a0000 {'had been taken back already' if already else 'ended'}\n"
    assert house.asked == [(method, MANDATE, "enough", None)]
    _, out, _ = smartops("--json", group, verb, "3f2a", "--reason", "enough")
    assert json.loads(out) == {"mandate": str(MANDATE), "already": already}


@pytest.mark.parametrize(("group", "verb", "method"), ENDS)
def test_an_id_that_names_none_is_not_found(
    house: House, smartops: Any, group: str, verb: str, method: str
) -> None:
    noun = "delegation" if group == "delegation" else "standing word"
    code, _, err = smartops(group, verb, "4a4a", "--reason", "enough")
    assert (code, f"no {noun} ids begin with '4a4a'" in err) == (Exit.FAILURE, True)
    code, _, err = smartops(group, verb, "zz", "--reason", "enough")
    assert (code, f"'zz' is no {noun} id" in err) == (Exit.FAILURE, True)
    assert house.asked == []


@pytest.mark.parametrize(
    ("group", "told"),
    [
        ("delegation", ("3f2a0000", "ada", "ben", "approver in staging: on leave", "in 30 h")),
        (
            "standing",
            (
                *("3f2a0000", "ada", "2 of 20", "in 30 h"),
                "drift in staging by apply_patch, 5 targets and medium risk at most: on leave",
            ),
        ),
    ],
)
def test_what_holds_is_listed(
    house: House, smartops: Any, group: str, told: tuple[str, ...]
) -> None:
    code, out, _ = smartops(group, "list")
    assert code == Exit.OK
    assert [part for part in told if part not in out] == []
    _, out, _ = smartops("--json", group, "list")
    assert json.loads(out)[0][group] == str(MANDATE)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ended_at": datetime.now(UTC) - timedelta(hours=2)}, "ended 2 h ago"),
        ({"until": datetime.now(UTC) - timedelta(hours=2)}, "over 2 h ago"),
    ],
)
def test_what_has_ended_says_since_when(
    house: House, smartops: Any, change: dict[str, Any], told: str
) -> None:
    house.rows = [{**DELEGATION, **change}]
    _, out, _ = smartops("delegation", "list", "--all")
    assert told in out


def test_where_nothing_holds_a_sentence_says_so(house: House, smartops: Any) -> None:
    house.rows = []
    assert smartops("delegation", "list")[1] == "Nobody speaks for somebody else.\n"
    assert smartops("standing", "list")[1] == "Nobody has agreed to anything beforehand.\n"


def test_glass_is_not_broken_without_saying_why(house: House, smartops: Any) -> None:
    code, _, err = smartops("break-glass", "3f2a", "--yes", "-j", "because")
    assert (code, "--justification needs 20 letters" in err) == (Exit.USAGE, True)
    code, _, err = smartops("break-glass", "3f2a", "-j", "customers cannot pay, all asleep")
    assert (code, "nobody can be asked here: add --yes" in err) == (Exit.USAGE, True)
    assert house.asked == []
