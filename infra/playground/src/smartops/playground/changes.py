"""Everything that can happen to a fleet, as facts that can be written down and applied again."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from smartops.playground.faults import Fault
from smartops.playground.operations import Operation

__all__ = [
    "BackupDeleted",
    "BackupStarted",
    "Change",
    "ConfigRestored",
    "ConfigSet",
    "DrainSet",
    "FailedOver",
    "FaultSet",
    "FaultSpent",
    "FaultsCleared",
    "FleetReset",
    "GoldenSet",
    "Keyed",
    "Restarted",
    "VersionSet",
    "Write",
    "change_from_json",
    "change_to_json",
]


@dataclass(frozen=True, slots=True)
class VersionSet:
    """A server was put on a version."""

    n: int
    """Number of the request in the record."""
    server: str
    version: str
    key: str | None
    """The caller's idempotency key."""

    @property
    def operation(self) -> Operation:
        """The operation that asked for it."""
        return Operation.SET_VERSION

    @property
    def meaning(self) -> str:
        """What was asked for; the same key must always mean the same."""
        return f"{self.operation} {self.server} {self.version}"


@dataclass(frozen=True, slots=True)
class Restarted:
    """A server was restarted, once per request."""

    n: int
    server: str

    @property
    def operation(self) -> Operation:
        """The operation that asked for it."""
        return Operation.RESTART


@dataclass(frozen=True, slots=True)
class DrainSet:
    """A server was taken out of the traffic, or put back."""

    n: int
    server: str
    draining: bool
    key: str | None
    """The caller's idempotency key."""

    @property
    def operation(self) -> Operation:
        """The operation that asked for it."""
        return Operation.DRAIN if self.draining else Operation.UNDRAIN

    @property
    def meaning(self) -> str:
        """What was asked for; the same key must always mean the same."""
        return f"{self.operation} {self.server}"


@dataclass(frozen=True, slots=True)
class ConfigSet:
    """A setting got another value."""

    n: int
    server: str
    """Its key."""
    value: str

    @property
    def operation(self) -> Operation:
        """The operation that asked for it."""
        return Operation.SET_CONFIG


@dataclass(frozen=True, slots=True)
class ConfigRestored:
    """A setting got the value of an earlier revision back."""

    n: int
    server: str
    """Its key."""
    revision: int

    @property
    def operation(self) -> Operation:
        """The operation that asked for it."""
        return Operation.RESTORE_CONFIG


@dataclass(frozen=True, slots=True)
class FailedOver:
    """A cluster got another primary."""

    n: int
    server: str
    """The cluster."""
    primary: str
    reason_code: str
    key: str | None
    """The caller's idempotency key."""

    @property
    def operation(self) -> Operation:
        """The operation that asked for it."""
        return Operation.FAIL_OVER

    @property
    def meaning(self) -> str:
        """What was asked for; the same key must always mean the same."""
        return f"{self.operation} {self.server} {self.primary} {self.reason_code}"


@dataclass(frozen=True, slots=True)
class BackupStarted:
    """A backup began, and will end at a moment that is known."""

    n: int
    server: str
    label: str
    began: float
    """Seconds since the epoch."""
    ends: float
    fails: bool
    key: str | None
    """The caller's idempotency key."""

    @property
    def operation(self) -> Operation:
        """The operation that asked for it."""
        return Operation.RUN_BACKUP

    @property
    def meaning(self) -> str:
        """What was asked for; the same key must always mean the same."""
        return f"{self.operation} {self.server} {self.label}"


@dataclass(frozen=True, slots=True)
class BackupDeleted:
    """A backup is gone."""

    n: int
    server: str
    label: str

    @property
    def operation(self) -> Operation:
        """The operation that asked for it."""
        return Operation.DELETE_BACKUP


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """Another version became golden for a role, on one platform or on all (None)."""

    role: str
    platform: str | None
    version: str


@dataclass(frozen=True, slots=True)
class FaultSet:
    """A fault was switched on."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class FaultSpent:
    """A counted fault acted on one request."""

    fault_id: str


@dataclass(frozen=True, slots=True)
class FaultsCleared:
    """Faults were switched off."""

    fault_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FleetReset:
    """The fleet is as on its first day: no faults, no remembered keys."""


Keyed = VersionSet | DrainSet | FailedOver | BackupStarted
"""Writes that a repetition under the same key does not repeat."""

Write = Keyed | Restarted | ConfigSet | ConfigRestored | BackupDeleted
"""What a request of the API changes."""

Change = Write | GoldenSet | FaultSet | FaultSpent | FaultsCleared | FleetReset
"""Anything that changes a fleet."""

_KINDS: dict[str, type[Change]] = {
    "version_set": VersionSet,
    "restarted": Restarted,
    "drain_set": DrainSet,
    "config_set": ConfigSet,
    "config_restored": ConfigRestored,
    "failed_over": FailedOver,
    "backup_started": BackupStarted,
    "backup_deleted": BackupDeleted,
    "golden_set": GoldenSet,
    "fault_set": FaultSet,
    "fault_spent": FaultSpent,
    "faults_cleared": FaultsCleared,
    "fleet_reset": FleetReset,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def change_to_json(change: Change) -> dict[str, Any]:
    """The change as one line of the state file holds it."""
    data: dict[str, Any] = {"change": _NAMES[type(change)]}
    for part in fields(change):
        value = getattr(change, part.name)
        data[part.name] = value.to_json() if isinstance(value, Fault) else value
    return data


def change_from_json(data: dict[str, Any]) -> Change:
    """The change written by `change_to_json`.

    Raises:
        KeyError: There is no change of this name.
        TypeError: Its fields are others.
        ValueError: A value is none that was ever written.
    """
    values = dict(data)
    kind = _KINDS[values.pop("change")]
    if "fault" in values:
        values["fault"] = Fault.from_json(values["fault"])
    if "fault_ids" in values:
        values["fault_ids"] = tuple(values["fault_ids"])
    return kind(**values)
