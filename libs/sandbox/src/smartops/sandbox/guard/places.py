"""What a child may read beside the standard library."""

from __future__ import annotations

__all__ = ["SYSTEM"]

SYSTEM = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/usr/share/zoneinfo",
)
"""What interpreters and their modules are linked with, and the world's time zones."""
