"""An experiment that a signal ends stops what it started, and says how far it came."""

from __future__ import annotations

import ast
import asyncio
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from benchmarks import run
from benchmarks.lib import experiment
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.interrupting import Interrupted, until_signalled

ROOT = Path(run.__file__).parent


@asynccontextmanager
async def house(seen: list[str]) -> AsyncIterator[None]:
    """Stands for a stack: whatever happens within, it is shut."""
    try:
        yield
    finally:
        await asyncio.sleep(0)  # Shutting waits, too.
        seen.append("shut")


def signalled(number: signal.Signals, seen: list[str], left: BaseException | None = None) -> Any:
    """A proof that is ended in its middle, and fails on its way out if it is told so."""

    async def body(_options: Namespace) -> Outcome:
        async with house(seen):
            progress("300 rounds")
            os.kill(os.getpid(), number)
            try:
                await asyncio.Event().wait()
            finally:
                if left is not None:
                    raise left
        seen.append("judged what it never saw")
        return Outcome({})

    return body


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], int]:
    """Runs a body as `prove one`; returns the exit status."""

    def runs(body: Callable[[Namespace], Coroutine[Any, Any, Outcome]]) -> int:
        def options(_parser: ArgumentParser) -> None:
            pass

        monkeypatch.setattr(experiment, "_reached", [])
        monkeypatch.setitem(
            run.EXPERIMENTS, "prove", {"one": Experiment("one", "summary", options, body)}
        )
        return run.main(["prove", "one"])

    return runs


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_stops_what_was_started_and_ends_with_its_number(
    ended: Callable[[Any], int],
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    status: int,
) -> None:
    seen: list[str] = []
    assert ended(signalled(number, seen)) == status
    assert seen == ["shut"]
    out, err = capsys.readouterr()
    assert out == ""
    assert f"one was ended by {number.name}" in err
    assert "it had come to: 300 rounds. Its processes are stopped" in err
    assert "Traceback" not in err


def test_what_goes_wrong_on_the_way_out_is_told_in_a_line(
    ended: Callable[[Any], int], capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []
    assert ended(signalled(signal.SIGTERM, seen, OSError("the server is gone"))) == 143
    assert seen == ["shut"]
    said = capsys.readouterr().err
    assert "On its way out: OSError: the server is gone." in said
    assert "Traceback" not in said


def test_an_end_before_anything_was_told_says_so(
    ended: Callable[[Any], int], capsys: pytest.CaptureFixture[str]
) -> None:
    async def at_once(_options: Namespace) -> Outcome:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
        raise AssertionError

    assert ended(at_once) == 130
    assert "at its very beginning" in capsys.readouterr().err


def test_an_error_without_a_signal_stays_one(ended: Callable[[Any], int]) -> None:
    async def fails(_options: Namespace) -> Outcome:
        raise ValueError("a defect of the proof")

    with pytest.raises(ValueError, match="a defect of the proof"):
        ended(fails)


def test_what_is_done_in_spite_of_a_signal_is_told(
    ended: Callable[[Any], int], capsys: pytest.CaptureFixture[str]
) -> None:
    """It came too late to cut anything short."""

    async def done(_options: Namespace) -> Outcome:
        return Outcome({"n": 1})

    assert ended(done) == 0
    assert '"n": 1' in capsys.readouterr().out


def test_a_second_signal_cuts_the_way_out_short() -> None:
    seen: list[str] = []

    async def slow() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            try:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.Event().wait()
            finally:
                seen.append("killed")

    with pytest.raises(Interrupted) as interrupted:
        asyncio.run(until_signalled(slow()))
    assert interrupted.value.number is signal.SIGTERM
    assert seen == ["killed"]


def calls_of(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Each call of a plain name."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node


def test_nothing_in_an_experiment_takes_the_signals_for_itself() -> None:
    """A supervisor that did would swallow one, and the experiment go on behind its block."""
    found = 0
    for path in ROOT.rglob("*.py"):
        for name, call in calls_of(path):
            if name in {"running_stack", "Supervisor"}:
                given = {one.arg: ast.unparse(one.value) for one in call.keywords}
                assert given.get("handle_signals") == "False", f"{path}:{call.lineno}"
                found += 1
    assert found
