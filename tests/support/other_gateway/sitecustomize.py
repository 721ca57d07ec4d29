"""On a gateway's PYTHONPATH, this makes its no-ops other tools than they are.

`OTHER_TOOLS` says how: `version` and `description` change what the write says of itself, `older`
registers both as a release did that knew version 1 of `tool.registered` only.
"""

from __future__ import annotations

import os
from typing import Any

from smartops.contracts.canonical import digest_of
from smartops.contracts.events import ToolRegistered, ToolRegisteredV1
from smartops.contracts.tools import ToolDescriptor, ToolDescriptorV1
from smartops.tool_gateway import registration, tools
from smartops.tool_gateway.tools import descriptor, noop

_HOW = os.environ["OTHER_TOOLS"]
_make = descriptor


def _other(name: str, description: str, *models: Any, **traits: Any) -> ToolDescriptor:
    made = _make(name, description, *models, **traits)
    if _HOW == "older":
        return ToolDescriptor(**made.model_dump(include=set(ToolDescriptorV1.model_fields)))
    changes = {"version": "2"} if _HOW == "version" else {"description": f"{description} Or does."}
    return made.model_copy(update=changes) if name == "noop_write" else made


def _registered_in_version_1(
    descriptor: ToolDescriptor, digest: str
) -> ToolRegistered | ToolRegisteredV1:
    if not descriptor.name.startswith("noop"):
        return ToolRegistered(descriptor=descriptor, digest=digest)
    told = ToolDescriptorV1(**descriptor.model_dump(include=set(ToolDescriptorV1.model_fields)))
    assert digest == digest_of(told.model_dump(mode="json"))
    return ToolRegisteredV1(descriptor=told, digest=digest)


vars(noop)["descriptor"] = _other
if _HOW == "older":
    vars(registration)["ToolRegistered"] = _registered_in_version_1
    vars(tools)["check_tools"] = lambda _known: None
