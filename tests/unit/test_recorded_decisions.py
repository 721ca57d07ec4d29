"""Decisions as they are recorded: with their questions, comparable, and found again."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from importlib.resources import files
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.bus.errors import Outage
from smartops.contracts.canonical import digest
from smartops.contracts.catalogue import EVENTS
from smartops.contracts.deciding import PolicyDecision, change_between
from smartops.contracts.errors import Malformed
from smartops.contracts.events import PlanProblem, TaskCancelled, TaskPlanRefused
from smartops.contracts.events.bundle import MAX_TOLD
from smartops.contracts.folds import BundleView
from smartops.contracts.packing import MAX_PACKED, pack, unpack
from smartops.eventstore.folds import Folded
from smartops.policy.bundles.comparing import BEARERS, Tally
from smartops.policy_engine import RegorusEngine, ask
from smartops.runtime.decision import Decision, Refusal
from smartops.runtime.engines import BUNDLE, Engines
from smartops.runtime.evidence import with_evidence
from support.policy_documents import bundle_with, vote

TASK = UUID("7b1d6a2e-3f5c-4f6a-9a55-0c8d8c3f3a11")
DIGEST = digest(b"x")


@pytest.fixture(scope="module")
def engine() -> RegorusEngine:
    return RegorusEngine(bundle_with(without=".cases.json"))


def decided(**fields: object) -> PolicyDecision:
    """A gate that lets a plan through."""
    document = {
        "entrypoint": "gate",
        "input": DIGEST,
        "allow": True,
        "requires_approval": False,
        "rules": ("gate.alone",),
        "bundle": DIGEST,
        "engine": "regorus",
        "engine_version": "1",
    }
    return PolicyDecision.model_validate(document | fields)


# ---- recording -------------------------------------------------------------------------------


def refusal_of_a_plan() -> TaskPlanRefused:
    problem = PlanProblem(stage="policy", rule="r", message="m")
    return TaskPlanRefused(
        number=1, plan_hash=DIGEST, problems=(problem,), bundle=DIGEST, engine="e 1"
    )


def test_the_event_that_can_tell_tells_and_the_question_goes_with_it(engine: RegorusEngine) -> None:
    asked = ask(engine, "approval", vote())
    said = TaskCancelled(task=TASK, reason="x")
    decision = Decision([said, refusal_of_a_plan()], blobs=[b"assessment"])
    recorded = with_evidence(decision, [asked.evidence])
    first, second = recorded.events
    assert first is said
    assert isinstance(second, TaskPlanRefused)
    assert second.decisions == (asked.evidence.decision,)
    assert recorded.blobs == (b"assessment", vote().canonical_bytes())
    assert second.decisions[0].input == digest(recorded.blobs[1])


def test_a_refused_command_tells_as_well(engine: RegorusEngine) -> None:
    asked = ask(engine, "approval", vote(actor=None))
    recorded = with_evidence(Decision(refusal=Refusal("forbidden", "no")), [asked.evidence])
    assert recorded.refusal is not None
    assert recorded.refusal.decisions == (asked.evidence.decision,)
    assert not recorded.refusal.decisions[0].allow
    assert recorded.blobs == (asked.evidence.input,)


def test_where_nothing_follows_nothing_is_stored(engine: RegorusEngine) -> None:
    asked = ask(engine, "approval", vote())
    assert with_evidence(Decision(), [asked.evidence]) == Decision()


def test_the_view_of_decisions_knows_every_event_that_bears_them() -> None:
    """A new version that is not listed would be left out of every replay, silently."""
    migrations = sorted((files("smartops.audit") / "sql").iterdir(), key=lambda one: one.name)
    texts = [one.read_text("utf-8") for one in migrations]
    sql = [text for text in texts if "view smartops.v_decisions" in text][-1]
    listed = re.search(r"and e\.topic in \((.*?)\);", sql, re.DOTALL)
    assert listed is not None
    topics = set(re.findall(r"'([a-z_.]+\.v\d+)'", listed[1]))
    assert set(BEARERS) <= topics
    older = {topic for topic in topics if topic not in BEARERS}
    names = {key.rpartition(".v")[0] for key in BEARERS}
    assert {topic.rpartition(".v")[0] for topic in older} <= names
    assert topics <= set(EVENTS)


# ---- comparing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "change"),
    [
        ({}, None),
        ({"rules": ("gate.other",), "bundle": digest(b"y")}, None),
        ({"allow": False, "requires_approval": True}, "allow_to_deny"),
        ({"requires_approval": True, "roles": ("approver",)}, "now_asks"),
    ],
)
def test_what_counts_is_whom_it_concerns(other: dict[str, object], change: str | None) -> None:
    assert change_between(decided(), decided(**other)) == change
    back = {"allow_to_deny": "deny_to_allow", "now_asks": "asks_no_more"}
    assert change_between(decided(**other), decided()) == back.get(change or "")


def test_another_quorum_and_other_roles_are_another_answer() -> None:
    asks = decided(requires_approval=True, roles=("approver", "senior-approver"), quorum=2)
    assert change_between(asks, decided(**asks.model_dump() | {"quorum": 1})) == "asks_others"
    fewer = decided(**asks.model_dump() | {"roles": ("approver",)})
    assert change_between(asks, fewer) == "asks_others"
    turned = decided(**asks.model_dump() | {"roles": ("senior-approver", "approver")})
    assert change_between(asks, turned) is None


def test_a_denial_is_a_denial_whoever_would_have_been_asked() -> None:
    one = decided(allow=False, requires_approval=True, quorum=2)
    assert change_between(one, decided(allow=False, requires_approval=True)) is None


def test_a_tally_tells_the_first_and_counts_the_rest() -> None:
    tally = Tally(DIGEST, after=7)
    denied = decided(allow=False, requires_approval=True)
    for position in range(8, 8 + MAX_TOLD + 5):
        tally.compare(position, TASK, decided(), denied)
        tally.compare(position, TASK, decided(), decided())
        tally.through = position
    event = tally.event()
    assert (event.compared, event.disagreements) == (2 * (MAX_TOLD + 5), MAX_TOLD + 5)
    assert [one.position for one in event.told] == list(range(8, 8 + MAX_TOLD))
    assert (event.after, event.through) == (7, 7 + MAX_TOLD + 5)


# ---- the engine in force ---------------------------------------------------------------------


class Log:
    """What an `Engines` asks of the log."""

    def __init__(self) -> None:
        self.view = BundleView()
        self.version = 0
        self.known: Folded[BundleView] = Folded(self.view, 0, (), ())
        self.documents: dict[bytes, bytes] = {}

    async def load(self, _stream: str, *, fresh: bool = False) -> Folded[BundleView]:
        if fresh:
            self.known = Folded(self.view, self.version, (), ())
        return self.known

    async def blob(self, _tenant: str, wanted: bytes) -> bytes:
        return self.documents[wanted]

    def put_in_force(self, bundle: str, *, copy: bool = True) -> None:
        content = json.dumps({"bundle": bundle}).encode()
        named = digest(content)
        self.documents[bytes.fromhex(named.removeprefix("sha256:"))] = content
        self.view = BundleView(bundle, named if copy else None)
        self.version += 1


class Puppet:
    """An engine that knows its name, and nothing else."""

    def __init__(self, bundle: str) -> None:
        self.bundle_digest = bundle


def engines(
    log: Log, at_hand: str | None = None, slow: dict[str, asyncio.Event] | None = None
) -> Engines[Puppet]:
    """Engines of puppets; those named in `slow` are loaded once their event is set."""

    async def make(document: bytes) -> Puppet:
        name: str = json.loads(document)["bundle"]
        if slow is not None and name in slow:
            await slow[name].wait()
        if name == "broken":
            raise ValueError("does not compile")
        return Puppet("another" if name == "lies" else name)

    async def local() -> Puppet:
        return Puppet(at_hand or "")

    return Engines(log, log, make, local if at_hand else None)  # type: ignore[arg-type]


async def test_the_engine_follows_the_log_and_says_by_which_version() -> None:
    log = Log()
    held = engines(log)
    with pytest.raises(Outage, match="no policy bundle has been activated"):
        await held.current()
    log.put_in_force("one")
    first = await held.current()
    assert (first.engine.bundle_digest, first.read) == ("one", (BUNDLE, 1))
    log.put_in_force("two")
    assert (await held.current()).engine is first.engine, "as far as it is known"
    assert (await held.current(fresh=True)).engine.bundle_digest == "two"
    log.put_in_force("one")
    assert (await held.current(fresh=True)).engine is first.engine, "kept ready"


@pytest.mark.parametrize(
    ("bundle", "why"), [("broken", "does not compile"), ("lies", "this process holds another")]
)
async def test_what_cannot_be_loaded_decides_nothing(bundle: str, why: str) -> None:
    log = Log()
    held = engines(log)
    log.put_in_force(bundle)
    with pytest.raises(Outage, match=why):
        await held.current()
    assert why in (await held.trouble() or "")
    log.put_in_force("one")
    assert await held.trouble() is None


async def test_a_log_without_a_copy_wants_the_very_bundle_at_hand() -> None:
    log = Log()
    log.put_in_force("one", copy=False)
    with pytest.raises(Outage, match="holds no copy"):
        await engines(log).current()
    assert (await engines(log, "one").current()).engine.bundle_digest == "one"
    with pytest.raises(Outage, match="this process holds two"):
        await engines(log, "two").current()


async def test_while_a_bundle_loads_nobody_decides_by_the_one_before() -> None:
    """Whoever has heard of the switch waits, also who did not ask the log anew himself."""
    log, loaded = Log(), asyncio.Event()
    held = engines(log, slow={"two": loaded})
    log.put_in_force("one")
    await held.current()
    log.put_in_force("two")
    waiting = [asyncio.create_task(held.current(fresh=fresh)) for fresh in (True, False, True)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert not any(one.done() for one in waiting)
    loaded.set()
    told = await asyncio.gather(*waiting)
    assert [(one.engine.bundle_digest, one.read) for one in told] == [("two", (BUNDLE, 2))] * 3
    assert len({id(one.engine) for one in told}) == 1, "loaded once"


async def test_who_gives_up_waiting_takes_the_bundle_from_nobody() -> None:
    log, loaded = Log(), asyncio.Event()
    held = engines(log, slow={"one": loaded})
    log.put_in_force("one")
    first, second = (asyncio.create_task(held.current()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    loaded.set()
    assert (await second).engine.bundle_digest == "one"
    assert first.cancelled()


# ---- packing ---------------------------------------------------------------------------------


@given(st.binary(max_size=2000))
def test_what_was_packed_comes_out(document: bytes) -> None:
    assert unpack(pack(document), max_bytes=2000) == document


def test_our_bundle_fits_into_a_command_with_room_to_grow() -> None:
    document = bundle_with().document()
    assert len(pack(document)) < 0.75 * MAX_PACKED
    assert unpack(pack(document), max_bytes=len(document)) == document


def test_what_is_too_large_is_refused_on_both_sides() -> None:
    noise = b"".join(uuid4().bytes for _ in range(4000))
    with pytest.raises(Malformed, match="a command holds at most"):
        pack(noise)
    bomb = pack(b"0" * 1_000_000)
    with pytest.raises(Malformed, match="more than 1000 bytes"):
        unpack(bomb, max_bytes=1000)


@pytest.mark.parametrize("packed", ["", "!", "AAAA", pack(b"text")[:-4], pack(b"text") + "AAAA"])
def test_what_is_not_packed_is_refused(packed: str) -> None:
    with pytest.raises(Malformed):
        unpack(packed, max_bytes=1000)


def test_evidence_does_not_touch_the_decision_it_came_with(engine: RegorusEngine) -> None:
    decision = Decision([refusal_of_a_plan()])
    before = replace(decision)
    with_evidence(decision, [ask(engine, "approval", vote()).evidence])
    assert decision == before
