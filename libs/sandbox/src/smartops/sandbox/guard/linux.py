"""The few calls to the kernel for which Python has no words."""

from __future__ import annotations

import ctypes
import os
import signal

__all__ = ["call", "die_with_parent", "drop_capabilities", "no_new_privileges", "prctl", "unshare"]

_SET_DEATH_SIGNAL = 1
_SET_NO_NEW_PRIVILEGES = 38
_CAPABILITY_VERSION = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def call(number: int, *arguments: object) -> int:
    """Make a system call by its number; arguments are ctypes values.

    Raises:
        OSError: as the kernel answers.
    """
    return _checked(_libc.syscall(ctypes.c_long(number), *arguments))


def prctl(option: int, *arguments: object) -> int:
    """Change what the kernel keeps of this process. Arguments are ctypes values, the rest is 0.

    Raises:
        OSError: as the kernel answers.
    """
    given = [*arguments, *(ctypes.c_ulong(0) for _ in range(4 - len(arguments)))]
    return _checked(_libc.prctl(ctypes.c_int(option), *given))


def die_with_parent() -> None:
    """Be killed when the thread that started this process is gone."""
    prctl(_SET_DEATH_SIGNAL, ctypes.c_ulong(signal.SIGKILL))


def no_new_privileges() -> None:
    """Let no program that is started from here have more rights than this one, for ever."""
    prctl(_SET_NO_NEW_PRIVILEGES, ctypes.c_ulong(1))


def unshare(flags: int) -> None:
    """Part from what is shared with others; the flags are those of clone.

    Raises:
        OSError: this process may not.
    """
    _checked(_libc.unshare(ctypes.c_int(flags)))


def drop_capabilities() -> None:
    """Keep none of root's powers, also as root."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_libc.capset(ctypes.byref(header), ctypes.byref(nothing)))


def _checked(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer
