"""The name of a stream: `<tenant>/<category>-<id>`."""

import re
from dataclasses import dataclass
from typing import Self

from typing_extensions import override

__all__ = ["STREAM_PATTERN", "StreamName", "category_of", "tenant_of"]

STREAM_PATTERN = r"^([a-z0-9_][a-z0-9_-]{0,62})/([a-z][a-z_]{0,30})-([!-~]{1,200})$"
"""Tenant, category and id. The append checks the same pattern in SQL (`append_units`)."""

_STREAM = re.compile(STREAM_PATTERN)


@dataclass(frozen=True, slots=True, order=True)
class StreamName:
    """One stream's name, taken apart.

    Examples: `acme/task-6f…`, `acme/target-production/web-1`, `_platform/tool-noop`.
    """

    tenant: str
    """Lower-case letters, digits, `_` and `-`; at most 63 characters."""

    category: str
    """Lower-case letters and `_`; decides who may write the stream."""

    id: str
    """Printable ASCII without blanks; at most 200 characters; may hold `/` and `-`."""

    def __post_init__(self) -> None:
        match = _STREAM.fullmatch(str(self))
        if match is None or match.groups() != (self.tenant, self.category, self.id):
            raise ValueError(f"{str(self)!r} is no stream name: write <tenant>/<category>-<id>")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a name apart.

        Raises:
            ValueError: The text is not `<tenant>/<category>-<id>`.
        """
        match = _STREAM.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no stream name: write <tenant>/<category>-<id>")
        tenant, category, id_ = match.groups()
        return cls(tenant, category, id_)

    @override
    def __str__(self) -> str:
        return f"{self.tenant}/{self.category}-{self.id}"


def tenant_of(stream: str) -> str:
    """The tenant of a well-formed stream name; nothing is checked."""
    return stream.partition("/")[0]


def category_of(stream: str) -> str:
    """The category of a well-formed stream name; nothing is checked."""
    return stream.partition("/")[2].partition("-")[0]
