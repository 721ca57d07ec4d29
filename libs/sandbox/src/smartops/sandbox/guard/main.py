"""From the request on standard input to two lines of answer: the fences stand; what came of it."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn

from . import computing, limits, places

__all__ = ["main"]

_UNGUARDED = 70
"""How the process ends if a fence could not be put up."""


def main() -> NoReturn:
    """Read, fence in, say so, compute, answer, end. Nothing of the code is looked at before."""
    request = json.loads(sys.stdin.buffer.read())
    answers = _keep_only_the_answer()
    try:
        fences = _fence_in(request, answers)
    except Exception as error:  # noqa: BLE001 - without every fence nothing is run
        _say(answers, json.dumps({"unguarded": f"{type(error).__name__}: {error}"}).encode())
        os._exit(_UNGUARDED)
    _say(answers, json.dumps({"fences": fences}).encode())
    told = computing.compute(request["source"], request["inputs"], request["max_output_bytes"])
    _say(answers, told)
    os._exit(0)


def _keep_only_the_answer() -> int:
    """Close all that was inherited but the pipe for answers, whose place in 0, 1, 2 nothing takes.

    What the code prints goes nowhere.
    """
    answers = os.dup(1)
    nothing = os.open("/dev/null", os.O_RDWR)
    for place in (0, 1, 2):
        os.dup2(nothing, place)
    os.closerange(3, answers)
    os.closerange(answers + 1, os.sysconf("SC_OPEN_MAX"))
    return answers


def _fence_in(request: dict[str, Any], answers: int) -> list[str]:
    """Give rights away, those first that are needed for none of the others; names what was done."""
    level = request["level"]
    os.environ.clear()
    fences = ["limits"]
    cpu_s, memory_bytes = request["cpu_s"], request["memory_bytes"]
    if sys.platform != "linux":
        limits.limit(cpu_s=cpu_s, memory_bytes=memory_bytes)
        return fences
    from . import linux  # noqa: PLC0415 - only where there is one

    linux.die_with_parent()
    if request["parent"] is not None and os.getppid() != request["parent"]:
        os._exit(_UNGUARDED)  # It was gone before we could tie ourselves to it.
    if level == "landlock":
        from . import namespaces  # noqa: PLC0415 - only where it is used

        if namespaces.enter(answers, cpu_s):
            fences.append("namespaces")
    limits.limit(cpu_s=cpu_s, memory_bytes=memory_bytes)
    linux.no_new_privileges()
    if level != "process":
        fences += _filters(optional=level == "bubblewrap")
    return fences


def _filters(*, optional: bool) -> list[str]:
    """Filter files and calls; where other files are not even there, Landlock may be missing."""
    from . import landlock, linux, seccomp  # noqa: PLC0415 - only where they are used

    fences = ["seccomp"]
    try:
        fences.append(f"landlock {landlock.restrict([*sys.path, *places.SYSTEM])}")
    except OSError:
        if not optional:
            raise
    linux.drop_capabilities()
    seccomp.filter_calls(os.uname().machine)
    return fences


def _say(answers: int, line: bytes) -> None:
    rest = memoryview(line + b"\n")
    while rest:
        rest = rest[os.write(answers, rest) :]
