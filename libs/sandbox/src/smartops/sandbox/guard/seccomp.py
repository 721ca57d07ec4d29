"""The filter that lets through the system calls of a computation, and no others."""

from __future__ import annotations

import ctypes
import errno
import struct

from .linux import prctl
from .tables import ARCHITECTURES, FCNTL, PRLIMIT

__all__ = ["filter_calls", "program"]

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant."""

_LOAD = 0x20
_JUMP_IF_EQUAL = 0x15
_RETURN = 0x06

_NUMBER = 0
_ARCHITECTURE = 4
_FIRST_ARGUMENT = 16
_SECOND_ARGUMENT = 24
"""Offsets of what a filter is told; of an argument the lower half: the kernel reads an int."""

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_REFUSE = 0x00050000 | errno.EACCES

_FCNTL_COMMANDS = (0, 1, 2, 3, 1030)
"""Duplicate, read and set the close-on-exec flag, read the status flags."""

_SET_SECCOMP = 22
_MODE_FILTER = 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def program(machine: str) -> list[Instruction]:
    """The filter for an architecture.

    A call that came in by another architecture's door (32-bit on 64-bit) kills the process: its
    numbers mean something else.

    Raises:
        OSError: nobody wrote the table for this architecture.
    """
    try:
        architecture, numbers = ARCHITECTURES[machine]
    except KeyError:
        raise OSError(errno.ENOSYS, f"no filter of system calls for {machine}") from None
    plain = sorted(set(numbers.values()) - {numbers[FCNTL], numbers[PRLIMIT]})
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        *(part for number in plain for part in _allow_if(number)),
        *_allow_with(numbers[FCNTL], _SECOND_ARGUMENT, _FCNTL_COMMANDS),
        *_allow_with(numbers[PRLIMIT], _FIRST_ARGUMENT, (0,)),
        (_RETURN, 0, 0, _REFUSE),
    ]


def filter_calls(machine: str) -> None:
    """Let this process make no other calls, for ever; needs `no_new_privileges` before it.

    Raises:
        OSError: the kernel has no filters, or there is none for this architecture.
    """
    parts = program(machine)
    raw = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *part) for part in parts))
    found = _Program(len(parts), ctypes.cast(raw, ctypes.c_void_p))
    prctl(_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(found))


def _allow_if(value: int) -> list[Instruction]:
    return [(_JUMP_IF_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]


def _allow_with(number: int, argument: int, values: tuple[int, ...]) -> list[Instruction]:
    """Allow a call with one of these values as its argument; else refuse it at once."""
    inner = [
        (_LOAD, 0, 0, argument),
        *(part for value in values for part in _allow_if(value)),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return [(_JUMP_IF_EQUAL, 0, len(inner), number), *inner]
