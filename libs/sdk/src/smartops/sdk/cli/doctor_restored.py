"""Looking at what restores have left behind: history that outsiders know and the log does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from smartops.sdk.cli.doctor_findings import Finding, warning
from smartops.sdk.cli.text import count, listing

__all__ = ["judge_restored", "look_at_restores"]

PART = "history"


def look_at_restores(home: Path) -> list[Finding]:
    """Every restore whose remains nobody has put away yet."""
    found: list[Finding] = []
    for path in sorted(home.glob("replaced-*/restored.json")):
        try:
            report = json.loads(path.read_text(encoding="utf-8"))
            found.append(judge_restored(path.parent, report))
        except (OSError, ValueError, KeyError, TypeError) as error:
            text = f"{path} cannot be read ({error}): what a restore gave up is not known"
            found.append(warning(PART, "unreadable_report", text, "Put the report back."))
    return found


def judge_restored(kept: Path, report: dict[str, Any]) -> Finding:
    """What a restore means until somebody has looked."""
    given_up = report["discarded"]
    events, calls = sum(given_up["topics"].values()), given_up["calls"]
    text = f"history was rewound to position {report['position']} at {report['at']}"
    if not events:
        return warning(PART, "rewound", f"{text}; nothing was given up", f"Put {kept} away.")
    text += f"; {count(events, 'event')} that outsiders may know are not in the log any more"
    if calls:
        targets = sorted({f"{call['tool']} on {call['target']}" for call in calls})
        text += f". The outside may be ahead by {count(len(calls), 'write')}: {listing(targets)}"
    advice = f"Compare them with the targets ({kept / 'restored.json'} has all); put {kept} away."
    return warning(PART, "rewound", text, advice)
