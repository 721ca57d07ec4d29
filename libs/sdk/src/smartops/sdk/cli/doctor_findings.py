"""What `smartops doctor` found: one sentence each, and one on what to do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from smartops.sdk.cli.exits import Exit

__all__ = ["Finding", "Level", "document", "exit_of", "in_words", "problem", "warning", "well"]

_AWAY = frozenset({"home.no_profile", "bus.unreachable", "bus.refused"}) | frozenset(
    {"database.unreachable", "database.refused"}
)
"""Codes of what keeps every command from working, whoever gives it."""


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Work goes on; somebody should look."""
    PROBLEM = "problem"
    """Something does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    part: str
    """home, bus, database, services, or history."""
    code: str
    """Stable, for programs: `bus.nobody_pulls`."""
    level: Level
    text: str
    advice: str = ""
    """What to do; empty where all is well."""


def well(part: str, code: str, text: str) -> Finding:
    """All is well here."""
    return Finding(part, f"{part}.{code}", Level.OK, text)


def warning(part: str, code: str, text: str, advice: str) -> Finding:
    """Somebody should look at this."""
    return Finding(part, f"{part}.{code}", Level.WARNING, text, advice)


def problem(part: str, code: str, text: str, advice: str) -> Finding:
    """This does not work."""
    return Finding(part, f"{part}.{code}", Level.PROBLEM, text, advice)


def in_words(error: BaseException) -> str:
    """What an error says, without numbers and addresses that are told beside it."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """All of it as one JSON document."""
    return {
        "healthy": all(finding.level is not Level.PROBLEM for finding in findings),
        "problems": sum(finding.level is Level.PROBLEM for finding in findings),
        "warnings": sum(finding.level is Level.WARNING for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }


def exit_of(findings: Sequence[Finding]) -> Exit:
    """0 if all works, 7 if bus, database or the installation are out of reach, else 1."""
    wrong = {finding.code for finding in findings if finding.level is Level.PROBLEM}
    if wrong & _AWAY:
        return Exit.UNREACHABLE
    return Exit.FAILURE if wrong else Exit.OK
