"""The append-only log on PostgreSQL: units, group commit, inbox, outbox, timers, blobs, sweeps.

>>> store = await EventStore.connect(dsn, role="smartops_planner")
>>> result = await store.append(Unit(triggers=[...], writes=[Write("acme/task-1", 0, [event])]))
"""

from smartops.eventstore.errors import (
    BlobCorrupt,
    BlobMissing,
    CategoryForbidden,
    InvalidUnit,
    MigrationError,
    RecordConflict,
    StoreClosed,
    StoreError,
    StoreUnavailable,
    TenantMismatch,
    TooLarge,
)
from smartops.eventstore.folded import Folded
from smartops.eventstore.folds import Folds
from smartops.eventstore.migrations import EVENTSTORE, MigrationSource, migrate, status
from smartops.eventstore.results import Already, AppendResult, Committed, Conflict
from smartops.eventstore.roles import LOGIN_ROLES, OWNER, SERVICE_ROLES, set_role_passwords
from smartops.eventstore.rows import (
    Backlog,
    DueTimers,
    HandlerMarks,
    Head,
    OutboxRow,
    ParkedRow,
    SettledRow,
    StoredRow,
    TimerRow,
)
from smartops.eventstore.snapshots import Snapshot, SnapshotCodec
from smartops.eventstore.snapshotting import Snapshots
from smartops.eventstore.store import EventStore
from smartops.eventstore.streams import StreamName, category_of, tenant_of
from smartops.eventstore.sweeps import Handler, Sweeper
from smartops.eventstore.timers import Timers
from smartops.eventstore.units import (
    Citation,
    NewEvent,
    Outcome,
    ReadCondition,
    TimerCancel,
    TimerSet,
    Trigger,
    Unit,
    Write,
)

__all__ = [
    "EVENTSTORE",
    "LOGIN_ROLES",
    "OWNER",
    "SERVICE_ROLES",
    "Already",
    "AppendResult",
    "Backlog",
    "BlobCorrupt",
    "BlobMissing",
    "CategoryForbidden",
    "Citation",
    "Committed",
    "Conflict",
    "DueTimers",
    "EventStore",
    "Folded",
    "Folds",
    "Handler",
    "HandlerMarks",
    "Head",
    "InvalidUnit",
    "MigrationError",
    "MigrationSource",
    "NewEvent",
    "OutboxRow",
    "Outcome",
    "ParkedRow",
    "ReadCondition",
    "RecordConflict",
    "SettledRow",
    "Snapshot",
    "SnapshotCodec",
    "Snapshots",
    "StoreClosed",
    "StoreError",
    "StoreUnavailable",
    "StoredRow",
    "StreamName",
    "Sweeper",
    "TenantMismatch",
    "TimerCancel",
    "TimerRow",
    "TimerSet",
    "Timers",
    "TooLarge",
    "Trigger",
    "Unit",
    "Write",
    "category_of",
    "migrate",
    "set_role_passwords",
    "status",
    "tenant_of",
]
