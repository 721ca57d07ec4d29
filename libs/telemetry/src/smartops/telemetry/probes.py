"""What a service needs in order to work, asked of each part when somebody wants to know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from smartops.telemetry.failures import describe

__all__ = ["Probe", "Trouble", "notes", "troubles"]


@dataclass(frozen=True, slots=True)
class Probe:
    """One part, and how to learn whether it works."""

    name: str
    check: Callable[[], str | None]
    """Looks at state that is known already and returns what is wrong, in words for an operator, or
    None. It must not wait: it is called in the event loop, several times a minute."""
    note: Callable[[], str] | None = None
    """Says how the part works where that is worth knowing and no trouble; the same holds."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One part that does not work, and why."""

    part: str
    trouble: str


def troubles(probes: Sequence[Probe]) -> list[Trouble]:
    """Ask all parts; a check that itself fails counts as trouble of its part."""
    found: list[Trouble] = []
    for probe in probes:
        try:
            trouble = probe.check()
        except Exception as error:  # noqa: BLE001 - a part that cannot even be asked is not ready.
            trouble = f"the check failed: {describe(error)}"
        if trouble is not None:
            found.append(Trouble(probe.name, trouble))
    return found


def notes(probes: Sequence[Probe]) -> dict[str, str]:
    """What the parts say of themselves; a note that itself fails says that."""
    found: dict[str, str] = {}
    for probe in probes:
        if probe.note is not None:
            try:
                found[probe.name] = probe.note()
            except Exception as error:  # noqa: BLE001 - a page must not fail for a note.
                found[probe.name] = f"cannot be told: {describe(error)}"
    return found
