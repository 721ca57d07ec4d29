"""The page on which a fleet shows its metrics, in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from smartops.tool_gateway.adapters.json_api import JsonApi, Reply
from smartops.tool_gateway.ports import NotApplied, Outbound, Unknown

__all__ = ["gauges_of", "read_gauges", "targets_of"]

_OK = 200


async def gauges_of(
    api: JsonApi, outbound: Outbound, name: str
) -> dict[str, float] | NotApplied | Unknown:
    """A gauge of all servers that show it, read once for all of them.

    Args:
        api: the fleet's.
        outbound: the call.
        name: of the gauge; its one label is `server`.
    """
    reply = await api.send(outbound, "GET", "/metrics")
    if not isinstance(reply, Reply):
        return reply
    if reply.status != _OK:
        return Unknown(f"the metrics answered {reply.status}")
    return read_gauges(reply.content.decode("utf-8", "replace"), name)


def read_gauges(page: str, name: str) -> dict[str, float]:
    """The gauge by server. What is no number, or none that can be compared, is as if not there."""
    lines = re.compile(rf'^{re.escape(name)}\{{server="([^"]+)"\}} (\S+)$', re.MULTILINE)
    found = {}
    for server, value in lines.findall(page):
        try:
            number = float(value)
        except ValueError:
            continue
        if math.isfinite(number):
            found[server] = number
    return found


def targets_of(outbound: Outbound) -> Sequence[str]:
    """The servers that a call is about."""
    targets = outbound.arguments.get("targets")
    return [str(target) for target in targets] if isinstance(targets, list | tuple) else []
