"""Standing words of people: given, taken back, and looked for when a plan waits for somebody.

All of a tenant are folded in memory, as far as the log has come. To know too few is safe: then a
person is asked. To know one that was used up or taken back meanwhile is safe, too: its use is
written on the version that was known, and loses against whatever came after it. So the log is not
asked anew for each plan, but once in a while, and after each word of this process.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from uuid import UUID

from smartops.contracts.deciding import Evidence
from smartops.contracts.events import Approval, StandingGiven, StandingRevoked, StandingUsed
from smartops.contracts.plan import Plan
from smartops.contracts.streams import parse_stream
from smartops.contracts.wire import EventData
from smartops.policy.actors import Directory
from smartops.policy.gate.state import Gate
from smartops.policy.gate.voters import Hands, Question, Voters
from smartops.policy.gate.weighing import Weighed
from smartops.policy.mandates.offers import Offer, Standing, covers, evolve_standing
from smartops.policy_engine import PolicyEngine
from smartops.runtime.reactor import decode
from smartops.runtime.service import Service

__all__ = ["Consulted", "Standings"]

_SAID: tuple[type[EventData], ...] = (StandingGiven, StandingUsed, StandingRevoked)
_PAGE = 1000

STALE = timedelta(seconds=1)
"""For so long a word that another process heard may go unnoticed."""


@dataclass(frozen=True, slots=True)
class _Known:
    stream: str
    version: int
    state: Standing


@dataclass(frozen=True, slots=True)
class Consulted:
    """What was found out about a plan that waits for people."""

    hands: Hands
    offer: Offer | None = None
    evidence: tuple[Evidence, ...] = ()
    """What policy said of the one who gave the word."""


class Standings:
    """Finds a standing word that covers a plan."""

    def __init__(self, service: Service, directory: Directory, voters: Voters) -> None:
        self._service = service
        self._directory = directory
        self._voters = voters
        self._known: dict[tuple[str, UUID], _Known] = {}
        self._seen = 0
        self._read_at = float("-inf")

    def stir(self) -> None:
        """Something was said here: look at the log before the next answer."""
        self._read_at = float("-inf")

    async def consult(
        self,
        tenant: str,
        gate: Gate,
        plan: Plan,
        weighed: Weighed,
        engine: PolicyEngine,
        *,
        fresh: bool,
    ) -> Consulted:
        """Who had a hand in a plan, and whose standing word lets it go, if anybody's does.

        Not where a person is to look at this very plan: a word given beforehand has seen nothing.
        """
        hands = await self._voters.hands(tenant, gate, plan, fresh=fresh)
        if weighed.needs_look or weighed.quorum > 1:
            return Consulted(hands)
        if fresh or monotonic() - self._read_at > STALE.total_seconds():
            await self._read_on()
        for known in [one for (where, _), one in self._known.items() if where == tenant]:
            found = await self._offer(tenant, plan, weighed, engine, hands, known, fresh=fresh)
            if found is not None:
                return found
        return Consulted(hands)

    async def _offer(
        self,
        tenant: str,
        plan: Plan,
        weighed: Weighed,
        engine: PolicyEngine,
        hands: Hands,
        known: _Known,
        *,
        fresh: bool,
    ) -> Consulted | None:
        given = known.state.given
        if given is None:
            return None
        giver = await self._directory.actor(tenant, given.by.actor, fresh=fresh)
        if giver is None:
            return None
        if giver.mapped.disabled or giver.mapped.actor in (hands.requester, *hands.editors):
            return None  # Whatever the policy in force makes of it.
        roles, now = giver.mapped.roles, self._service.store.db_now()
        if covers(known.state, plan, weighed, roles, now) is not None:
            return None
        question = Question("standing", "approve", weighed.roles, given.by.authtype, giver)
        asked = self._voters.ask(engine, tenant, plan, question, hands)
        if not asked.verdict.allow:
            return None
        voice = Approval(
            actor=giver.mapped.actor,
            actor_name=giver.mapped.name,
            principal=given.by.principal,
            authtype=given.by.authtype,
            actor_version=giver.version,
            roles=roles,
        )
        reads = tuple({**dict(hands.reads), giver.stream: giver.version}.items())
        offer = Offer(known.stream, known.version, given, known.state.used, voice, reads)
        return Consulted(hands, offer, (asked.evidence,))

    async def _read_on(self) -> None:
        store = self._service.store
        head = max((head.position for head in await store.heads()), default=0)
        while self._seen < head:
            topics = [event.type_key() for event in _SAID]
            rows = await store.read_log(self._seen, _PAGE, topics=topics)
            for row in rows:
                key = (row.tenant, UUID(parse_stream(row.stream).id))
                known = self._known.get(key) or _Known(row.stream, 0, Standing())
                if row.version > known.version:
                    state = evolve_standing(known.state, decode(row))
                    self._known[key] = _Known(row.stream, row.version, state)
            self._seen = head if len(rows) < _PAGE else rows[-1].position
        self._read_at = monotonic()
