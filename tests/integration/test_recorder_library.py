"""The `eventsourcing` library's own recorder test cases, on our recorder and our tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar, Literal
from uuid import uuid4

import pytest
from eventsourcing.tests import persistence as library
from smartops.eventstore import EventStore
from smartops.eventstore.loop_thread import LoopThread
from smartops.eventstore.recorder_events import CATEGORY
from smartops.eventstore.recorder_sync import (
    SyncAggregateRecorder,
    SyncApplicationRecorder,
    SyncProcessRecorder,
)
from smartops.eventstore.recorder_tracking import AsyncProcessRecorder
from support.store import PASSWORD, LogDatabase

pytest_plugins = ["support.store_fixtures"]

ROLE = "smartops_runner"
WITH_LOCK, WITHOUT_LOCK = "pg_advisory_xact_lock(8317411231030800499)", "pg_sleep(0)"


class OnOurTables:
    """Gives each test an empty log, in which the runner may write the recorder's category."""

    ids: ClassVar[Literal["uuid", "text"]] = "uuid"

    @pytest.fixture(autouse=True)
    def _log(self, log_database: LogDatabase) -> Iterator[None]:
        self.thread = LoopThread()
        self.stores: list[EventStore] = []
        self.database = log_database
        self.thread.run(
            self.execute("insert into smartops_log.writers values ($1, $2)", ROLE, CATEGORY)
        )
        yield
        for store in self.stores:
            self.thread.run(store.close(timedelta(0)))
        self.thread.run(
            self.execute("delete from smartops_log.writers where category = $1", CATEGORY)
        )
        self.thread.close()

    async def execute(self, sql: str, *arguments: object) -> None:
        async with self.database.connection() as admin:
            await admin.execute(sql, *arguments)

    def recorder(self) -> AsyncProcessRecorder:
        async def connect() -> AsyncProcessRecorder:
            store = await EventStore.connect(self.database.dsn, role=ROLE, password=PASSWORD)
            self.stores.append(store)
            return AsyncProcessRecorder(store, originator_id_type=self.ids)

        return self.thread.run(connect())


class WithTextIds(OnOurTables):
    ids = "text"

    def new_originator_id(self) -> str:
        return f"order-{uuid4()}"


class TestAggregateRecorder(OnOurTables, library.AggregateRecorderTestCase):
    def create_recorder(self) -> SyncAggregateRecorder:
        return SyncAggregateRecorder(self.thread, self.recorder())


class TestApplicationRecorder(OnOurTables, library.ApplicationRecorderTestCase):
    def create_recorder(self) -> SyncApplicationRecorder:
        return SyncApplicationRecorder(self.thread, self.recorder())

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestAggregateRecorderWithTextIds(WithTextIds, library.AggregateRecorderTestCase):
    def create_recorder(self) -> SyncAggregateRecorder:
        return SyncAggregateRecorder(self.thread, self.recorder())


class TestApplicationRecorderWithTextIds(WithTextIds, library.ApplicationRecorderTestCase):
    def create_recorder(self) -> SyncApplicationRecorder:
        return SyncApplicationRecorder(self.thread, self.recorder())

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestTrackingRecorder(OnOurTables, library.TrackingRecorderTestCase):
    def create_recorder(self) -> SyncProcessRecorder:
        return SyncProcessRecorder(self.thread, self.recorder())


class TestProcessRecorder(OnOurTables, library.ProcessRecorderTestCase):
    def create_recorder(self) -> SyncProcessRecorder:
        return SyncProcessRecorder(self.thread, self.recorder())


class TestProcessRecorderWithTextIds(WithTextIds, library.ProcessRecorderTestCase):
    def create_recorder(self) -> SyncProcessRecorder:
        return SyncProcessRecorder(self.thread, self.recorder())


class TestProcessRecorderAsApplicationRecorder(OnOurTables, library.ApplicationRecorderTestCase):
    def create_recorder(self) -> SyncProcessRecorder:
        return SyncProcessRecorder(self.thread, self.recorder())

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TwoRecorders(SyncApplicationRecorder):
    """Inserts over two connections in turn: over one, group commit alone would keep the order."""

    def __init__(self, thread: LoopThread, recorders: list[AsyncProcessRecorder]) -> None:
        super().__init__(thread, recorders[0])
        self._turns = itertools.cycle(recorders)

    def insert_events(self, stored_events: object, **_: object) -> object:
        return self._thread.run(next(self._turns).insert_events(stored_events))


class TestNonInterleaving(OnOurTables, library.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> TwoRecorders:
        return TwoRecorders(self.thread, [self.recorder(), self.recorder()])

    def test(self) -> None:
        self.rounds(5)

    def test_without_the_lock_the_promise_is_broken(self) -> None:
        """The mutation check: were it not for the lock, this suite would notice."""
        with pytest.raises((AssertionError, library.IntegrityError)):
            self.rounds(20, with_lock=False)

    def rounds(self, count: int, *, with_lock: bool = True) -> None:
        recorder = self.create_recorder()
        self.create_recorder = lambda: recorder
        source = self.thread.run(self.source())
        assert source.count(WITH_LOCK) == 1
        if not with_lock:
            self.thread.run(self.execute(source.replace(WITH_LOCK, WITHOUT_LOCK)))
        try:
            for _ in range(count):
                super().test()
        finally:
            self.thread.run(self.execute(source))

    async def source(self) -> str:
        async with self.database.connection() as admin:
            found: str = await admin.fetchval(
                "select pg_get_functiondef(oid) from pg_proc where proname = 'append_units'"
            )
            return found
