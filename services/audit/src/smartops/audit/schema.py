"""The schema `smartops`: its migrations, for `smartops.eventstore.migrate`."""

from __future__ import annotations

from importlib.resources import files

from smartops.eventstore.migrations import MigrationSource

__all__ = ["READ_MODELS"]

READ_MODELS = MigrationSource("audit", files("smartops.audit") / "sql")
"""Apply after the event store's own: `migrate(dsn, [EVENTSTORE, READ_MODELS])`."""
