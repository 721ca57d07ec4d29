"""The subject grammar: what is built is read, and nothing else is."""

from __future__ import annotations

import contextlib
import string
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.bus.specs import overlap
from smartops.contracts.catalogue import COMMANDS, EVENTS, families
from smartops.contracts.errors import Malformed
from smartops.contracts.streams import PLATFORM, StreamRef, parse_stream, stream
from smartops.contracts.subjects import NO_PARTY, CommandSubject, EventSubject, Subjects

ALNUM = string.ascii_letters + string.digits
TOKENS = st.text(ALNUM + "_-", min_size=1, max_size=128)
NAMES = st.text(string.ascii_lowercase + "_", min_size=1, max_size=12)
TENANTS = st.just(PLATFORM) | st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True)
VERSIONS = st.integers(1, 9999)
PREFIXES = st.sampled_from(["", "smartops", "a.b", "x_1"])
PARTIES = st.just(NO_PARTY) | NAMES
TOPICS = st.lists(NAMES, min_size=1, max_size=4).map(".".join)
COMMAND_NAMES = st.lists(NAMES, min_size=2, max_size=2).map(".".join)


@given(PREFIXES, TENANTS, TOPICS, VERSIONS, PARTIES, TOKENS)
def test_an_event_subject_is_read_as_it_was_built(
    prefix: str, tenant: str, topic: str, version: int, party: str, entity: str
) -> None:
    subjects = Subjects(prefix)
    built = subjects.event(tenant, topic, version, party, entity)
    assert subjects.read_event(built) == EventSubject(tenant, topic, version, party, entity)


@given(PREFIXES, TENANTS, COMMAND_NAMES, VERSIONS, TOKENS, TOKENS)
def test_a_command_subject_is_read_as_it_was_built(
    prefix: str, tenant: str, name: str, version: int, principal: str, ident: str
) -> None:
    subjects = Subjects(prefix)
    built = subjects.command(tenant, name, version, principal, ident)
    assert subjects.read_command(built) == CommandSubject(tenant, name, version, principal, ident)


@given(st.text(max_size=60), st.sampled_from(["smartops.", "smartops-cmd.", ""]))
def test_any_text_is_either_read_or_refused(text: str, root: str) -> None:
    subjects = Subjects()
    for read in (subjects.read_event, subjects.read_command):
        with contextlib.suppress(Malformed):
            read(root + text)


@pytest.mark.parametrize(
    "subject",
    [
        "other.acme.task.planned.v1.-.x",
        "smartops.acme.task",
        "smartops.ACME.task.planned.v1.-.x",
        "smartops.*.task.planned.v1.-.x",
        "smartops.acme.task.planned.v0.-.x",
        "smartops.acme.task.planned.1.-.x",
        "smartops.acme.task.Planned.v1.-.x",
        "smartops.acme..planned.v1.-.x",
        "smartops.acme.task.planned.v1.*.x",
        "smartops.acme.task.planned.v1.-.*",
        "smartops.acme.task.planned.v1.-.",
        "smartops.acme.task.planned.v1.-.>",
        "smartops-cmd.acme.task.cancel.v1.p.x",
        "smartops.acme.one.two.three.four.five.v1.-.x",
    ],
)
def test_what_breaks_the_grammar_is_no_event_subject(subject: str) -> None:
    with pytest.raises(Malformed):
        Subjects().read_event(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "smartops.acme.task.planned.v1.-.x",
        "smartops-cmd.acme.cancel.v1.p.x",
        "smartops-cmd.acme.task.cancel.now.v1.p.x",
        "smartops-cmd.acme.task.cancel.v1.p",
        "smartops-cmd.acme.task.cancel.v1.p.x.y",
        "smartops-cmd.acme.task.cancel.v1.*.x",
        "smartops-cmd.acme.task.cancel.v1.p.>",
        "smartops-cmd.Acme.task.cancel.v1.p.x",
        "smartops-cmd.acme.task.cancel.v10000.p.x",
    ],
)
def test_what_breaks_the_grammar_is_no_command_subject(subject: str) -> None:
    with pytest.raises(Malformed):
        Subjects().read_command(subject)


@pytest.mark.parametrize("prefix", ["a b", "a.", ".a", "*", "a.>", "a..b"])
def test_a_prefix_is_made_of_tokens(prefix: str) -> None:
    with pytest.raises(ValueError, match="no subject prefix"):
        Subjects(prefix)


@pytest.mark.parametrize("prefix", ["", "smartops"])
def test_filters_match_what_they_are_for_and_nothing_else(prefix: str) -> None:
    subjects = Subjects(prefix)
    events = {
        spec.data.topic: subjects.event("acme", spec.data.topic, 1, NO_PARTY, "x")
        for spec in EVENTS.values()
    }
    for topic in events:
        matching = {
            t for t, built in events.items() if overlap(subjects.event_filter(topic), built)
        }
        assert matching == {topic}
    commands = {
        spec.data.name: subjects.command("acme", spec.data.name, 1, "p", "x")
        for spec in COMMANDS.values()
    }
    for name in commands:
        claims = {
            n for n, built in commands.items() if overlap(subjects.command_filter(name), built)
        }
        assert claims == {name}


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "smartops",
        "a.b",
    ],
)
def test_events_commands_and_dead_letters_never_share_a_subject(prefix: str) -> None:
    subjects = Subjects(prefix)
    roots = [
        list(subjects.all_events(families())),
        [subjects.all_commands()],
        [subjects.all_parked()],
    ]
    for index, some in enumerate(roots):
        for others in roots[index + 1 :]:
            assert not any(overlap(one, other) for one in some for other in others)


def test_the_streams_take_in_all_that_is_published() -> None:
    for prefix in ("", "smartops"):
        subjects = Subjects(prefix)
        taken = subjects.all_events(families())
        for spec in EVENTS.values():
            built = subjects.event("acme", spec.data.topic, 1, NO_PARTY, "x")
            assert any(overlap(one, built) for one in taken)
        for command in COMMANDS.values():
            built = subjects.command("acme", command.data.name, 1, "p", "x")
            assert overlap(subjects.all_commands(), built)


def test_a_person_may_command_only_as_itself_in_its_own_tenant() -> None:
    subjects = Subjects()
    mine = subjects.command_filter("task.cancel", tenant="acme", principal="p1")
    assert overlap(mine, subjects.command("acme", "task.cancel", 1, "p1", "x"))
    for foreign in (
        subjects.command("acme", "task.cancel", 1, "p2", "x"),
        subjects.command("other", "task.cancel", 1, "p1", "x"),
        subjects.event("acme", "task.cancelled", 1, NO_PARTY, "x"),
    ):
        assert not overlap(mine, foreign)


# --- Streams ------------------------------------------------------------------------------------

CATEGORIES = st.from_regex(r"[a-z]{1,12}", fullmatch=True)
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,60}", fullmatch=True)


@given(TENANTS, CATEGORIES, IDS)
def test_a_stream_name_is_read_as_it_was_built(tenant: str, category: str, ident: str) -> None:
    name = stream(tenant, category, ident)
    assert parse_stream(name) == StreamRef(tenant, category, ident)
    assert str(parse_stream(name)) == name


@pytest.mark.parametrize(
    "name",
    ["", "acme", "acme/task", "acme/task-", "/task-1", "Acme/task-1", "acme/task-1 2", "a/b/c-1"],
)
def test_what_breaks_the_grammar_is_no_stream(name: str) -> None:
    with pytest.raises(ValueError, match="no stream name") as caught:
        parse_stream(name)
    assert isinstance(caught.value, Malformed), "a message that names it is parked, not retried"


def test_a_stream_of_an_id_is_named_by_its_text() -> None:
    ident = UUID("11111111-1111-5111-8111-111111111111")
    assert stream("acme", "gate", ident) == f"acme/gate-{ident}"
    with pytest.raises(ValueError, match="no stream name"):
        stream("acme", "gate", "")
