"""Become another program that cannot outlive the one that asked for it.

Run by path, with the standard library alone: `python -I -S _shim.py OPTIONS -- PROGRAM ARGS...`.
It changes identity if told to, asks the kernel for a signal on the parent's death, and replaces
itself by the program. The order matters: a change of identity clears the request.

    --parent PID       who must still be alive; otherwise nothing is run
    --death-signal N   what the kernel sends when the parent's spawning thread ends
    --map-uid UID      run in a user namespace in which our own uid shows as UID
    --become UID:GID   give up root for this identity, keeping only the right to read and to walk
                       directories
    --reach DIR        give up unless DIR can be entered under the new identity
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
SECBIT_KEEP_CAPS = 1 << 4
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CLONE_NEWUSER = 0x10000000
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
LINUX_CAPABILITY_VERSION_3 = 0x20080522

CANNOT_PREPARE = 125
CANNOT_EXECUTE = 126


def _checked(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def _enter_user_namespace(libc: ctypes.CDLL, uid: int) -> None:
    own_uid, own_gid = os.geteuid(), os.getegid()
    _checked(libc.unshare(CLONE_NEWUSER), "cannot create a user namespace")
    # From here on nothing can be imported: the interpreter may lie where only our old rights reach.
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {own_uid} 1"),
        ("gid_map", f"{uid} {own_gid} 1"),
    ):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(descriptor, line.encode())
        os.close(descriptor)


def _permitted_capabilities() -> int:
    descriptor = os.open("/proc/self/status", os.O_RDONLY)
    status = os.read(descriptor, 65536).decode()
    os.close(descriptor)
    return int(status.partition("CapPrm:")[2].split()[0], 16)


def _become(libc: ctypes.CDLL, uid: int, gid: int) -> None:
    permitted = _permitted_capabilities()
    kept = [c for c in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if permitted >> c & 1][:1]
    _checked(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "cannot keep capabilities")
    # Otherwise access(2), with which PostgreSQL looks for its own parts, ignores what we keep.
    # Where this is not allowed it works all the same, if those parts lie open.
    libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    mask = sum(1 << capability for capability in kept)
    header = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    _checked(libc.capset(header, sets), "cannot reduce capabilities")
    for capability in kept:
        # Ambient capabilities alone survive the exec of an ordinary program.
        _checked(
            libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0),
            "cannot pass on the right to walk directories",
        )


def main(arguments: list[str]) -> int:
    """Prepare this process and replace it; returns an exit code only on failure."""
    split = arguments.index("--")
    options = dict(zip(arguments[:split:2], arguments[1:split:2], strict=True))
    program = arguments[split + 1 :]
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if "--map-uid" in options:
            _enter_user_namespace(libc, int(options["--map-uid"]))
        if "--become" in options:
            uid, _, gid = options["--become"].partition(":")
            _become(libc, int(uid), int(gid))
        if "--reach" in options:
            os.chdir(options["--reach"])
        death_signal = int(options["--death-signal"])
        _checked(libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0), "cannot bind to the parent")
        # The parent may have died before the request was made: then no signal will ever come.
        if os.getppid() != int(options["--parent"]):
            raise ProcessLookupError("the process that asked for this one is gone")
    except (OSError, AttributeError, ValueError) as error:
        sys.stderr.write(f"launch of {program[0]!r} was given up: {error}\n")
        return CANNOT_PREPARE
    # Python ignores these two; the program expects the system's defaults.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execv(program[0], program)  # noqa: S606 - replacing ourselves is the purpose
    except OSError as error:
        sys.stderr.write(f"cannot execute {program[0]!r}: {error}\n")
        return CANNOT_EXECUTE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
