"""The bootstrap: what it installs is pinned, whoever's index it comes from."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "scripts" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", name)[0]).lower()


def locked_names() -> set[str]:
    return set(
        re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    )


def test_every_requirement_is_pinned_by_hash_and_names_no_index(bootstrap: ModuleType) -> None:
    blocks = [bootstrap.block_of(name) for name in locked_names()]
    assert len(blocks) > 50
    assert [block for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_the_lock_names_every_dependency_of_ours(bootstrap: ModuleType) -> None:
    root = bootstrap.toml(ROOT / "pyproject.toml")
    wanted = {plain(name) for name in root["dependency-groups"]["dev"]}
    ours = {plain(bootstrap.name_of(member)) for member in bootstrap.members()}
    for member in bootstrap.members():
        project: dict[str, Any] = bootstrap.toml(member / "pyproject.toml")["project"]
        wanted |= {plain(name) for name in project.get("dependencies", [])}
    wanted |= {"uv", "hatchling", "editables"}
    assert sorted(wanted - ours - locked_names()) == [], "run `make lock`"


def test_what_pip_is_told_is_passed_on_to_uv(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = tmp_path / "authority.pem"
    authority.touch()
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://more.example/a file:///b http://c.example")
    monkeypatch.setenv("PIP_CERT", str(authority))
    monkeypatch.setenv("PIP_TARGET", "/somewhere/else")
    environment = bootstrap.tool_environment()
    assert environment["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert environment["UV_INDEX"] == "https://more.example/a http://c.example"
    assert environment["SSL_CERT_FILE"] == str(authority)
    assert "PIP_TARGET" not in environment


def test_what_uv_is_told_itself_stands(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://own.example/simple")
    assert bootstrap.tool_environment()["UV_DEFAULT_INDEX"] == "https://own.example/simple"


def test_a_changed_dependency_or_place_makes_the_setup_run_again(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / "a place"
    (place / "libs" / "one").mkdir(parents=True)
    workspace = '[tool.uv.workspace]\nmembers = ["libs/*"]\n'
    (place / "pyproject.toml").write_text(workspace)
    (place / "libs" / "one" / "pyproject.toml").write_text('[project]\nname = "one"\n')
    (place / "requirements.lock").write_text("a==1\n")
    monkeypatch.setattr(bootstrap, "ROOT", place)
    monkeypatch.setattr(bootstrap, "LOCK", place / "requirements.lock")
    stamps = [bootstrap.wanted_stamp(), bootstrap.wanted_stamp()]
    (place / "libs" / "one" / "pyproject.toml").write_text('[project]\nname = "two"\n')
    stamps.append(bootstrap.wanted_stamp())
    (place / "requirements.lock").write_text("a==2\n")
    stamps.append(bootstrap.wanted_stamp())
    moved = place.rename(tmp_path / "another")
    monkeypatch.setattr(bootstrap, "ROOT", moved)
    monkeypatch.setattr(bootstrap, "LOCK", moved / "requirements.lock")
    stamps.append(bootstrap.wanted_stamp())
    assert stamps[0] == stamps[1]
    assert len(set(stamps)) == 4


def test_make_alone_lists_every_target() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    targets = re.findall(r"^ +make ([\w-]+) ", listed.stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert targets == phony[1].split()
