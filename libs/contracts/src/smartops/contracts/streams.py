"""Names of log streams: `<tenant>/<category>-<id>`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from smartops.contracts.errors import NoStream
from typing_extensions import override

__all__ = ["PLATFORM", "STREAM_NAME", "StreamRef", "parse_stream", "stream"]

PLATFORM = "_platform"
"""The reserved tenant of facts that all tenants read: tools, agents, default bundles."""

STREAM_NAME = r"(_platform|[a-z][a-z0-9-]{0,31})/([a-z]{1,32})-([A-Za-z0-9][A-Za-z0-9._/:-]{0,199})"
"""Tenant, category and id, as a regular expression."""

_SHAPE = re.compile(STREAM_NAME)


class StreamRef(NamedTuple):
    """A stream name, taken apart."""

    tenant: str
    category: str
    id: str

    @override
    def __str__(self) -> str:
        return f"{self.tenant}/{self.category}-{self.id}"


def stream(tenant: str, category: str, ident: object) -> str:
    """The name of a stream.

    Raises:
        NoStream: a part breaks the grammar.
    """
    name = f"{tenant}/{category}-{ident}"
    parse_stream(name)
    return name


@lru_cache(maxsize=4096)
def parse_stream(name: str) -> StreamRef:
    """Take a stream name apart.

    Raises:
        NoStream: the name breaks the grammar.
    """
    match = _SHAPE.fullmatch(name)
    if match is None:
        raise NoStream(f"{name!r} is no stream name (<tenant>/<category>-<id>)")
    return StreamRef(*match.groups())
