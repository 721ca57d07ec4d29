"""What a gateway notes of a call that it lets go: the parts that hardly a test is about."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import JsonValue
from smartops.contracts.canonical import digest
from smartops.contracts.events import CallFacts, Decided
from smartops.contracts.wire import Purpose
from support.plans import TASK

__all__ = ["KEY", "facts_of"]

KEY = UUID("44444444-4444-5444-8444-444444444444")
"""Of the request, and of the call at the system."""


def facts_of(tool: str, target: str, arguments: dict[str, JsonValue], **more: Any) -> CallFacts:
    """Of a write that a run asked for, and policy let go."""
    told: dict[str, Any] = {
        "task": TASK,
        "run": TASK,
        "requester": "runner",
        "requester_stream": "acme/run-1",
        "request": KEY,
        "purpose": Purpose.DO,
        "tool": tool,
        "version": "1",
        "schema_digest": digest(b"tool"),
        "target": target,
        "question": f"p/{tool}/{target}",
        "attempt": 1,
        "arguments": arguments,
        "policy": Decided(
            allow=True, rules=("tool_call.granted",), bundle=digest(b"b"), engine="regorus 1"
        ),
    }
    return CallFacts(**{**told, **more})
