"""What a service needs in order to work, asked of each part when somebody wants to know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from smartops.telemetry.failures import describe

__all__ = ["Probe", "Trouble", "troubles"]


@dataclass(frozen=True, slots=True)
class Probe:
    """One part, and how to learn whether it works."""

    name: str
    check: Callable[[], str | None]
    """Looks at state that is known already and returns what is wrong, in words for an operator, or
    None. It must not wait: it is called in the event loop, several times a minute."""


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
