"""What the pages tell people to type, typed, against a running stack."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from smartops.devstack.stack import StackOptions, running_stack
from support.handbook import ROOT, Block, blocks, shown

README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial" / "first-intent.md"
TO_RUN = [block for page in ROOT.glob("docs/**/*.md") for block in blocks(page, "python stack")]
PATIENCE = 60


class Ended(NamedTuple):
    """A program that has ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """A directory with an installation in it, as after `make up`."""
    directory = tmp_path_factory.mktemp("checkout")
    options = StackOptions(
        servers=3,
        canary_window=timedelta(seconds=1),
        wave_window=timedelta(milliseconds=200),
        sample_interval=timedelta(milliseconds=100),
    )
    async with running_stack(directory / ".smartops", options, handle_signals=False):
        yield directory


async def start(
    place: Path, arguments: Sequence[str], *, program: str = sys.executable
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        program,
        *arguments,
        cwd=place,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> Ended:
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def smartops(place: Path, words: Sequence[str]) -> asyncio.subprocess.Process:
    assert words[0] == "smartops"
    return await start(place, ["-m", "smartops.sdk.cli", *words[1:]])


async def approved_while_watched(
    place: Path, submit: Sequence[str], approve: Sequence[str]
) -> Ended:
    """Submit and watch in one terminal, see what waits and approve it in another."""
    watching = await smartops(place, submit)
    assert watching.stdout is not None
    seen = ""
    async with asyncio.timeout(PATIENCE):
        while "approval " not in seen:
            line = await watching.stdout.readline()
            assert line, f"it ended before it asked: {seen}"
            seen += line.decode()
    found = re.search(r"\(task ([0-9a-f]{8}), production\)", seen)
    assert found is not None
    task = found[1]

    listed = await ended(await smartops(place, ["smartops", "approvals"]))
    assert (listed.code, task in listed.out) == (0, True), listed

    words = [task if word == "TASK" else word for word in approve]
    decided = await ended(await smartops(place, [*words, "--yes"]))
    assert (decided.code, f"{task} approved" in decided.out) == (0, True), decided
    return await ended(watching)


async def test_the_first_screen_leads_from_an_intent_to_its_end(place: Path) -> None:
    submit, approvals, approve = (call.words for call in shown(README, "smartops", inline=False))
    assert approvals == ("smartops", "approvals")
    watched = await approved_while_watched(place, submit, approve)
    assert (watched.code, "completed" in watched.out) == (0, True), watched


@pytest.mark.skipif(shutil.which("curl") is None, reason="the tutorial's last part needs curl")
async def test_the_tutorial_breaks_a_server_and_sees_its_changes_taken_back(place: Path) -> None:
    (script,) = (block.text for block in blocks(TUTORIAL, "sh") if "FLEET=" in block.text)
    broken = await ended(await start(place, ["-ec", script], program="/bin/bash"))
    assert (broken.code, '"version":"2.5.0"' in broken.out.replace(" ", "")) == (0, True), broken

    calls = [call.words for call in shown(TUTORIAL, "smartops", inline=False)]
    submit = next(words for words in calls if words[1] == "submit")
    approve = next(words for words in calls if "approve" in words)
    watched = await approved_while_watched(place, submit, approve)
    assert (watched.code, "rolled back" in watched.out) == (5, True), watched


@pytest.mark.parametrize("block", TO_RUN, ids=lambda block: block.page.stem)
async def test_a_program_on_a_page_runs(place: Path, block: Block) -> None:
    program = place / f"{block.page.stem}.py"
    program.write_text(block.text, "utf-8")
    result = await ended(await start(place, [str(program)]))
    assert (result.code, result.err) == (0, "")
    assert result.out


async def test_the_program_in_the_readme_submits_a_task(place: Path) -> None:
    (block,) = blocks(README, "python stack")
    program = place / "submit.py"
    program.write_text(block.text, "utf-8")
    result = await ended(await start(place, [str(program)]))
    assert result.out.startswith("stored in SMARTOPS_COMMANDS\n")
    assert "smartops.task.submitted.v1 " in result.out
    assert "smartops.task.planned.v1 " in result.out
