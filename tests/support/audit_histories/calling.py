"""What the gateway says of the calls of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self
from uuid import uuid4

from smartops.contracts.canonical import digest
from smartops.contracts.catalogue import GATEWAY, RUNNER
from smartops.contracts.events import (
    CallFacts,
    Decided,
    DenialReason,
    PolicyInForce,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallDeniedV1,
    ToolCallDispatched,
    ToolCallSettled,
    ToolCallUncertain,
)
from smartops.contracts.streams import stream
from smartops.contracts.wire import Idempotence, Purpose
from support.audit_histories.telling import ANY, Teller

__all__ = ["Calling"]


class Calling(Teller):
    """Of one target, step by step."""

    def facts(self, step: int) -> CallFacts:
        return CallFacts(
            **self.of_run,
            requester=RUNNER,
            requester_stream=stream(self.tenant, "run", self.run),
            request=uuid4(),
            purpose=Purpose.DO,
            tool="noop.step",
            version="1",
            schema_digest=ANY,
            target=self.target,
            question=f"canary/{step}/{self.target}",
            attempt=1,
            phase=0,
            step=ANY,
            arguments={"target": self.target, "retries": step},
            plan_hash=self.plan_hash,
            grant=1,
            approvers=(self.approver.actor,),
            policy=Decided(allow=True, rules=("granted",), bundle=ANY, engine="e"),
        )

    def called(self, step: int) -> Self:
        return self.add(
            GATEWAY,
            ToolCallCompleted(
                call=self.call(step),
                facts=self.facts(step),
                output={"changed": True, "step": step},
                output_digest=ANY,
                duration_ms=1.25,
            ),
        )

    def dispatched(self, step: int) -> Self:
        return self.add(
            GATEWAY,
            ToolCallDispatched(
                call=self.call(step),
                facts=self.facts(step),
                idempotence=Idempotence.OPAQUE,
                key=uuid4(),
                send=1,
                incarnation=uuid4(),
                deadline=datetime(2030, 1, 1, tzinfo=UTC),
                before={"version": 1},
            ),
        )

    def uncertain(self, step: int) -> Self:
        return self.add(
            GATEWAY,
            ToolCallUncertain(
                call=self.call(step),
                facts=self.facts(step),
                reason="the answer was lost",
                next="human",
                send=1,
            ),
        )

    def settled_by_person(self, step: int, *, applied: bool) -> Self:
        return self.add(
            GATEWAY,
            ToolCallSettled(
                **self.of_run,
                call=self.call(step),
                requester=RUNNER,
                requester_stream=stream(self.tenant, "run", self.run),
                applied=applied,
                by="person",
                note="looked at it",
            ),
        )

    def denied(self, step: int) -> Self:
        return self.add(
            GATEWAY,
            ToolCallDenied(
                **self._denied(step),
                reasons=(
                    DenialReason(rule="freeze", message="a change freeze is on"),
                    DenialReason(rule="night", message="it is night"),
                ),
                policy=PolicyInForce(bundle=digest(b"bundle"), engine="regorus 1"),
                grant=1,
            ),
        )

    def denied_long_ago(self, step: int) -> Self:
        """As the first version of the event told it."""
        return self.add(
            GATEWAY,
            ToolCallDeniedV1(
                **self._denied(step),
                rule="freeze",
                message="a change freeze is on",
            ),
        )

    def _denied(self, step: int) -> dict[str, Any]:
        """What every version says of a call that was denied."""
        return {
            **self.of_run,
            "call": self.call(step),
            "requester": RUNNER,
            "requester_stream": stream(self.tenant, "run", self.run),
            "request": uuid4(),
            "purpose": Purpose.DO,
            "tool": "noop.step",
            "target": self.target,
            "question": f"canary/{step}/{self.target}",
            "reason_code": "denied",
        }
