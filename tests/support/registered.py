"""The descriptors that the gateway registers, for services that do not have its package."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter
from smartops.contracts.tools import ToolDescriptor

__all__ = ["FILE", "REGISTERED", "TOOLS"]

FILE = Path(__file__).with_name("registered.json")
"""Compared with the gateway's own by `tests/contract/test_registered_tools.py`."""

TOOLS = TypeAdapter(tuple[ToolDescriptor, ...])

REGISTERED = {made.name: made for made in TOOLS.validate_json(FILE.read_bytes())}
