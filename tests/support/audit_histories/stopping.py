"""What people stop, through policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from smartops.contracts.catalogue import POLICY
from smartops.contracts.events import (
    TaskCancelled,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
)
from smartops.contracts.wire import EventData
from support.audit_histories.telling import OPERATOR, Teller

__all__ = ["Stopping"]


class Stopping(Teller):
    """In the name of the operator."""

    def by_person(self, kind: Callable[..., EventData], **more: object) -> Self:
        return self.add(POLICY, kind(principal=OPERATOR, reason="a person says so", **more))

    def revoked(self) -> Self:
        return self.by_person(TaskGrantRevoked, grant=1, run=self.run)

    def halted(self) -> Self:
        return self.by_person(TaskHalted, run=self.run)

    def cancel_requested(self) -> Self:
        return self.by_person(TaskCancelRequested, run=self.run)

    def cancelled_at_the_gate(self) -> Self:
        asked = TaskCancelRequested(principal=OPERATOR, reason="never mind")
        return self.add(POLICY, asked, TaskCancelled(task=self.task, reason="never mind"))
