"""Who may speak, found out on a real log, under a policy that has forgotten all about persons.

Four eyes, lost roles and lost access are the gate's to keep, whatever the bundle in force says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from smartops.contracts.canonical import digest
from smartops.contracts.commands import ApprovalDecide
from smartops.contracts.editing import Edit
from smartops.contracts.events import ActorDelegated, ActorMapped, TaskPlanEditAccepted
from smartops.contracts.ids import actor_id, principal
from smartops.contracts.plan import Plan, Requester
from smartops.contracts.streams import stream
from smartops.contracts.subjects import Subjects
from smartops.contracts.wire import Environment, EventData
from smartops.eventstore import EventStore
from smartops.eventstore.results import Committed
from smartops.eventstore.units import Trigger
from smartops.policy.actors import Directory
from smartops.policy.gate.state import Gate, evolve
from smartops.policy.gate.voters import Voters
from smartops.policy.gate.voting import Voter, decide_vote, voice_of
from smartops.policy.mandates.standings import Consulted, Standings
from smartops.policy.settings import PolicySettings
from smartops.policy_engine import Entrypoint, Reason, Verdict
from smartops.runtime.cues import Order
from smartops.runtime.decision import Decision
from smartops.runtime.engines import BUNDLE, InForce
from smartops.runtime.plans import Plans
from smartops.runtime.reactor import Reactor
from smartops.runtime.recording import Cause, Recorder, UnitBuilder
from support.approvals import BUNDLE as DIGEST
from support.approvals import TERMS, Person, given_word, required, validated, weighed
from support.given import given
from support.plans import TASK, TENANT, phase, plan, step
from support.store import LogDatabase

pytest_plugins = ["support.store_fixtures"]

ANA, BEN, CYD = Person("ana"), Person("ben"), Person("cyd")
SUE = Person("sue", ("senior-approver",))
EVE = Person("eve", ())
MADE = plan(phase(step("a")))
PLAN = MADE.model_copy(
    update={
        "header": MADE.header.model_copy(
            update={"requester": Requester(principal=principal("local", "ana"), authtype="local")}
        )
    }
)


def numbered(number: int) -> Plan:
    """The plan again, as a later one of its task."""
    header = PLAN.header.model_copy(update={"number": number})
    return PLAN.model_copy(update={"header": header})


class Yes:
    """A policy that lets everybody do everything."""

    name, version, bundle_digest = "yes", "1", DIGEST

    def decide(self, entrypoint: Entrypoint, input_json: bytes) -> Verdict:
        """What it always says."""
        return Verdict(
            allow=True,
            requires_approval=False,
            denials=(),
            rules=("yes",),
            engine=self.name,
            engine_version=self.version,
            bundle_digest=self.bundle_digest,
            input_digest=digest(input_json),
            reasons=(Reason("yes", f"{entrypoint}? yes"),),
        )


class Process:
    """What voters and standing words need of one process of policy."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self.plans = Plans(store)
        self.directory = Directory(self)  # type: ignore[arg-type]
        settings = PolicySettings.model_construct(
            local_credentials_in_production=True, grant_ttl=TERMS.grant_ttl
        )
        self.voters = Voters(self, self, self.directory, settings)  # type: ignore[arg-type]
        self.standings = Standings(self, self.directory, self.voters)  # type: ignore[arg-type]

    def reactor(self, initial: Any, evolving: Any) -> Reactor[Any]:
        recorder = Recorder("policy", Subjects("smartops"))
        return Reactor(self.store, recorder, initial=initial, evolve=evolving)

    async def current(self, *, fresh: bool = False) -> InForce[Yes]:
        """The policy in force."""
        return InForce(Yes(), (BUNDLE, int(fresh)))

    async def says(self, name: str, *events: EventData, blobs: tuple[bytes, ...] = ()) -> None:
        """Write to the log."""
        version = len(await self.store.read_stream(name))
        recorder = Recorder("policy", Subjects("smartops"))
        builder = UnitBuilder(recorder, name, version, self.store.db_now())
        builder.add(Cause(Trigger("test", uuid4()), None), Decision(events, blobs=blobs))
        assert isinstance(await self.store.append(builder.unit()), Committed)

    async def maps(
        self, person: Person, *roles: str, disabled: bool = False, credential: str | None = None
    ) -> None:
        """Say who somebody is, as of now."""
        mapped = ActorMapped(
            actor=person.actor,
            name=person.name,
            principals=(principal("local", credential or person.name),),
            roles=roles,
            disabled=disabled,
        )
        await self.says(stream(TENANT, "actor", person.actor), mapped)

    async def voter(
        self,
        person: Person,
        gate: Gate,
        *,
        for_actor: UUID | None = None,
        credential: str | None = None,
    ) -> Voter:
        """Who speaks."""
        order: Any = SimpleNamespace(
            tenant=TENANT, principal=principal("local", credential or person.name), authtype="local"
        )
        told: Order[Any] = order
        where = stream(TENANT, "gate", TASK)
        voter, _ = await self.voters.voter(told, gate, where, for_actor=for_actor, fresh=True)
        return voter

    async def consult(self, made: Plan = PLAN, **fields: Any) -> Consulted:
        """Which standing word lets a plan go."""
        engine: Any = Yes()
        return await self.standings.consult(
            TENANT, Gate(), made, weighed(**fields), engine, fresh=True
        )


@asynccontextmanager
async def at_work(log: LogDatabase) -> AsyncIterator[Process]:
    async with log.store("smartops_policy") as store:
        here = Process(store)
        for person in (ANA, BEN, CYD, SUE, EVE):
            await here.maps(person, *person.roles)
        documents = tuple(numbered(number).document() for number in (1, 2, 3))
        await here.says(stream(TENANT, "gate", TASK), validated(PLAN), blobs=documents)
        yield here


def waiting(quorum: int = 1) -> Gate:
    return given(Gate(), evolve, validated(PLAN), required(PLAN, quorum=quorum)).state


def votes(gate: Gate, voter: Voter, seen: Plan | None = None) -> Decision:
    """Somebody says yes to the plan at hand, or to the one that he has seen."""
    assert gate.required is not None
    vote = ApprovalDecide(
        task=TASK,
        plan_hash=gate.required.plan_hash if seen is None else seen.hash(),
        assessment_hash=validated(PLAN).assessment_hash,
        decision="approve",
        for_actor=voter.for_actor,
    )
    now = gate.required.expires_at - TERMS.approval_ttl
    return decide_vote(gate, TASK, vote, voter, PLAN, TERMS, now)


def edited_by(gate: Gate, editor: Person) -> Gate:
    """Somebody had the plan at hand written anew; the next one waits."""
    assert gate.required is not None
    accepted = TaskPlanEditAccepted(
        number=gate.required.number,
        plan_hash=gate.required.plan_hash,
        by=voice_of(editor.voter(), editor.actor),
        edit=Edit(exclude=("nothing",)),
        reason="smaller",
    )
    made = numbered(gate.required.number + 1)
    asked = required(made, quorum=gate.required.quorum)
    for event in (accepted, validated(made), asked):
        gate = evolve(gate, event)
    return gate


async def hand_over(here: Process, giver: Person, to: Person, until: datetime) -> None:
    """Somebody hands his voice to another."""
    given_over = ActorDelegated(
        delegation=uuid4(),
        actor=giver.actor,
        name=giver.name,
        principal=principal("local", giver.name),
        to=to.actor,
        to_name=to.name,
        roles=("approver",),
        environments=tuple(Environment),
        until=until,
        reason="on leave",
    )
    await here.says(stream(TENANT, "actor", giver.actor), given_over)


def code(decision: Decision) -> str | None:
    return None if decision.refusal is None else decision.refusal.code


def heard(gate: Gate, decision: Decision) -> Gate:
    assert decision.refusal is None
    for event in decision.events:
        gate = evolve(gate, event)
    return gate


async def test_who_is_switched_off_does_not_decide(log_database: LogDatabase) -> None:
    async with at_work(log_database) as here:
        assert code(votes(waiting(), await here.voter(BEN, waiting()))) is None
        await here.maps(BEN, "approver", disabled=True)
        assert code(votes(waiting(), await here.voter(BEN, waiting()))) == "forbidden"


async def test_nobody_decides_for_who_is_switched_off(log_database: LogDatabase) -> None:
    async with at_work(log_database) as here:
        await hand_over(here, BEN, EVE, until=here.store.db_now() + TERMS.grant_ttl)
        spoken = await here.voter(EVE, waiting(), for_actor=BEN.actor)
        assert code(votes(waiting(), spoken)) is None
        await here.maps(BEN, "approver", disabled=True)
        spoken = await here.voter(EVE, waiting(), for_actor=BEN.actor)
        assert code(votes(waiting(), spoken)) == "forbidden"


@pytest.mark.parametrize(("roles", "disabled"), [((), False), (("approver",), True)])
async def test_a_quorum_does_not_count_who_has_lost_the_right_meanwhile(
    log_database: LogDatabase,
    roles: tuple[str, ...],
    disabled: bool,  # noqa: FBT001
) -> None:
    async with at_work(log_database) as here:
        gate = waiting(quorum=2)
        gate = heard(gate, votes(gate, await here.voter(BEN, gate)))
        await here.maps(BEN, *roles, disabled=disabled)
        gate = heard(gate, votes(gate, await here.voter(CYD, gate)))
        assert gate.grant is None, "one voice is left"
        gate = heard(gate, votes(gate, await here.voter(SUE, gate)))
        assert gate.grant is not None
        assert [voice.actor for voice in gate.grant.approvals] == [CYD.actor, SUE.actor]


async def test_the_last_voice_rests_on_all_who_spoke_before(log_database: LogDatabase) -> None:
    """So whoever is switched off at the same moment is, before the grant or after it."""
    async with at_work(log_database) as here:
        gate = waiting(quorum=2)
        gate = heard(gate, votes(gate, await here.voter(BEN, gate)))
        voter = await here.voter(CYD, gate)
        assert {stream(TENANT, "actor", one.actor) for one in (ANA, BEN, CYD)} <= set(
            dict(votes(gate, voter).reads)
        )


async def test_a_voice_ends_with_its_time_to_the_moment(log_database: LogDatabase) -> None:
    async with at_work(log_database) as here:
        await hand_over(here, BEN, EVE, until=here.store.db_now())
        spoken = await here.voter(EVE, waiting(), for_actor=BEN.actor)
        assert code(votes(waiting(), spoken)) == "no_delegation"


async def test_a_voice_is_not_handed_on(log_database: LogDatabase) -> None:
    """Neither for who spoke for another, nor for that other."""
    async with at_work(log_database) as here:
        until = here.store.db_now() + TERMS.grant_ttl
        await hand_over(here, BEN, EVE, until=until)
        await hand_over(here, EVE, CYD, until=until)
        for giver in (EVE, BEN):
            spoken = await here.voter(CYD, waiting(), for_actor=giver.actor)
            assert code(votes(waiting(), spoken)) == "no_delegation"


async def test_who_edited_decides_neither_in_person_nor_through_or_for_another(
    log_database: LogDatabase,
) -> None:
    """Also with a credential that came later, and though another edited after him."""
    async with at_work(log_database) as here:
        until = here.store.db_now() + TERMS.grant_ttl
        await hand_over(here, BEN, EVE, until=until)
        await hand_over(here, CYD, BEN, until=until)
        gate = edited_by(edited_by(waiting(), BEN), SUE)
        for who, for_whom in ((BEN, None), (EVE, BEN), (BEN, CYD), (SUE, None)):
            actor = None if for_whom is None else for_whom.actor
            voter = await here.voter(who, gate, for_actor=actor)
            assert code(votes(gate, voter)) == "four_eyes"
        assert code(votes(gate, await here.voter(CYD, gate))) is None


async def test_who_edited_is_known_though_the_credential_is_another_persons_now(
    log_database: LogDatabase,
) -> None:
    async with at_work(log_database) as here:
        gate = edited_by(waiting(), BEN)
        await here.maps(BEN, "approver", credential="bens-new-key")
        await here.maps(EVE, "approver", credential="ben")
        ben = await here.voter(BEN, gate, credential="bens-new-key")
        assert ben.actor == BEN.actor
        assert code(votes(gate, ben)) == "four_eyes"
        heir = await here.voter(EVE, gate, credential="ben")
        assert heir.actor == EVE.actor
        assert code(votes(gate, heir)) == "four_eyes", "that it was ben's then, nobody can tell"


async def test_a_voice_about_a_plan_that_was_replaced_is_no_voice_about_the_next(
    log_database: LogDatabase,
) -> None:
    async with at_work(log_database) as here:
        first = waiting(quorum=2)
        first = heard(first, votes(first, await here.voter(CYD, first)))
        late = await here.voter(SUE, first)
        second = edited_by(first, BEN)
        assert second.yes == (), "what was said of the first plan is not heard of the second"
        assert code(votes(second, late, PLAN)) == "stale", "seen, decided on, and overtaken"
        alone = heard(second, votes(second, await here.voter(SUE, second)))
        assert alone.grant is None


async def test_a_standing_word_lets_a_plan_go(log_database: LogDatabase) -> None:
    async with at_work(log_database) as here:
        assert (await here.consult()).offer is None
        await word(here, SUE)
        assert (await here.consult()).offer is not None


async def test_nobodys_standing_word_lets_his_own_plan_go(log_database: LogDatabase) -> None:
    async with at_work(log_database) as here:
        await word(here, ANA, "senior-approver")
        assert (await here.consult()).offer is None


async def test_the_standing_word_of_who_is_switched_off_is_none(log_database: LogDatabase) -> None:
    async with at_work(log_database) as here:
        await word(here, SUE)
        await here.maps(SUE, "senior-approver", disabled=True)
        assert (await here.consult()).offer is None


async def test_no_standing_word_stands_in_for_who_was_asked_to_look(
    log_database: LogDatabase,
) -> None:
    async with at_work(log_database) as here:
        await word(here, SUE)
        assert (await here.consult(needs_look="a person was asked for")).offer is None


async def word(here: Process, giver: Person, *roles: str) -> None:
    """Somebody agrees beforehand to plans like ours."""
    if roles:
        await here.maps(giver, *roles)
    now = here.store.db_now()
    told = given_word(giver, until=now + TERMS.grant_ttl, standing=actor_id(TENANT, giver.name))
    await here.says(stream(TENANT, "standing", told.standing), told)
    here.standings.stir()
