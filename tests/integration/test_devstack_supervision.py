"""Supervision: what ends unasked comes back, what is stopped stays down, and nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from smartops.devstack import process as process_module
from smartops.devstack.errors import ServerStartError
from smartops.devstack.process import ServiceProcess, describe_exit
from smartops.devstack.supervisor import RestartPolicy, Supervisor

QUICK = RestartPolicy(timedelta(milliseconds=20), timedelta(milliseconds=80))

PYTHON = (sys.executable, "-I", "-S", "-c")
SLEEPER = (*PYTHON, "import time; print('up', flush=True); time.sleep(600)")
DEAF_CODE = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""
DEAF = (*PYTHON, DEAF_CODE)
FAMILY_CODE = """
import subprocess
child = subprocess.Popen(["/bin/sleep", "600"])
print(child.pid, flush=True)
child.wait()
"""
FAMILY = (*PYTHON, FAMILY_CODE)


async def said(child: ServiceProcess, text: str = "\n") -> str:
    """Wait until the child has written something."""
    while text not in (tail := child.log_tail() + "\n") or not tail.strip():
        assert child.running, tail
        await asyncio.sleep(0.005)
    return tail.strip()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - other processes give no event
        await asyncio.sleep(0.005)


def alive(process: psutil.Process) -> bool:
    """Whether this very process, not a later one of the same number, still does something."""
    try:
        return bool(process.is_running()) and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_a_child_writes_its_own_private_log_and_ends_when_asked(tmp_path: Path) -> None:
    child = ServiceProcess("sleeper", SLEEPER, log_path=tmp_path / "logs" / "sleeper.log")
    await child.start()
    assert await said(child) == "up"
    assert (tmp_path / "logs" / "sleeper.log").stat().st_mode & 0o777 == 0o600
    first = child.pid
    await child.start()
    assert child.pid == first
    await child.restart()
    assert child.pid != first
    await child.terminate()
    assert child.returncode == -signal.SIGTERM
    await child.kill()


async def test_a_child_that_does_not_listen_is_killed_after_its_grace(tmp_path: Path) -> None:
    child = ServiceProcess("deaf", DEAF, log_path=tmp_path / "log")
    await child.start()
    await said(child)
    await child.terminate(timedelta(milliseconds=100))
    assert child.returncode == -signal.SIGKILL


@pytest.mark.parametrize("end", ["killed from outside", "killed by us"])
async def test_the_children_of_an_ended_child_end_too(tmp_path: Path, end: str) -> None:
    child = ServiceProcess("family", FAMILY, log_path=tmp_path / "log")
    await child.start()
    grandchild = psutil.Process(int(await said(child)))
    if end == "killed from outside":
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
    else:
        await child.kill()
    await until(lambda: not alive(grandchild))


async def test_a_child_gets_only_the_environment_it_is_given(tmp_path: Path) -> None:
    code = "import os; print(sorted(k for k in os.environ if k != 'LC_CTYPE'))"
    child = ServiceProcess("child", (*PYTHON, code), {"ONLY": "this"}, tmp_path / "log")
    await child.start()
    assert await child.wait() == 0
    assert child.log_tail() == "['ONLY']"


async def test_a_missing_program_says_what_to_do() -> None:
    with pytest.raises(ServerStartError, match="make setup"):
        await ServiceProcess("ghost", ["/no/such/program"]).start()


async def test_nothing_is_run_for_a_parent_that_is_already_gone(tmp_path: Path) -> None:
    shim = Path(process_module.__file__).with_name("_shim.py")
    mark = tmp_path / "mark"
    launch = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(shim), "--parent", "1", "--death-signal", "9"),
        *("--", "/bin/sh", "-c", 'touch "$0"', str(mark)),
        stderr=subprocess.PIPE,
    )
    _, complaint = await launch.communicate()
    assert launch.returncode == 125
    assert b"is gone" in complaint
    assert not mark.exists()


async def test_a_crashed_child_comes_back_with_growing_delay_and_it_is_said(
    tmp_path: Path,
) -> None:
    reports: list[str] = []
    child = ServiceProcess("crasher", (*PYTHON, "raise SystemExit(3)"), log_path=tmp_path / "log")
    async with Supervisor(report=reports.append, policy=QUICK, handle_signals=False) as supervisor:
        await supervisor.start(child)
        await until(lambda: supervisor.restarts("crasher") >= 4)
    told = [report for report in reports if "ended" in report]
    assert told[:4] == [
        f"crasher ended with exit code 3; starting it again in {delay} s"
        for delay in (0.02, 0.04, 0.08, 0.08)
    ]
    assert not child.running


async def test_a_killed_child_is_awaited_until_ready_again(tmp_path: Path) -> None:
    reports: list[str] = []
    child = ServiceProcess("sleeper", SLEEPER, log_path=tmp_path / "log")
    probes = 0

    async def ready() -> None:
        nonlocal probes
        probes += 1
        if probes == 2:
            raise ConnectionRefusedError("not yet")
        await said(child)

    async with Supervisor(report=reports.append, policy=QUICK, handle_signals=False) as supervisor:
        await supervisor.start(child, ready=ready)
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: supervisor.restarts("sleeper") == 1)
        assert child.running
    assert reports == [
        "sleeper was ended by SIGKILL; starting it again in 0.02 s",
        "sleeper failed again (not yet); starting it again in 0.04 s",
        "sleeper is running again",
    ]
    assert probes == 3


async def test_a_released_child_stays_down_while_the_others_go_on(tmp_path: Path) -> None:
    one = ServiceProcess("one", SLEEPER, log_path=tmp_path / "one")
    two = ServiceProcess("two", SLEEPER, log_path=tmp_path / "two")
    async with Supervisor(policy=QUICK, handle_signals=False) as supervisor:
        await supervisor.start(one)
        await supervisor.start(two)
        await supervisor.release("one")
        assert (one.running, two.running) == (False, True)
    assert not two.running


async def test_a_child_that_ends_before_it_is_ready_fails_the_start_and_stops_the_others(
    tmp_path: Path,
) -> None:
    good = ServiceProcess("good", SLEEPER, log_path=tmp_path / "good")
    code = "print('no such table'); raise SystemExit(1)"
    bad = ServiceProcess("bad", (*PYTHON, code), log_path=tmp_path / "bad")

    async def never() -> None:
        await asyncio.Event().wait()

    async def start_both() -> None:
        async with Supervisor(policy=QUICK, handle_signals=False) as supervisor:
            await supervisor.start(good)
            await supervisor.start(bad, ready=never)

    with pytest.raises(ServerStartError, match=r"bad did not start: .* code 1(.|\n)*no such table"):
        await start_both()
    assert not good.running


async def test_a_child_that_never_is_ready_fails_the_start_in_time(tmp_path: Path) -> None:
    child = ServiceProcess("mute", SLEEPER, log_path=tmp_path / "mute")

    async def never() -> None:
        await asyncio.Event().wait()

    async def start() -> None:
        async with Supervisor(policy=QUICK, handle_signals=False) as supervisor:
            await supervisor.start(child, ready=never, ready_timeout=timedelta(milliseconds=50))

    with pytest.raises(ServerStartError, match=r"not ready within 0\.05 s"):
        await start()
    assert not child.running


def test_an_exit_is_said_in_words() -> None:
    assert describe_exit(0) == "ended with exit code 0"
    assert describe_exit(-9) == "was ended by SIGKILL"
    assert describe_exit(-300) == "was ended by signal 300"


def test_the_delay_stops_growing_at_its_longest() -> None:
    policy = RestartPolicy()
    delays = [policy.delay(n).total_seconds() for n in (1, 2, 3, 6, 7, 1000)]
    assert delays == [0.2, 0.4, 0.8, 6.4, 10.0, 10.0]


SUPERVISING = """
import asyncio, json, os, sys
from datetime import timedelta
from pathlib import Path
from smartops.devstack.process import ServiceProcess
from smartops.devstack.supervisor import Supervisor

children = json.loads(sys.argv[1])
home = Path(sys.argv[2])

async def main() -> None:
    def report(line: str) -> None:
        print(line, flush=True)

    async with Supervisor(report=report, grace=timedelta(seconds=60)) as supervisor:
        for name, argv in children.items():
            child = ServiceProcess(name, argv, log_path=home / name)
            async def up() -> None:
                while not child.log_tail():
                    await asyncio.sleep(0.005)
            await supervisor.start(child, ready=up)
            print("started", name, child.pid, flush=True)
        await supervisor.run_until_stopped()
    print("stopped by", supervisor.stopped_by.name, flush=True)

asyncio.run(main())
"""


async def supervise(tmp_path: Path, **children: tuple[str, ...]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SUPERVISING, json.dumps(children), str(tmp_path)),
        stdout=subprocess.PIPE,
        # Like a shell's job: a Ctrl-C goes to the whole group.
        start_new_session=True,
    )


async def read_until(process: asyncio.subprocess.Process, start: str) -> str:
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode().strip():
        if line.startswith(start):
            return line
    raise AssertionError(f"ended before saying {start!r}")


async def test_one_ctrl_c_stops_all_in_reverse_order_without_an_error(tmp_path: Path) -> None:
    log = tmp_path / "order"
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    print(sys.argv[1], file=open({str(log)!r}, 'a')); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(600)\n"
    )
    supervisor = await supervise(
        tmp_path, first=(*PYTHON, code, "first"), second=(*PYTHON, code, "second")
    )
    await read_until(supervisor, "started second")
    os.killpg(supervisor.pid, signal.SIGINT)
    assert await read_until(supervisor, "stopped by") == "stopped by SIGINT"
    assert await supervisor.wait() == 0
    assert log.read_text().split() == ["second", "first"]


async def test_a_second_ctrl_c_kills_what_does_not_want_to_end(tmp_path: Path) -> None:
    supervisor = await supervise(tmp_path, good=SLEEPER, deaf=DEAF)
    children = [
        psutil.Process(int((await read_until(supervisor, f"started {name}")).split()[-1]))
        for name in ("good", "deaf")
    ]
    os.kill(supervisor.pid, signal.SIGTERM)
    await read_until(supervisor, "SIGTERM: stopping")
    assert alive(children[1])
    os.kill(supervisor.pid, signal.SIGINT)
    assert await read_until(supervisor, "stopped by") == "stopped by SIGTERM"
    assert await supervisor.wait() == 0
    assert [child for child in children if alive(child)] == []


async def test_a_signal_during_the_start_stops_what_is_already_up(tmp_path: Path) -> None:
    silent = (*PYTHON, "import time; time.sleep(600)")
    supervisor = await supervise(tmp_path, good=SLEEPER, silent=silent)
    good = psutil.Process(int((await read_until(supervisor, "started good")).split()[-1]))
    os.kill(supervisor.pid, signal.SIGTERM)
    assert await read_until(supervisor, "stopped by") == "stopped by SIGTERM"
    assert await supervisor.wait() == 0
    assert not alive(good)


WHOLE_STACK = """
import asyncio, sys
from pathlib import Path
import asyncpg
from smartops.devstack.process import ServiceProcess
from smartops.devstack.servers import NatsServer, PostgresServer
from smartops.devstack.supervisor import Supervisor

async def main() -> None:
    home = Path(sys.argv[1])
    async with Supervisor() as supervisor:
        postgres = PostgresServer(home / "data")
        await supervisor.start(postgres)
        await supervisor.start(NatsServer(home / "store"))
        await supervisor.start(ServiceProcess("sleeper", ["/bin/sleep", "600"]))
        connection = await asyncpg.connect(postgres.dsn())
        busy = asyncio.create_task(
            connection.fetchval("select count(*) from generate_series(1, 1000000000000)")
        )
        idle = await asyncpg.connect(postgres.dsn())
        while not await idle.fetchval(
            "select count(*) from pg_stat_activity where wait_event is null and state = 'active'"
            " and pid <> pg_backend_pid()"
        ):
            await asyncio.sleep(0.01)
        print("up", flush=True)
        await busy

asyncio.run(main())
"""


async def test_sigkill_of_the_supervisor_leaves_no_process_behind(tmp_path: Path) -> None:
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WHOLE_STACK, str(tmp_path)), stdout=subprocess.PIPE
    )
    await read_until(supervisor, "up")
    # Held as objects that remember their start time: a number used again is not mistaken.
    family: list[psutil.Process] = []

    def all_there() -> bool:
        # A child is called python until the launcher has become the program it launches.
        family[:] = psutil.Process(supervisor.pid).children(recursive=True)
        names = {process.name() for process in family if process.is_running()}
        return {"postgres", "nats-server", "sleep"} <= names and len(family) >= 8

    async with asyncio.timeout(6):
        await until(all_there)
    os.kill(supervisor.pid, signal.SIGKILL)
    await supervisor.wait()
    async with asyncio.timeout(6):
        await until(lambda: not any(alive(process) for process in family))
