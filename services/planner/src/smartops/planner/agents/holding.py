"""What was seen of targets and must still hold when the plan starts."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue
from smartops.contracts.plan import Precondition
from smartops.contracts.preconditions import seen_digest
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import JsonObject

__all__ = ["still_golden", "still_versions"]

_EACH = 40
"""Targets that are looked at one by one, so that it shows which of them has changed. More are
looked at all at once: a plan holds 50 preconditions at most, and one call is cheaper than 5000."""

_VERSION = ("version",)


def still_versions(
    environment: str,
    versions: Mapping[str, str],
    one: ToolDescriptor | None,
    many: ToolDescriptor,
) -> tuple[Precondition, ...]:
    """That targets still run what they ran. Only the version counts: health and load come and go.

    Args:
        environment: theirs.
        versions: by target, in the order in which the inventory lists them.
        one: the tool that shows one target; None where there is none.
        many: the one that lists them.
    """
    if one is not None and len(versions) <= _EACH:
        return tuple(
            _held(one, target, {"asset": target}, {"version": version}, _VERSION)
            for target, version in versions.items()
        )
    listed: JsonObject = {
        "assets": [{"id": target, "version": version} for target, version in versions.items()]
    }
    arguments: JsonObject = {"environment": environment, "ids": list[JsonValue](versions)}
    return (_held(many, environment, arguments, listed, ("assets.id", "assets.version")),)


def still_golden(environment: str, tool: ToolDescriptor, role: str, version: str) -> Precondition:
    """That the version that servers of a role should run is still the same."""
    return _held(tool, environment, {"role": role}, {"version": version}, _VERSION)


def _held(
    tool: ToolDescriptor,
    target: str,
    arguments: JsonObject,
    seen: JsonObject,
    fields: tuple[str, ...],
) -> Precondition:
    return Precondition(
        tool=tool.name,
        version=tool.version,
        arguments=arguments,
        expect=seen_digest(seen, fields),
        target=target,
        fields=fields,
    )
