"""A house whose spans, logs and health pages are looked at from outside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from smartops.contracts.catalogue import SERVICES
from smartops.devstack.stack import Stack

__all__ = ["Page", "Span", "get", "observed", "spans_of"]


@dataclass(frozen=True, slots=True)
class Page:
    """What a health page answered."""

    status: int
    text: str

    @property
    def json(self) -> dict[str, Any]:
        """Its document."""
        found: dict[str, Any] = json.loads(self.text)
        return found


async def get(stack: Stack, service: str, path: str) -> Page:
    """Ask one page of a service."""
    return await asyncio.to_thread(_get, stack.health_url(service) + path)


def _get(url: str) -> Page:
    try:
        with urlopen(url, timeout=5) as reply:
            return Page(reply.status, reply.read().decode())
    except HTTPError as error:
        with error:
            return Page(error.code, error.read().decode())


def observed(home: Path, log_level: str = "debug") -> dict[str, Any]:
    """Options of a house that writes all spans to `<home>/spans.jsonl`, and logs all it can."""
    env = {"SMARTOPS_TRACES": f"file:{home / 'spans.jsonl'}", "LOG_LEVEL": log_level}
    return {"service_env": dict.fromkeys(SERVICES, env)}


@dataclass(frozen=True, slots=True)
class Span:
    """One line of the file of spans."""

    service: str
    name: str
    kind: str
    status: str
    trace: str
    id: str
    parent: str | None
    attributes: Mapping[str, Any]
    links: tuple[str, ...]

    @property
    def phase(self) -> str:
        """What the work was for."""
        return str(self.attributes["smartops.phase"])


def spans_of(home: Path) -> list[Span]:
    """All spans that were written; complete once the stack is down."""
    return list(_read((home / "spans.jsonl").read_text("utf-8").splitlines()))


def _read(lines: Iterable[str]) -> Iterable[Span]:
    for line in lines:
        raw = json.loads(line)
        yield Span(
            raw["service"],
            raw["name"],
            raw["kind"],
            raw["status"],
            raw["trace_id"],
            raw["span_id"],
            raw["parent_id"],
            raw["attributes"],
            tuple(link["trace_id"] for link in raw["links"]),
        )
