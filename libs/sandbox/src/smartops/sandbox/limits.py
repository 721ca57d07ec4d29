"""How much one piece of code may take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

__all__ = ["Limits"]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one run. There is no limit on files and processes to set: both are none."""

    wall: timedelta = timedelta(seconds=10)
    """From the start of the child to its answer; then its whole process group is killed."""
    cpu: timedelta = timedelta(seconds=5)
    """Of computing, in whole seconds."""
    memory_bytes: int = 256 * MIB
    """Of address space, the interpreter's own (about 20 MiB) included."""
    source_bytes: int = 64 * 1024
    input_bytes: int = MIB
    output_bytes: int = 256 * 1024
    """Of the result, as JSON."""
