"""Landlock: from now on this process may read below a few folders, and open no TCP connection."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from .linux import call

__all__ = ["restrict"]

_CREATE_RULESET = 444
_ADD_RULE = 445
_RESTRICT_SELF = 446
"""The same on every architecture."""

_ASK_VERSION = 1
_PATH_BENEATH = 1

_READ_FILE = 1 << 2
_READ_DIR = 1 << 3

_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many rights over files there are, from which version of the interface on."""
_TCP_VERSION = 4
_TCP_RIGHTS = 0b11
_SCOPE_VERSION = 6
_SCOPES = 0b11
"""Abstract unix sockets and signals."""


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    )


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


def restrict(readable: Iterable[str]) -> int:
    """Allow reading below these paths, and nothing else of what the kernel knows to forbid.

    Needs `no_new_privileges` before it.

    Args:
        readable: folders or files; those that do not exist are left out.

    Returns:
        The version of the interface.

    Raises:
        OSError: the kernel has no Landlock, or does not allow it.
    """
    version = call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    rights = max(count for since, count in _FILE_RIGHTS.items() if since <= version)
    wanted = _Ruleset(
        files=(1 << rights) - 1,
        network=_TCP_RIGHTS if version >= _TCP_VERSION else 0,
        scopes=_SCOPES if version >= _SCOPE_VERSION else 0,
    )
    # Older kernels take a longer structure as long as what they do not know is zero.
    ruleset = call(
        _CREATE_RULESET,
        ctypes.byref(wanted),
        ctypes.c_size_t(ctypes.sizeof(wanted)),
        ctypes.c_uint32(0),
    )
    for path in readable:
        _allow_reading(ruleset, path)
    call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)
    return version


def _allow_reading(ruleset: int, path: str) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    rights = _READ_FILE | _READ_DIR if os.path.isdir(path) else _READ_FILE  # noqa: PTH112 - no pathlib: it takes longer to import than all of this
    rule = _Beneath(rights=rights, folder=place)
    call(
        _ADD_RULE,
        ctypes.c_int(ruleset),
        ctypes.c_int(_PATH_BENEATH),
        ctypes.byref(rule),
        ctypes.c_uint32(0),
    )
    os.close(place)
