"""Why projecting stops.

AuditError
├── LogTampered        the log is not what was verified before, or its bytes and hashes disagree
├── NewerEvent         an event in a version that a newer audit knows: never skipped
├── UnreadableEvent    a known event whose bytes do not fit its contract: never skipped
├── PlaceLost          others have projected, or rebuilt, meanwhile: begin again from their place
├── RebuildUnderWay    another process rebuilds the read models
├── ReadersInTheWay    a rebuild is complete, and somebody does not let go of the old rows
├── NewerReadModels    a newer release has rebuilt the read models
└── AnchorsDamaged     the anchor files are not what was written
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AnchorsDamaged",
    "AuditError",
    "LogTampered",
    "NewerEvent",
    "NewerReadModels",
    "PlaceLost",
    "ReadersInTheWay",
    "RebuildUnderWay",
    "UnreadableEvent",
]


class AuditError(Exception):
    """Projecting cannot go on as it is."""

    code: ClassVar[str] = "audit_error"
    retryable: ClassVar[bool] = False


class LogTampered(AuditError):
    """The log was changed below us. Nothing is repaired: a person must look."""

    code = "log_tampered"

    def __init__(self, position: int, tenant: str, what: str) -> None:
        super().__init__(
            f"position {position} of tenant {tenant!r}: {what}; projecting has stopped. Run "
            "`python -m smartops.audit verify`, compare with a backup, and keep the evidence"
        )
        self.position = position
        """The first event that cannot be trusted."""
        self.tenant = tenant
        self.what = what


class NewerEvent(AuditError):
    """An event that a newer release has written."""

    code = "newer_event"
    retryable = True

    def __init__(self, position: int, topic: str) -> None:
        super().__init__(
            f"position {position} holds {topic}, which is newer than this audit knows; start the "
            "newer release, nothing was skipped"
        )
        self.position = position
        self.topic = topic


class UnreadableEvent(AuditError):
    """A known topic with data that no version of its contract allows."""

    code = "unreadable_event"

    def __init__(self, position: int, topic: str, problem: str) -> None:
        super().__init__(
            f"position {position} holds a {topic} that does not fit its contract ({problem}); "
            "nothing was skipped: mend the contract's reader"
        )
        self.position = position
        self.topic = topic
        self.problem = problem


class PlaceLost(AuditError):
    """The place in the log has moved under us: two processes have projected."""

    code = "place_lost"
    retryable = True

    def __init__(self, expected: int) -> None:
        super().__init__(
            f"the read models are no longer at position {expected}, or were rebuilt: beginning "
            "again from where they stand"
        )


class RebuildUnderWay(AuditError):
    """One rebuild at a time: there is one place beside the read models."""

    code = "rebuild_under_way"
    retryable = True

    def __init__(self) -> None:
        super().__init__(
            "another process is rebuilding the read models: wait for its end, then look whether "
            "another rebuild is still needed"
        )


class ReadersInTheWay(AuditError):
    """The new read models cannot take their place while old snapshots are in use."""

    code = "readers_in_the_way"
    retryable = True

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"for {seconds:.0f} s there was always a transaction that looks at the old read models "
            "or is older than the new ones (a dump, a report, a forgotten session: see "
            "pg_stat_activity.backend_xmin); nothing was changed: end it, then rebuild again"
        )


class NewerReadModels(AuditError):
    """The rows were made by reactions that this release does not have."""

    code = "newer_read_models"
    retryable = True

    def __init__(self, theirs: int, ours: int) -> None:
        super().__init__(
            f"the read models were made by projector {theirs}, this is projector {ours}: start the "
            "newer release, or rebuild them with this one (`python -m smartops.audit rebuild`)"
        )


class AnchorsDamaged(AuditError):
    """The chain of anchor lines is broken, so no line can be added to it."""

    code = "anchors_damaged"

    def __init__(self, file: str, line: int, what: str) -> None:
        super().__init__(
            f"{file}, line {line}: {what}; keep the directory as evidence and give audit a new one"
        )
        self.file = file
        self.line = line
