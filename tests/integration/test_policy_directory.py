"""The configured mapping of people, said to a real log: one person stays one under any name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from smartops.contracts.events import ActorMapped
from smartops.contracts.ids import actor_id, principal
from smartops.contracts.streams import stream
from smartops.contracts.subjects import Subjects
from smartops.eventstore import EventStore
from smartops.policy.actors import ActorEntry, Directory, PrincipalEntry, read_actors
from smartops.runtime.people import Known
from smartops.runtime.reactor import Reactor, decode
from smartops.runtime.recording import Recorder
from support.plans import TENANT
from support.store import LogDatabase

pytest_plugins = ["support.store_fixtures"]


class Process:
    """One process of policy, as far as the directory needs it."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self.directory = Directory(self)  # type: ignore[arg-type]

    def reactor(self, initial: Any, evolving: Any) -> Reactor[Any]:
        recorder = Recorder("policy", Subjects("smartops"))
        return Reactor(self.store, recorder, initial=initial, evolve=evolving)

    async def who(self, subject: str) -> Known | None:
        """Whose a local credential is."""
        return await self.directory.find(TENANT, principal("local", subject), fresh=True)

    async def told(self, name: str) -> list[ActorMapped]:
        """All that was said of somebody."""
        rows = await self.store.read_stream(stream(TENANT, "actor", actor_id(TENANT, name)))
        return [event for event in map(decode, rows) if isinstance(event, ActorMapped)]


def entry(name: str, *subjects: str, roles: tuple[str, ...] = ("approver",)) -> ActorEntry:
    """Somebody in the file."""
    held = tuple(PrincipalEntry(issuer="local", subject=one) for one in subjects)
    return ActorEntry(tenant=TENANT, name=name, roles=roles, principals=held)


async def test_a_person_with_a_new_name_is_not_two_persons(log_database: LogDatabase) -> None:
    async with log_database.store("smartops_policy") as store:
        here = Process(store)
        await here.directory.reconcile([entry("ada", "ada", "adas-phone")])
        await here.directory.reconcile([entry("ada lovelace", "ada", "adas-laptop")])
        for subject in ("ada", "adas-laptop"):
            found = await here.who(subject)
            assert found is not None
            assert found.mapped.name == "ada lovelace"
        phone = await here.who("adas-phone")
        assert phone is not None, "it is still known whose it was"
        assert phone.mapped.disabled, "but nobody speaks with it any more, nor for who has it"


async def test_a_credential_leaves_its_owner_before_it_comes_to_another(
    log_database: LogDatabase,
) -> None:
    async with log_database.store("smartops_policy") as store:
        here = Process(store)
        await here.directory.reconcile([entry("ada", "ada", "pager"), entry("ben", "ben")])
        await here.directory.reconcile([entry("ben", "ben", "pager"), entry("ada", "ada")])
        rows = [
            (row.position, event)
            for name in ("ada", "ben")
            for row in await store.read_stream(stream(TENANT, "actor", actor_id(TENANT, name)))
            if isinstance(event := decode(row), ActorMapped)
        ]
        owners: dict[str, set[str]] = {}
        for _, event in sorted(rows, key=lambda one: one[0]):
            owners[event.name] = set(event.principals)
            assert not owners.get("ada", set()) & owners.get("ben", set()), "never both"
        pager = await here.who("pager")
        assert pager is not None
        assert pager.mapped.name == "ben"
        assert not (await here.told("ada"))[-1].disabled


async def test_credentials_may_change_places(log_database: LogDatabase) -> None:
    async with log_database.store("smartops_policy") as store:
        here = Process(store)
        await here.directory.reconcile([entry("ada", "one"), entry("ben", "two")])
        await here.directory.reconcile([entry("ada", "two"), entry("ben", "one")])
        one, two = await here.who("one"), await here.who("two")
        assert one is not None
        assert two is not None
        assert (one.mapped.name, two.mapped.name) == ("ben", "ada")


async def test_the_old_name_of_a_person_speaks_for_nobody_and_nobody_for_it(
    log_database: LogDatabase,
) -> None:
    """A voice that was handed over under it would be a second one of the same person."""
    async with log_database.store("smartops_policy") as store:
        here = Process(store)
        await here.directory.reconcile([entry("ada", "ada")])
        await here.directory.reconcile([entry("countess", "ada")])
        giver = await here.directory.actor(TENANT, actor_id(TENANT, "ada"), fresh=True)
        assert giver is not None
        assert (giver.mapped.principals, giver.mapped.disabled) == ((), True)


async def test_the_same_mapping_again_says_nothing(log_database: LogDatabase) -> None:
    async with log_database.store("smartops_policy") as store:
        here = Process(store)
        for _ in range(2):
            await here.directory.reconcile([entry("ada", "ada")])
        assert len(await here.told("ada")) == 1


async def test_who_was_left_out_of_the_mapping_keeps_the_roles_and_that_is_said(
    log_database: LogDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    async with log_database.store("smartops_policy") as store:
        here = Process(store)
        await here.directory.reconcile([entry("ada", "ada"), entry("ben", "ben")])
        assert not caplog.records
        await here.directory.reconcile([entry("ada", "ada")])
        ben = await here.who("ben")
        assert ben is not None
        assert not ben.mapped.disabled
        [warned] = caplog.records
        assert "ben of acme" in warned.getMessage()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada", "ada"),
        ("ada", "Ada"),
        ("ada", "a\u0064a\u2009"),
        ("ren\u00e9", "rene\u0301"),
        ("ada", "\uff41da"),
        ("ada lovelace", "ada  lovelace"),
    ],
    ids=["the same", "case", "a thin space", "composed or not", "full width", "two spaces"],
)
def test_two_actors_do_not_go_by_names_that_look_alike(
    tmp_path: Path, one: str, other: str
) -> None:
    people = [entry(one, "a"), entry(other, "b")]
    path = tmp_path / "actors.json"
    path.write_text(json.dumps([each.model_dump(mode="json") for each in people]), "utf-8")
    with pytest.raises(ValueError, match="look like one name"):
        read_actors(path)


@pytest.mark.parametrize("name", ["\u0430da", "\u03bfscar", "ad\u0430 lovelace"])
def test_a_name_does_not_mix_alphabets_that_look_alike(tmp_path: Path, name: str) -> None:
    path = tmp_path / "actors.json"
    path.write_text(json.dumps([entry(name, "a").model_dump(mode="json")]), "utf-8")
    with pytest.raises(ValueError, match="mixes alphabets"):
        read_actors(path)


@pytest.mark.parametrize("name", ["\u0430\u0434\u0430", "ren\u00e9-2", "\u5c0f\u6797 ken", "bot_7"])
def test_names_may_be_of_any_alphabet(tmp_path: Path, name: str) -> None:
    path = tmp_path / "actors.json"
    path.write_text(json.dumps([entry(name, "a").model_dump(mode="json")]), "utf-8")
    assert [each.name for each in read_actors(path)] == [name]


def test_two_actors_of_different_tenants_may_have_one_name(tmp_path: Path) -> None:
    people = [entry("ada", "a"), entry("ada", "b").model_copy(update={"tenant": "other"})]
    path = tmp_path / "actors.json"
    path.write_text(json.dumps([each.model_dump(mode="json") for each in people]), "utf-8")
    assert len(read_actors(path)) == 2
