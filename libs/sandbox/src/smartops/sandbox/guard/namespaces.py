"""A user, a network, process numbers and more of its own: a second fence, where it is allowed."""

from __future__ import annotations

import os
import signal

from .linux import die_with_parent, unshare

__all__ = ["enter"]

_USER = 0x10000000
_OTHERS = 0x40000000 | 0x20000000 | 0x08000000 | 0x04000000 | 0x02000000
"""Network, process numbers, IPC, host name, control groups."""

_KILLED = 128
"""Added to a signal's number, as shells do."""


def enter(keep: int, cpu_s: int) -> bool:
    """Go on as the first process of namespaces of its own; false where that is not allowed.

    Whoever called stays outside as a second process, which holds nothing but waits, and ends as
    the first one did.

    Args:
        keep: the descriptor that must not stay open outside.
        cpu_s: seconds of computing that are allowed inside. The first process of a namespace is
            spared the signal that comes first, so it is told here what the last one was for.
    """
    try:
        unshare(_USER | _OTHERS)
    except OSError:
        return False
    inside = os.fork()
    if inside == 0:
        die_with_parent()
        return True
    os.close(keep)
    _, status, used = os.wait4(inside, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL and used.ru_utime + used.ru_stime >= cpu_s:
        code = -signal.SIGXCPU
    os._exit(code if code >= 0 else _KILLED - code)
