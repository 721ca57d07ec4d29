"""A proof that is ended from outside leaves nothing behind, as a process and for real."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent.parent


def inhabitants(home: Path) -> list[str]:
    """What lies in a folder, and the processes that work in it."""
    found = [str(path) for path in home.iterdir()]
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = " ".join([*(process.info["cmdline"] or ()), process.info["cwd"] or ""])
        if str(home) in words:
            found.append(words)
    return found


async def test_a_signal_ends_a_proof_with_all_of_its_processes(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "benchmarks/run.py", "prove", "permissions", "--strangers", "1"),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said = []
    try:
        while not said or "bus: " not in said[-1]:
            line = (await process.stderr.readline()).decode()
            assert line, said
            said.append(line)
            assert any("postgres" in one for one in inhabitants(tmp_path))
        process.send_signal(signal.SIGTERM)
        out, rest = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 143
    assert out == b""
    assert "permissions was ended by SIGTERM" in rest.decode()
    assert "it had come to: bus: " in rest.decode()
    assert "Traceback" not in rest.decode()
    assert inhabitants(tmp_path) == []
