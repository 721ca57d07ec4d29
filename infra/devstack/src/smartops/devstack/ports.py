"""Free ports on the loopback address."""

from __future__ import annotations

import socket
from typing import Final

__all__ = ["LOOPBACK", "free_port"]

LOOPBACK: Final = "127.0.0.1"


def free_port() -> int:
    """Return a TCP port nobody listens on now. Someone may take it first: be ready to try again."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
