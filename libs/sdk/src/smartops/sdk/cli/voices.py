"""Who has said what of a plan, in words: as the read models keep it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from smartops.contracts.bounds import Limits
from smartops.sdk.cli.text import age, count, one_line

__all__ = ["told_limits", "told_voices"]


def told_voices(voices: Sequence[Mapping[str, Any]], now: datetime) -> list[str]:
    """One line per voice, in the order in which they were heard."""
    return [_told(voice, now) for voice in voices]


def told_limits(limits: Limits) -> str:
    """What is allowed, where that is less than the whole plan; to be put behind a yes."""
    said = ""
    if limits.max_targets is not None:
        said += f", {count(limits.max_targets, 'target')} at most"
    if limits.max_calls is not None:
        said += f", {count(limits.max_calls, 'call')} at most"
    if limits.condition is not None:
        said += f", while {one_line(limits.condition)}"
    if limits.expires_at is not None:
        said += f", until {limits.expires_at.astimezone():%Y-%m-%d %H:%M}"
    return said


def _told(voice: Mapping[str, Any], now: datetime) -> str:
    name = one_line(voice["name"])
    if voice["for_name"]:
        name += f" for {one_line(voice['for_name'])}"
    roles = f" ({', '.join(voice['roles'])})" if voice["roles"] else ""
    word = "yes" if voice["decision"] == "approve" else "no"
    note = f": {one_line(voice['note'])}" if voice["note"] else ""
    when = age(datetime.fromisoformat(voice["at"]), now)
    # Rows of an earlier release have none, until they are rebuilt.
    limits = Limits.model_validate_json(json.dumps(voice.get("limits") or {}))
    return f"{word} by {name}{roles}, {when}{told_limits(limits)}{note}"
