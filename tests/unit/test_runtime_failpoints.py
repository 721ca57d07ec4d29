"""Places at which a process kills itself exist only for proofs, and only while they are armed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from smartops.runtime import failpoints

_PROGRAM = """
import asyncio
from smartops.runtime.failpoints import reach
async def main():
    await reach("send.before", "somebody else")
    one = asyncio.create_task(reach("send.before", "one"))
    await asyncio.sleep(0.05)
    assert not one.done(), "the first is held"
    print("held", flush=True)
    await reach("send.before", "two")
    print("alive", flush=True)
asyncio.run(main())
"""


def run(folder: Path | None) -> subprocess.CompletedProcess[str]:
    """A process that comes to a place three times."""
    env = {**os.environ, "SMARTOPS_FAILPOINTS": str(folder) if folder else ""}
    program = _PROGRAM if folder else _PROGRAM.replace("assert not one.done(), ", "one.done(), ")
    return subprocess.run(
        [sys.executable, "-c", program],
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_here_there_are_none() -> None:
    assert failpoints.ARMED is False


def test_without_a_folder_nobody_is_held_or_killed() -> None:
    ended = run(None)
    assert (ended.returncode, ended.stdout) == (0, "held\nalive\n")


def test_all_that_are_waited_for_are_held_and_the_last_one_kills(tmp_path: Path) -> None:
    place = tmp_path / "send.before"
    place.write_text(json.dumps(["one", "two"]), encoding="utf-8")
    ended = run(tmp_path)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "held\n")
    assert not place.exists(), "whoever comes after lives"
