"""Code in the sandbox tries to get out: each attempt is a real one, looked at from both sides."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from smartops.sandbox import Failed, Killed, Level, Value
from support.sandboxes import FENCES, Run, missing, tried, value

REFUSALS = """
import errno
result = {}

def attempt(name, action):
    try:
        result[name] = repr(action())
    except (OSError, RuntimeError, AttributeError, ImportError) as error:
        result[name] = None
"""
"""`attempt` notes what an action returned, or None if it was refused."""


@pytest.fixture(params=FENCES)
async def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    fence = FENCES[request.param]
    reason = await missing(fence.level)
    if reason is not None:
        pytest.skip(reason)
    fence.apply(monkeypatch)
    return tried(fence.level)


async def refused(run: Run, source: str, **inputs: object) -> None:
    found = value(await run(REFUSALS + source, inputs))
    assert found, "nothing was tried"
    assert set(found.values()) == {None}, found


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        one.settimeout(0)
        yield one


# ---- the network ---------------------------------------------------------------------------


async def test_a_connection_to_a_server_that_listens_is_refused(
    run: Run, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    socket.create_connection(("127.0.0.1", port), 1).close()
    listener.accept()[0].close()  # From outside it works.
    await refused(
        run,
        """
import socket
at = ("127.0.0.1", inputs["port"])
attempt("connect", lambda: socket.create_connection(at, 2))
attempt("bind", lambda: socket.create_server(("127.0.0.1", 0)))
""",
        port=port,
    )
    with pytest.raises(BlockingIOError):
        listener.accept()


async def test_a_datagram_does_not_leave(run: Run) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        heard.settimeout(0)
        await refused(
            run,
            """
import socket
def send():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        return one.sendto(b"secret", ("127.0.0.1", inputs["port"]))
attempt("sendto", send)
attempt("dns", lambda: socket.getaddrinfo("example.org", 443))
""",
            port=heard.getsockname()[1],
        )
        with pytest.raises(BlockingIOError):
            heard.recv(16)


async def test_unix_sockets_are_out_of_reach(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / ".s.PGSQL.5432")
    with contextlib.ExitStack() as stack:
        servers = []
        for name in (path, ""):
            one = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            one.bind(name)
            one.listen(1)
            one.settimeout(0)
            servers.append(one)
        await refused(
            run,
            """
import socket
def connect(name):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.settimeout(2)
        one.connect(name)
attempt("path", lambda: connect(inputs["path"]))
attempt("abstract", lambda: connect(inputs["abstract"].encode()))
attempt("pair", socket.socketpair)
""",
            path=path,
            abstract=servers[1].getsockname().decode(),
        )
        for one in servers:
            with pytest.raises(BlockingIOError):
                one.accept()


async def test_no_family_of_sockets_can_be_made(run: Run) -> None:
    await refused(
        run,
        """
import socket
for family in range(0, 48):
    for kind in (1, 2, 3, 5):
        attempt(f"{family} {kind}", lambda: socket.socket(family, kind))
""",
    )


async def test_raw_system_calls_do_not_help(run: Run) -> None:
    await refused(
        run,
        """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return True
x86 = os.uname().machine == "x86_64"
calls = {
    "socket": (41 if x86 else 198, 2, 1, 0),
    "io_uring_setup": (425, 4, ctypes.create_string_buffer(120)),
    "unshare": (272 if x86 else 97, 0x10000000),
    "mount": (165 if x86 else 40, b"none", b"/", b"tmpfs", 0, 0),
    "ptrace": (101 if x86 else 117, 16, inputs["pid"], 0, 0),
    "process_vm_readv": (310 if x86 else 270, inputs["pid"], 0, 0, 0, 0, 0),
    "pidfd_open": (434, inputs["pid"], 0),
    "prlimit64": (302 if x86 else 261, inputs["pid"], 7, 0, ctypes.create_string_buffer(16)),
    "memfd_create": (319 if x86 else 279, b"x", 0),
    "seccomp": (317 if x86 else 277, 1, 0, 0),
    "landlock": (444, 0, 0, 1),
    "keyctl": (250 if x86 else 219, 0, -3, 0),
    "shmget": (29 if x86 else 194, 0, 4096, 0o1600),
    "chroot": (161 if x86 else 51, b"."),
    "openat2": (437, -100, b"/", ctypes.create_string_buffer(24), 24),
}
for name, arguments in calls.items():
    attempt(name, lambda: call(*arguments))
""",
        pid=os.getpid(),
    )


@pytest.mark.skipif(platform.machine() != "x86_64", reason="a door of x86_64 only")
async def test_the_32_bit_door_is_shut(run: Run) -> None:
    found = await run(
        """
import ctypes, mmap
# mov eax, 20 (getpid); int 0x80; ret
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("b814000000cd80c3"))
at = ctypes.addressof(ctypes.c_char.from_buffer(page))
result = ctypes.CFUNCTYPE(ctypes.c_int)(at)()
"""
    )
    # SIGSEGV where the kernel has no such door at all.
    assert found in (Killed("SIGSYS"), Killed("SIGSEGV"))


# ---- files and secrets ---------------------------------------------------------------------


async def test_no_file_of_the_machine_can_be_read(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "operator.nk"
    secret.write_text("SUABC")
    secret.chmod(0o644)
    files = [str(secret), str(Path.home() / ".netrc"), str(Path(__file__)), *map(str, _OF_SYSTEM)]
    assert any(os.access(path, os.R_OK) for path in files)
    await refused(
        run,
        """
for path in inputs["files"]:
    attempt(path, lambda: open(path, "rb").read(10))
import os
for folder in inputs["folders"]:
    attempt(folder, lambda: os.listdir(folder))
attempt("cwd", lambda: open("x"))
""",
        files=files,
        folders=["/root", "/home", "/tmp", "/etc", "/proc", "/var", "/run", str(tmp_path)],
    )


_OF_SYSTEM = (
    "/etc/passwd", "/etc/shadow", "/proc/self/environ", "/proc/1/environ", "/proc/self/mem",
    "/dev/kmsg", "/sys/kernel/uevent_seqnum", f"/proc/{os.getpid()}/environ",
)  # fmt: skip


async def test_the_environment_is_empty_and_nothing_was_inherited(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://smartops_runner:hunter2@localhost/x")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('imported')")
    file = tmp_path / "open"
    file.write_text("secret")
    left, right = socket.socketpair()
    with left, right, file.open() as opened:
        for one in (left.fileno(), right.fileno(), opened.fileno()):
            os.set_inheritable(one, True)  # noqa: FBT003 - not ours
        found = value(
            await run(
                """
import ctypes, os, stat, sys
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
opened = {}
for number in range(1024):
    try:
        opened[number] = stat.S_IFMT(os.fstat(number).st_mode)
    except OSError:
        pass
result = {
    "environ": dict(os.environ), "c": str(libc.getenv(b"DATABASE_URL")), "argv": sys.argv[1:],
    "pipes": sum(kind == stat.S_IFIFO for kind in opened.values()),
    "null": sum(kind == stat.S_IFCHR for kind in opened.values()),
    "all": len(opened), "sites": [p for p in sys.path if "site-packages" in p],
}
"""
            )
        )
    assert found == {
        "environ": {}, "c": "None", "argv": [], "sites": [],
        "pipes": 1, "null": found["null"], "all": found["null"] + 1,
    }  # fmt: skip


async def test_nothing_can_be_written_or_removed(run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("as it was")
    kept.chmod(0o666)
    await refused(
        run,
        """
import os, tempfile
for folder in (".", "/tmp", "/work", "/dev/shm", "/", os.path.dirname(os.__file__)):
    path = folder + "/written-by-a-step"
    attempt("create " + path, lambda: open(path, "x"))
    attempt("mkdir " + path, lambda: os.mkdir(path))
    attempt("link " + path, lambda: os.symlink("/etc/passwd", path))
kept = inputs["kept"]
attempt("append", lambda: open(kept, "a").write("x"))
attempt("truncate", lambda: os.truncate(kept, 0))
attempt("remove", lambda: os.unlink(kept))
attempt("rename", lambda: os.rename(kept, kept + "2"))
attempt("chmod", lambda: os.chmod(kept, 0))
attempt("temporary", tempfile.TemporaryFile)
""",
        kept=str(kept),
    )
    assert kept.read_text() == "as it was"
    assert os.listdir(tmp_path) == ["kept"]  # noqa: PTH208 - one entry, no waiting


# ---- other processes -----------------------------------------------------------------------


async def test_no_process_thread_or_program_is_started(run: Run) -> None:
    await refused(
        run,
        """
import os, subprocess, threading, _thread
def fork():
    if (child := os.fork()) == 0:
        os._exit(0)
    return child
attempt("fork", fork)
attempt("thread", lambda: threading.Thread(target=int).start())
attempt("exec", lambda: os.execv("/bin/true", ["true"]))
attempt("spawn", lambda: os.posix_spawn("/bin/true", ["true"], {}))
attempt("subprocess", lambda: subprocess.run(["true"]))
""",
    )


async def test_a_fork_bomb_does_not_go_off(run: Run) -> None:
    found = await run(
        """
import os
forked = refused = 0
for _ in range(10_000):
    try:
        if os.fork() == 0:
            while True:
                os.fork()
        forked += 1
    except OSError:
        refused += 1
result = [forked, refused]
"""
    )
    assert found == Value([0, 10_000])


async def test_other_processes_are_neither_signalled_nor_traced(run: Run) -> None:
    # The kernel signals the owner of a pipe, and an owner may be anybody.
    await refused(
        run,
        """
import fcntl, os, resource, signal
for process in (os.getppid(), inputs["pid"], 1, -1):
    if process:
        attempt(f"kill {process}", lambda: os.kill(process, 0))
        attempt(f"limits {process}", lambda: resource.prlimit(process, resource.RLIMIT_NOFILE))
read, write = os.pipe()
attempt("owner", lambda: fcntl.fcntl(read, fcntl.F_SETOWN, inputs["pid"]))
attempt("signal", lambda: fcntl.fcntl(read, 10, signal.SIGKILL))
attempt("priority", lambda: os.setpriority(os.PRIO_PROCESS, inputs["pid"], 10))
attempt("affinity", lambda: os.sched_setaffinity(inputs["pid"], {0}))
attempt("session", os.setsid)
""",
        pid=os.getpid(),
    )


async def test_fences_cannot_be_taken_down_from_inside(run: Run) -> None:
    """No limit is raised again, and the guard's own code is only code."""
    found = value(
        await run(
            REFUSALS
            + """
import resource
for what in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
    def more():
        try:
            resource.setrlimit(what, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except ValueError as error:
            raise OSError(str(error))
    attempt(str(what), more)
import guard.linux
attempt("parting", lambda: guard.linux.unshare(0x40000000))
import socket
attempt("socket", socket.socket)
"""
        )
    )
    assert set(found.values()) == {None}, found


# ---- the level that does not claim it ------------------------------------------------------


async def test_a_mere_process_is_not_cut_off_from_the_network(listener: socket.socket) -> None:
    """What is said of this level is true, in both directions."""
    found = await tried(Level.PROCESS)(
        """
import os, socket
socket.create_connection(("127.0.0.1", inputs["port"]), 5).close()
result = dict(os.environ)
""",
        {"port": listener.getsockname()[1]},
    )
    assert found == Value({})
    listener.settimeout(5)
    listener.accept()[0].close()


async def test_a_mere_process_puts_no_content_into_a_file(tmp_path: Path) -> None:
    written = tmp_path / "written"
    source = f"with open({str(written)!r}, 'w') as f: f.write('content')\nresult = 1"
    found = await tried(Level.PROCESS)(source)
    assert isinstance(found, Failed)
    assert found.error == "OSError"
    assert written.stat().st_size == 0
