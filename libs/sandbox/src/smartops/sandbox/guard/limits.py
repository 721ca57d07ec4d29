"""What the process may use of the machine."""

from __future__ import annotations

import resource

__all__ = ["limit"]

_OPEN_FILES = 64


def limit(*, cpu_s: int, memory_bytes: int) -> None:
    """Set the limits for this process, for ever.

    Args:
        cpu_s: seconds of computing; then a signal that can be caught, a second later one that
            cannot.
        memory_bytes: of address space.
    """
    for what, soft, hard in (
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        (resource.RLIMIT_AS, memory_bytes, memory_bytes),
        # No file gets any content, wherever it is.
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES, _OPEN_FILES),
        # Root is above this one.
        (resource.RLIMIT_NPROC, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        ceiling = resource.getrlimit(what)[1]
        if ceiling != resource.RLIM_INFINITY:
            hard = min(hard, ceiling)  # noqa: PLW2901 - the lower of the two holds
        resource.setrlimit(what, (min(soft, hard), hard))
