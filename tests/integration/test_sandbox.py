"""Code in the sandbox, what came of it, and what is left of its child: nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from smartops.sandbox import (
    Failed,
    Killed,
    Level,
    Limits,
    NotStarted,
    Oversized,
    Sandbox,
    TimedOut,
    TooLarge,
    TooWeak,
    Value,
    strongest,
)
from support.sandboxes import (
    NO_FILTER,
    NO_LANDLOCK,
    NO_NAMESPACES,
    Run,
    breach,
    missing,
    tried,
)

SECOND = timedelta(seconds=1)


@pytest.fixture(params=list(Level))
async def level(request: pytest.FixtureRequest) -> Level:
    wanted = Level(request.param)
    reason = await missing(wanted)
    if reason is not None:
        pytest.skip(reason)
    return wanted


@pytest.fixture
def run(level: Level) -> Run:
    return tried(level)


async def test_code_sees_its_inputs_and_assigns_a_result(run: Run) -> None:
    source = """
import collections, datetime, decimal, hashlib, json, math, re, statistics, zoneinfo
versions = {one["version"] for one in inputs["servers"]}
result = {"ok": len(versions) == 1, "detail": f"all on {', '.join(sorted(versions))}"}
"""
    servers = [{"version": "2.4.1"}, {"version": "2.4.1"}]
    expected = Value({"ok": True, "detail": "all on 2.4.1"})
    assert await run(source, {"servers": servers}) == expected


async def test_two_runs_agree(run: Run) -> None:
    source = "result = [hash('text'), list({'a', 'b', 'c', 'd'}), __name__]"
    assert await run(source) == await run(source)


async def test_it_knows_neither_us_nor_what_is_installed(run: Run) -> None:
    found = await run("import smartops")
    assert found == Failed("ModuleNotFoundError", "No module named 'smartops'", 1)
    assert isinstance(await run("import pydantic"), Failed)


@pytest.mark.parametrize(
    ("source", "error", "line"),
    [
        ("x = 1\n\nraise ValueError('no')", "ValueError", 3),
        ("def f():\n    return 1 / 0\nresult = f()", "ZeroDivisionError", 2),
        ("x = 1\nx = = 1", "SyntaxError", 2),
        ("x = 1", "NoResult", None),
        ("result = {1, 2}", "TypeError", None),
        ("result = float('nan')", "ValueError", None),
        ("result = chr(0xd800)", "UnicodeEncodeError", None),
        ("import sys\nsys.exit(0)", "SystemExit", 2),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", 1),
        ("def f(): f()\nf()", "RecursionError", 1),
        ("a = []\na.append(a)\nresult = a", "ValueError", None),
    ],
)
async def test_failing_code_is_told_with_its_line(source: str, error: str, line: object) -> None:
    found = await tried(Level.PROCESS)(source)
    assert isinstance(found, Failed)
    assert (found.error, found.line) == (error, line)


async def test_an_exception_tells_no_secret(run: Run) -> None:
    found = await run("raise ValueError('password=hunter2hunter2 is wrong')")
    assert isinstance(found, Failed)
    assert "hunter2" not in found.message


async def test_a_long_text_of_an_exception_is_cut(run: Run) -> None:
    found = await run("raise ValueError('\\u2028' * 100_000)", output_bytes=100)
    assert isinstance(found, Failed)
    assert (found.error, len(found.message)) == ("ValueError", 500)


async def test_computing_too_long_ends(run: Run) -> None:
    found = await run("while True: pass", cpu=SECOND)
    assert found == Killed("SIGXCPU", "cpu")


async def test_whoever_ignores_the_first_signal_meets_the_second(run: Run) -> None:
    source = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    found = await run(source, cpu=SECOND)
    assert found in (Killed("SIGKILL"), Killed("SIGXCPU", "cpu"))


async def test_waiting_too_long_ends(run: Run) -> None:
    limit = timedelta(milliseconds=500)
    async with asyncio.timeout(10):
        assert await run("import time\ntime.sleep(60)", wall=limit) == TimedOut(limit)
    assert _children() == []


async def test_the_children_of_a_mere_process_end_with_it(tmp_path: Path) -> None:
    """Root may start some at this level."""
    source = (
        "import os, time\nif os.fork() == 0:\n"
        f"    open({str(tmp_path)!r} + f'/{{os.getpid()}}', 'x').close()\n    time.sleep(60)\n"
        "result = 1\n"
    )
    async with asyncio.timeout(10):
        found = await tried(Level.PROCESS)(source, wall=SECOND)
    if os.geteuid() == 0:
        # It was awaited, for it has the pipe for answers.
        assert isinstance(found, TimedOut)
        [child] = os.listdir(tmp_path)  # noqa: PTH208 - nothing to wait for
        async with asyncio.timeout(5):
            while not _is_dead(int(child)):  # noqa: ASYNC110 - it is nobody's child any more
                await asyncio.sleep(0.01)
    else:
        assert isinstance(found, Failed)


def _is_dead(number: int) -> bool:
    try:
        return bool(psutil.Process(number).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


async def test_memory_is_limited(run: Run) -> None:
    found = await run("hog = []\nwhile True: hog.append(bytearray(1_000_000))")
    assert isinstance(found, Failed)
    assert found.error == "MemoryError"
    found = await run("result = len(bytes(10**9))")
    assert isinstance(found, Failed)


async def test_a_long_result_is_refused(run: Run) -> None:
    assert isinstance(await run("result = 'x' * 1_000_000"), TooLarge)
    source = "import os\nfor n in range(3, 64):\n  try:\n    while True: os.write(n, b'x' * 65536)"
    assert isinstance(await run(source + "\n  except OSError: pass"), TooLarge)
    assert _children() == []


async def test_what_is_printed_is_lost(run: Run) -> None:
    source = "import sys\nfor _ in range(10**5): print('x' * 100)\nprint(1, file=sys.stderr)"
    assert await run(source + "\nresult = 1") == Value(1)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os\nos._exit(3)", Killed("exit 3")),
        ("import ctypes\nctypes.string_at(0)", Killed("SIGSEGV")),
    ],
)
async def test_ending_without_a_word_is_told(run: Run, source: str, expected: Killed) -> None:
    assert await run(source) == expected


async def test_a_forged_answer_is_the_codes_own(run: Run) -> None:
    """It may lie about its result only: that the fences stand is said before it is looked at."""
    source = (
        "import os\nfor n in range(3, 64):\n  try: os.write(n, b'{\"fences\": []}\\n')\n"
        "  except OSError: pass\nresult = 1"
    )
    found = await run(source)
    assert isinstance(found, Failed)
    assert found.error == "Malformed"


async def test_too_much_is_not_even_started() -> None:
    sandbox = Sandbox(Level.PROCESS, Limits(source_bytes=100, input_bytes=100))
    with pytest.raises(Oversized, match="the code"):
        await sandbox.run("x" * 101, {})
    with pytest.raises(Oversized, match="the inputs"):
        await sandbox.run("result = 1", {"x": "y" * 100})


async def test_several_run_at_once(run: Run) -> None:
    found = await asyncio.gather(*(run("result = inputs['n']", {"n": n}) for n in range(6)))
    assert found == [Value(n) for n in range(6)]
    assert _children() == []


async def test_who_is_cancelled_leaves_no_child(run: Run) -> None:
    task = asyncio.create_task(run("import time\ntime.sleep(60)"))
    while not _children():  # noqa: ASYNC110 - the kernel tells by no event
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _children() == []


async def test_who_is_killed_leaves_no_child(level: Level) -> None:
    source = (
        "import asyncio\nfrom smartops.sandbox import Level, Sandbox\n"
        f"asyncio.run(Sandbox(Level({level.value!r})).run('while True: pass', {{}}))"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", source)
    started = psutil.Process(child.pid)
    while not (descendants := started.children(recursive=True)) or _starting(descendants):  # noqa: ASYNC110 - the same
        await asyncio.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    await child.wait()
    _, left = await asyncio.to_thread(psutil.wait_procs, descendants, timeout=5)
    assert left == []


def _starting(processes: list[psutil.Process]) -> bool:
    """Whether the code has not had half a second of computing yet: then all is set up."""
    try:
        return all(one.cpu_times().user < 0.5 for one in processes)
    except psutil.NoSuchProcess:
        return True


async def test_no_folder_is_left(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert await run("result = 1") == Value(1)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing to wait for


# ---- which level holds ---------------------------------------------------------------------


async def test_the_strongest_level_is_found_by_trying() -> None:
    standing = await strongest()
    for level in Level:
        if level.at_least(standing.level) and level is not standing.level:
            assert standing.missing[level] == await missing(level)
    assert standing.fences[0] == "limits"


async def test_a_level_that_is_not_there_is_not_good_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TooWeak, match="bwrap is not installed"):
        await strongest(Level.BUBBLEWRAP)
    standing = await strongest()
    assert "not installed" in standing.missing[Level.BUBBLEWRAP]


@pytest.mark.parametrize(
    ("without", "found"),
    [
        ([NO_NAMESPACES, NO_FILTER], "possible inside: udp"),
        ([NO_LANDLOCK], "possible inside: reading a file"),
    ],
)
async def test_fences_that_have_a_hole_do_not_count(
    monkeypatch: pytest.MonkeyPatch, without: list[str], found: str
) -> None:
    """Said to stand, and found open by trying."""
    if (reason := await missing(Level.LANDLOCK)) is not None:
        pytest.skip(reason)
    breach(monkeypatch, *without)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TooWeak, match=found):
        await strongest(Level.LANDLOCK)


async def test_a_fence_that_cannot_be_put_up_stops_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if (reason := await missing(Level.LANDLOCK)) is not None:
        pytest.skip(reason)
    breach(
        monkeypatch, "import guard.landlock as l\ndef no(_): raise OSError('none')\nl.restrict = no"
    )
    with pytest.raises(NotStarted, match="OSError: none"):
        await Sandbox(Level.LANDLOCK).run("result = 1", {})


def _children() -> list[int]:
    return [
        child.pid
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and "guard" in " ".join(child.cmdline())
    ]
