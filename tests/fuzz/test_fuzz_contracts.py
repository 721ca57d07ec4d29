"""The coverage-guided search itself: it runs, it ends in time, and it says what it found."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.readers import tagged
from fuzz.seeds import seeds

HERE = Path(__file__).parent
SCRIPT = HERE / "fuzz_contracts.py"

searches = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is there for Linux on x86-64 only"
)

BROKEN = """
import sys
from pathlib import Path
sys.path[:0] = [{here!r}, {tests!r}]
import fuzz.readers, fuzz_contracts
def broken(raw):
    if b"planned" in raw:
        raise IndexError("planted")
fuzz.readers.read_tagged = broken
fuzz_contracts._search(Path({work!r}), Path({findings!r}), 30)
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@searches
def test_a_search_of_a_few_seconds_finds_nothing_and_says_how_far_it_came(tmp_path: Path) -> None:
    ended = run(SCRIPT, "--seconds", 3, "--findings", tmp_path)
    assert ended.returncode == 0, ended.stderr
    inputs, _, told = ended.stdout.partition(" ")
    assert int(inputs) > len(seeds())
    assert "no finding" in told
    assert list(tmp_path.iterdir()) == []


@searches
def test_a_foreign_error_ends_the_search_and_keeps_its_input(tmp_path: Path) -> None:
    findings = tmp_path / "findings"
    script = BROKEN.format(
        here=str(HERE), tests=str(HERE.parent), work=str(tmp_path), findings=str(findings)
    )
    ended = run("-c", script)
    assert ended.returncode != 0
    assert "IndexError: planted" in ended.stdout + ended.stderr
    assert "broke on b'" in ended.stderr
    (kept,) = findings.glob("crash-*")
    assert b"planned" in kept.read_bytes()


def test_a_kept_input_is_read_again_alone(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(tagged("stream", b"acme/gate-1"))
    assert run(SCRIPT, "--replay", kept).stdout == "let through\n"
    kept.write_bytes(tagged("stream", b"acme"))
    assert run(SCRIPT, "--replay", kept).stdout == "refused\n"
