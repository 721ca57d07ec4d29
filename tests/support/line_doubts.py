"""Calls of the modelled line whose answer was lost: under way too long, and settled by a person."""

from __future__ import annotations

from uuid import UUID

from smartops.contracts.commands import CallSettle
from smartops.contracts.events import ActorMapped
from smartops.contracts.ids import actor_id
from smartops.contracts.wire import Idempotence
from smartops.tool_gateway import domain as calls
from smartops.tool_gateway.settling import Settler, settle
from support.line_calls import GatewaySide
from support.line_tools import Choose
from support.plans import TENANT

__all__ = ["DoubtsSide"]


class DoubtsSide(GatewaySide):
    """Whoever clears up what became of a call."""

    def in_doubt(self) -> list[UUID]:
        """Calls of which only a person can say whether they were applied."""
        return [
            ident
            for ident in sorted(self.call_events)
            if (call := self.call(ident)).ended is None
            and call.uncertain is not None
            and call.uncertain.next == "human"
        ]

    def takes_long(self) -> list[tuple[UUID, str]]:
        """Calls under way that cannot be repeated, with the timer of their deadline."""
        opaque = [sent for sent in self.flying if sent.idempotence is Idempotence.OPAQUE]
        keys = [(sent.call, f"deadline/{sent.send}") for sent in opaque]
        return [key for key in keys if key in self.timers]

    def tries_again(self) -> bool:
        """Whether a call whose answer was lost is about to be sent again."""
        return any(name.startswith("retry/") for _, name in self.timers)

    def lose_patience(self, choose: Choose) -> None:
        """A call takes longer than it may, and is still under way."""
        ident, name = choose(self.takes_long())
        self.timers.discard((ident, name))
        self.spent.add((ident, name))
        self._to_call(ident, lambda call: calls.answer_lost(call, ident, name))

    def settle(
        self,
        ident: UUID,
        roles: tuple[str, ...] | None = ("approver",),
        *,
        retry: bool = False,
        accept_double: bool = False,
        alive: bool = False,
    ) -> bool:
        """A person who has looked says what became of a call; whether that counted.

        Args:
            ident: the call.
            roles: of whoever says it; None for somebody whom nobody knows.
            retry: the step may be attempted again, if it was not done.
            accept_double: though whoever sent it may yet send it.
            alive: whether the gateway that sent it lives.
        """
        if on_its_way := [sent for sent in self.flying if sent.call == ident]:
            # Nobody can tell yet. What can be told: it may not be attempted beside that.
            if on_its_way[0].idempotence is not Idempotence.OPAQUE:
                return False
            retry, accept_double, alive = True, False, True
        done = not on_its_way and self.world.applied[ident]
        retry = retry and not done
        command = CallSettle(
            call=ident,
            outcome="applied" if done else "not_applied",
            retry=retry,
            accept_double=accept_double and retry,
            note="looked",
        )
        actor = None
        if roles is not None:
            actor = ActorMapped(
                actor=actor_id(TENANT, "ola"), name="ola", principals=("ola",), roles=roles
            )
        who = Settler("ola", actor, compare_and_set=False, alive=alive, now=self.now)
        decision = self._to_call(ident, lambda call: settle(call, ident, command, who))
        if decision.events:
            assert not on_its_way, "attempted again while the first may yet take effect"
            assert roles is not None
            assert {"approver", "operator"} & set(roles)
        return bool(decision.events)
