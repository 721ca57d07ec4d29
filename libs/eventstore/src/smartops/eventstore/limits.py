"""Sizes that the store accepts; the database checks the first two again."""

__all__ = [
    "MAX_BATCH_BYTES",
    "MAX_BATCH_UNITS",
    "MAX_BLOB_BYTES",
    "MAX_QUEUE_BYTES",
    "MAX_QUEUE_UNITS",
    "MAX_STATE_BYTES",
    "MAX_UNIT_BYTES",
    "MAX_UNIT_EVENTS",
]

MAX_STATE_BYTES = 1024 * 1024
"""One event's state: an event must fit a bus message. Larger content belongs into a blob."""

MAX_BLOB_BYTES = 8 * 1024 * 1024
"""One blob: it is read and hashed whole."""

MAX_UNIT_EVENTS = 6_000
"""Events of one unit: a run claims every target of its plan, 5,000 at most, as it begins. The lock
is held while they are hashed (about 5 µs each)."""

MAX_UNIT_BYTES = 32 * 1024 * 1024
"""States, payloads and blobs of one unit."""

MAX_BATCH_UNITS = 256
"""Units per group commit: the point from which larger batches no longer raised the throughput."""

MAX_BATCH_BYTES = 2 * 1024 * 1024
"""Bytes per group commit; a single larger unit goes alone. Half of the server's default `work_mem`,
so that the arrays are not spilled to disk while the lock is held."""

MAX_QUEUE_UNITS = 10_000
"""Units that may wait for the database before `StoreUnavailable`."""

MAX_QUEUE_BYTES = 64 * 1024 * 1024
"""Bytes that may wait, likewise."""
