"""The command lines by which a child is started."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import smartops.sandbox.guard as guard_package
from smartops.sandbox.guard.places import SYSTEM
from smartops.sandbox.levels import Level

__all__ = ["ENVIRONMENT", "command"]

ENVIRONMENT = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
"""All of it; the child clears it before it looks at the code."""

_OPTIONS = ("-s", "-S", "-P", "-B", "-X", "utf8")
"""No site-packages, nothing from the working directory, no byte code written. Not `-I`: it would
have Python ignore the environment, and that is ours alone and holds the seed of its hashes."""

_START = (
    "import sys; sys.path.insert(0, {folder!r}); import guard; del sys.path[0]; "
    "from guard.main import main; main()"
)

_GUARD = Path(guard_package.__file__).parent
_LIBRARY = Path(os.__file__).parent
_WORK = "/work"


def command(level: Level) -> list[str]:
    """How to start a child.

    Raises:
        FileNotFoundError: bubblewrap is not installed.
    """
    if level is not Level.BUBBLEWRAP:
        return _python(str(_GUARD.parent))
    wrapper = shutil.which("bwrap")
    if wrapper is None:
        raise FileNotFoundError("bwrap is not installed (package bubblewrap)")
    return [wrapper, *_walls(), "--", *_python("/")]


def _python(folder: str) -> list[str]:
    return [str(_interpreter()), *_OPTIONS, "-c", _START.format(folder=folder)]


def _interpreter() -> Path:
    """The interpreter itself, where a virtual environment only points to."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def _walls() -> Iterator[str]:
    """Nothing but the interpreter, all of it read-only, and no /proc."""
    yield from ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL")
    yield "--clearenv"
    for name, value in ENVIRONMENT.items():
        yield from ("--setenv", name, value)
    for path in SYSTEM:
        yield from ("--ro-bind-try", path, path)
    for path in dict.fromkeys(map(str, _of_python())):
        yield from ("--ro-bind", path, path)
    for name in ("site-packages", "dist-packages"):
        if (_LIBRARY / name).is_dir():
            place = str(_LIBRARY / name)
            yield from ("--tmpfs", place, "--remount-ro", place)
    yield from ("--ro-bind", str(_GUARD), "/guard")
    yield from ("--dev-bind", "/dev/null", "/dev/null")
    yield from ("--dir", _WORK, "--chdir", _WORK, "--remount-ro", "/")


def _of_python() -> Iterator[Path]:
    yield _interpreter()
    yield _LIBRARY
    yield from (Path(path) for path in sys.path if Path(path).name == "lib-dynload")
    # Where the interpreter is linked with a library of its own.
    yield from (Path(sys.base_prefix) / "lib").glob("libpython*.so*")
