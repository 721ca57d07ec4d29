"""Everything the store can raise.

    StoreError                      root
    ├── StoreUnavailable            the database is out of reach, and waiting is over
    ├── StoreClosed                 the store was closed while, or before, the call was made
    ├── InvalidUnit                 a unit that can never be stored
    │   ├── CategoryForbidden       the role may not write that category of stream
    │   ├── TenantMismatch          a stream of another tenant than the unit's
    │   └── TooLarge                an event, blob or unit above the limits
    ├── RecordConflict              the database refused a row that already exists
    ├── BlobMissing                 no blob with that digest
    ├── BlobCorrupt                 a blob's bytes do not have its digest
    └── MigrationError              the schema's past and the files disagree

A lost race is not an error: `EventStore.append` answers with `Conflict` or `Already`.
"""

from typing import ClassVar

__all__ = [
    "BlobCorrupt",
    "BlobMissing",
    "CategoryForbidden",
    "InvalidUnit",
    "MigrationError",
    "RecordConflict",
    "StoreClosed",
    "StoreError",
    "StoreUnavailable",
    "TenantMismatch",
    "TooLarge",
]


class StoreError(Exception):
    """Root of the library's errors."""

    code: ClassVar[str] = "store_error"
    """Stable name of the case, for logs and for the wire."""

    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later without any change."""


class StoreUnavailable(StoreError):
    """The database is out of reach, and waiting any longer is not allowed.

    Nothing is known to be stored. Send the same unit again later: its triggers make that safe.
    """

    code = "store_unavailable"
    retryable = True

    def __init__(self, trouble: str) -> None:
        super().__init__(f"the event store is unavailable ({trouble}); try again later")
        self.trouble = trouble


class StoreClosed(StoreError):
    """The store is closed. An append that was under way may or may not have been committed."""

    code = "store_closed"
    retryable = True

    def __init__(self) -> None:
        super().__init__("the event store is closed; open a new one")


class InvalidUnit(StoreError):
    """The database refuses this unit, now and for ever; its neighbours were stored."""

    code = "invalid_unit"


class CategoryForbidden(InvalidUnit):
    """The role may not write this category of stream."""

    code = "category_forbidden"


class TenantMismatch(InvalidUnit):
    """A written stream belongs to another tenant than the unit."""

    code = "tenant_mismatch"


class TooLarge(InvalidUnit):
    """A state, blob or unit exceeds the limits of `limits.py`."""

    code = "too_large"

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(f"{what} has {size}, above the limit of {limit}; split it or store a blob")
        self.size = size
        self.limit = limit


class RecordConflict(StoreError):
    """A row with that key exists already and the append did not foresee it.

    Seen when an event id is used twice. Reload and decide again.
    """

    code = "record_conflict"


class BlobMissing(StoreError):
    """No such blob for this tenant."""

    code = "blob_missing"

    def __init__(self, tenant: str, digest: bytes) -> None:
        super().__init__(f"tenant {tenant!r} has no blob {digest.hex()}; fail closed")
        self.tenant = tenant
        self.digest = digest


class BlobCorrupt(StoreError):
    """A blob's bytes no longer have its digest: storage was damaged or edited."""

    code = "blob_corrupt"

    def __init__(self, tenant: str, digest: bytes) -> None:
        super().__init__(
            f"blob {digest.hex()} of tenant {tenant!r} was altered; check the disk, then restore"
        )
        self.tenant = tenant
        self.digest = digest


class MigrationError(StoreError):
    """The migrations applied in the past and the files at hand disagree."""

    code = "migration_error"
