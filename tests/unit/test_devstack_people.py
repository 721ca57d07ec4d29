"""Whose credentials `smartops up` makes: the first two, and who stands in `actors.json`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from smartops.devstack import cli
from smartops.devstack.errors import PeopleError
from smartops.devstack.people import local_people
from smartops.devstack.stack_options import PERSONS, StackOptions


def actor(name: str, *subjects: str, tenant: str = "acme", issuer: str = "local") -> dict[str, Any]:
    principals = [{"issuer": issuer, "subject": subject} for subject in subjects]
    return {"tenant": tenant, "name": name, "roles": ["approver"], "principals": principals}


def written(home: Path, entries: object) -> Path:
    (home / "actors.json").write_text(json.dumps(entries), encoding="utf-8")
    return home


def test_a_new_installation_knows_two(tmp_path: Path) -> None:
    assert local_people(tmp_path, "acme") == dict(PERSONS)


def test_whoever_is_written_in_is_known_besides(tmp_path: Path) -> None:
    home = written(tmp_path, [actor("Ben Li", "ben", "ben-night")])
    people = local_people(home, "acme")
    assert people == {**PERSONS, "ben": ("approver",), "ben-night": ("approver",)}


def test_only_local_people_of_the_tenant_get_credentials_here(tmp_path: Path) -> None:
    entries = [
        actor("eve", "eve", tenant="globex"),
        actor("ada", "a@b.example", issuer="https://x"),
    ]
    assert local_people(written(tmp_path, entries), "acme") == dict(PERSONS)


@pytest.mark.parametrize("subject", ["", "../up", "Ben", "a b", "policy", "monitor", "x" * 33])
def test_a_name_that_no_credential_can_have_is_refused(tmp_path: Path, subject: str) -> None:
    home = written(tmp_path, [actor("ben", subject)])
    with pytest.raises(PeopleError, match=r"actors\.json: the subject"):
        local_people(home, "acme")


@pytest.mark.parametrize("entries", [7, {"a": 1}, [7], [{}], [{"tenant": "acme", "principals": 7}]])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, entries: object) -> None:
    with pytest.raises(PeopleError, match="no list of actors"):
        local_people(written(tmp_path, entries), "acme")


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "actors.json").write_text("{", encoding="utf-8")
    with pytest.raises(PeopleError, match="no list of actors"):
        local_people(tmp_path, "acme")


def test_up_starts_with_them_and_with_the_settings_of_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[StackOptions] = []

    @asynccontextmanager
    async def stack(_home: Path, options: StackOptions) -> AsyncIterator[None]:
        started.append(options)
        raise PeopleError("x", "enough")
        yield

    monkeypatch.setattr(cli, "running_stack", stack)
    monkeypatch.setenv("SMARTOPS_APPROVAL_REMINDERS", "PT8S")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    assert cli.up(written(tmp_path, [actor("ben", "ben")])) == 1
    [options] = started
    assert set(options.persons) == {*PERSONS, "ben"}
    assert options.settings["SMARTOPS_APPROVAL_REMINDERS"] == "PT8S"
    assert "AWS_SECRET_ACCESS_KEY" not in options.settings
    assert capsys.readouterr().err == "smartops up: x: enough. Correct it, then start again.\n"


def test_up_says_who_cannot_have_credentials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.up(written(tmp_path, [actor("ben", "policy")])) == 1
    assert "belongs to a service" in capsys.readouterr().err
