"""Pages are true: links and commands exist, code compiles, generated parts are fresh."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main
from smartops.sdk.cli.hoisting import hoist
from smartops.sdk.cli.main import app
from support.handbook import (
    ROOT,
    Block,
    Shown,
    blocks,
    generator,
    make_targets,
    pages,
    prose,
    shown,
)

PAGES = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages()]
OURS = [
    pytest.param(page, id=str(page.relative_to(ROOT)))
    for page in pages()
    if page.parent == ROOT
    or any(ROOT / folder in page.parents for folder in ("docs", "services", "libs", "infra"))
]

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_NOT_FOR_PAGES = re.compile(
    r"/work/|/tmp/|/root/|pythonhosted|pypi\.org|artifactory|\bTODO\b|\bFIXME\b|\blocalhost\b"
    r"|\bChatGPT\b|\bClaude\b|\bCopilot\b",
    re.IGNORECASE,
)


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose(page), re.MULTILINE):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found.add(re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in _anchors(target), f"{link}: there is no such heading"


@pytest.mark.parametrize("page", PAGES)
def test_python_compiles(page: Path) -> None:
    for block in blocks(page, "python"):
        # Short examples may await at their top level; those that stand alone are run elsewhere.
        compile(block.text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


_TO_RUN = [block for page in pages() for block in blocks(page, "python run")]


@pytest.mark.parametrize("block", _TO_RUN, ids=lambda block: block.page.stem)
def test_python_that_is_to_be_run_runs(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)  # dataclasses look themselves up
    exec(compile(block.text, str(block.page), "exec"), module.__dict__)


def test_some_blocks_are_run() -> None:
    assert len(_TO_RUN) >= 3


@pytest.mark.parametrize("page", PAGES)
def test_json_is_json(page: Path) -> None:
    for block in blocks(page, "json"):
        json.loads(block.text)


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_the_command_line_exist(page: Path) -> None:
    for call in shown(page, "smartops"):
        _resolve(call)


def _resolve(call: Shown) -> None:
    words = iter(hoist(list(call.words[1:])))
    command: Any = typer.main.get_command(app)
    for word in words:
        if word.startswith("-"):
            name, equals, _ = word.partition("=")
            option = next((p for p in command.params if name in p.opts + p.secondary_opts), None)
            if name in {"--help", "-h"}:
                continue
            assert option is not None, f"{' '.join(call.words)}: there is no option {name}"
            if not equals and not option.is_flag:
                next(words, None)
        elif hasattr(command, "commands"):
            assert word in command.commands, f"{' '.join(call.words)}: there is no command {word}"
            command = command.commands[word]


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for words in (
        ("smartops", "sumbit", "x"),
        ("smartops", "submit", "x", "--wach"),
        ("smartops", "audit", "verfy"),
    ):
        with pytest.raises(AssertionError):
            _resolve(Shown(ROOT, words))


def test_the_pages_show_commands() -> None:
    calls = {call.words[1:3] for page in pages() for call in shown(page, "smartops")}
    assert ("--as", "approver") in calls
    assert len(calls) > 20


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page: Path) -> None:
    for call in shown(page, "make"):
        for word in call.words[1:]:
            if re.fullmatch(r"[a-z]+", word):
                assert word in make_targets(), f"there is no `make {word}`"


def test_generated_parts_are_fresh() -> None:
    stale = [str(page.relative_to(ROOT)) for page in generator().stale()]
    assert not stale, "run .venv/bin/python docs/generate.py"


def test_every_generated_part_has_a_page() -> None:
    text = "\n".join(page.read_text("utf-8") for page in generator().pages())
    used = set(re.findall(r"<!-- generated: ([a-z_ ]+) -->", text))
    unused = set(generator().BLOCKS) - used
    # Audit's page is written by hand.
    assert unused <= {"traffic of audit"}


@pytest.mark.parametrize("page", OURS)
def test_pages_speak_of_this_repository_alone(page: Path) -> None:
    text = page.read_text("utf-8")
    found = [match[0] for match in _NOT_FOR_PAGES.finditer(text)]
    assert not found


@pytest.mark.parametrize("page", OURS)
def test_pages_have_one_title_and_no_bare_fence(page: Path) -> None:
    assert len(re.findall(r"^# ", prose(page), re.MULTILINE)) == 1
    assert all(block.info for block in blocks(page)), "say which language a block is in"
