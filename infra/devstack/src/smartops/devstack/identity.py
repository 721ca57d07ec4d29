"""As whom a server runs: PostgreSQL refuses root, and wants its user to have a name."""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

__all__ = ["Account", "Way", "choose_account"]

_SHIM: Final = str(Path(__file__).with_name("_shim.py"))
_FALLBACK_UID: Final = 1000


class Way(StrEnum):
    """How the server's user differs from ours."""

    DIRECT = "direct"
    """It does not."""

    USER_NAMESPACE = "user-namespace"
    """The same user, shown under another number in a user namespace. No file changes hands."""

    OTHER_USER = "other-user"
    """Another user, which owns the data directory and may walk through our closed ones."""


@dataclass(frozen=True)
class Account:
    """The user a server runs as.

    Attributes:
        way: How it gets there.
        uid: Owner of the data directory, as seen from outside.
        gid: Its group, likewise.
        options: What to tell the launcher.
    """

    way: Way
    uid: int
    gid: int
    options: tuple[str, ...]


_known: dict[tuple[Path, Path], Account] = {}


async def choose_account(program: Path, directory: Path, env: Mapping[str, str]) -> Account:
    """Choose a user under whom `program` runs in `directory`; remembered for this process.

    A named, ordinary user: itself. Root, or a user without an entry in the password file (as in
    containers with arbitrary user ids): a user namespace showing a named user. Where those are
    forbidden, or lead nowhere: root becomes `nobody`; anyone else stays what it is.
    """
    key = (program, directory)
    if key not in _known:
        _known[key] = await _choose(program, directory, env)
    return _known[key]


async def _choose(program: Path, directory: Path, env: Mapping[str, str]) -> Account:
    uid, gid = os.geteuid(), os.getegid()
    direct = Account(Way.DIRECT, uid, gid, ())
    if uid != 0 and _has_name(uid):
        return direct
    shown = _named_user()
    mapped = ("--map-uid", str(shown.pw_uid if shown else _FALLBACK_UID))
    # Without root's privileges, root cannot enter what another user keeps closed.
    if await _works(program, env, (*mapped, "--reach", str(directory))):
        return Account(Way.USER_NAMESPACE, uid, gid, mapped)
    if uid != 0 or shown is None:
        return direct
    become = ("--become", f"{shown.pw_uid}:{shown.pw_gid}")
    return Account(Way.OTHER_USER, shown.pw_uid, shown.pw_gid, become)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _named_user() -> pwd.struct_passwd | None:
    """Return `nobody`, or else the ordinary user with the highest number."""
    ordinary = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    nobody = [entry for entry in ordinary if entry.pw_name == "nobody"]
    return next(iter(nobody), max(ordinary, key=lambda e: e.pw_uid, default=None))


async def _works(program: Path, env: Mapping[str, str], options: tuple[str, ...]) -> bool:
    trial = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", _SHIM, "--parent", str(os.getpid()), "--death-signal", "9"),
        *options,
        *("--", str(program), "--version"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=dict(env),
    )
    return await trial.wait() == 0
