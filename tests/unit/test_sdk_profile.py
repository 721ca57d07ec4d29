"""Profiles: where an installation is, and as whom one talks to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from smartops.sdk.errors import NoIdentity, NoProfile
from smartops.sdk.profile import Profile

WRITTEN = {
    "nats_url": "nats://127.0.0.1:4222",
    "reader_dsn": "postgresql://smartops_reader:secret@127.0.0.1:5432/postgres",
    "tenant": "acme",
    "prefix": "smartops",
    "principals": {"operator": "aaaa", "approver": "bbbb"},
    "monitor_url": None,
}


def written(home: Path, **changed: object) -> Path:
    (home / "profile.json").write_text(json.dumps({**WRITTEN, **changed}))
    return home


def test_a_profile_is_read_from_its_home(tmp_path: Path) -> None:
    profile = Profile.load(written(tmp_path))
    assert (profile.tenant, profile.prefix) == ("acme", "smartops")
    assert profile.principal("approver") == "bbbb"
    assert profile.name_of("aaaa") == "operator"
    assert profile.name_of("cccc") is None


def test_a_profile_does_not_print_its_password(tmp_path: Path) -> None:
    assert "secret" not in repr(Profile.load(written(tmp_path)))


def test_a_missing_profile_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(NoProfile, match=r"`smartops up`.*\$SMARTOPS_HOME"):
        Profile.load(tmp_path / "nowhere")


def test_a_broken_profile_names_what_is_missing(tmp_path: Path) -> None:
    home = written(tmp_path)
    (home / "profile.json").write_text('{"nats_url": "nats://x"}')
    with pytest.raises(NoProfile, match="reader_dsn"):
        Profile.load(home)


def test_a_profile_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text("{")
    with pytest.raises(NoProfile, match="cannot be read"):
        Profile.load(tmp_path)


def test_an_unknown_identity_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(NoIdentity, match="known: approver, operator"):
        Profile.load(written(tmp_path)).principal("bob")


def test_an_identity_without_its_seed_has_no_credentials(tmp_path: Path) -> None:
    profile = Profile.load(written(tmp_path))
    with pytest.raises(NoIdentity):
        profile.seed_path("operator")
    (tmp_path / "credentials").mkdir()
    seed = tmp_path / "credentials" / "operator.nk"
    seed.write_text("SU...")
    assert profile.seed_path("operator") == seed


def test_an_identity_is_no_path(tmp_path: Path) -> None:
    (tmp_path / "profile.nk").write_text("SU...")
    with pytest.raises(NoIdentity):
        Profile.load(written(tmp_path)).seed_path("../profile")


def test_another_prefix_changes_nothing_else(tmp_path: Path) -> None:
    profile = Profile.load(written(tmp_path))
    assert profile.with_prefix("") == Profile.load(written(tmp_path, prefix=""))
