"""Streams, durables and users as data: complete, disjoint, and derived from the catalogue."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import combinations

import pytest
from smartops.bus.errors import Refusal, TopologyError, UnfixableDrift
from smartops.bus.specs import ConsumerSpec, Topology, nanoseconds, overlap
from smartops.bus.topology import COMMANDS_STREAM, Sizing, build_topology
from smartops.bus.users import person_user, service_users
from smartops.contracts.catalogue import COMMANDS, EVENTS, HANDLERS, SERVICES
from smartops.contracts.subjects import Subjects

SUBJECTS = Subjects()
TOPOLOGY = build_topology(SUBJECTS)
KEYS = {service: f"U{service}" for service in SERVICES}


def allowed(patterns: tuple[str, ...], subject: str) -> bool:
    return any(overlap(pattern, subject) for pattern in patterns)


def test_each_handler_has_its_durable() -> None:
    declared = {(spec.durable, spec.stream) for spec in TOPOLOGY.consumers}
    for handler in HANDLERS:
        assert ((handler.durable, "SMARTOPS") in declared) == bool(handler.events)
        assert ((handler.durable, "SMARTOPS_COMMANDS") in declared) == bool(handler.commands)


def test_each_command_reaches_exactly_the_service_that_decides_it() -> None:
    for spec in COMMANDS.values():
        subject = SUBJECTS.command("acme", spec.data.name, 1, "p", "id")
        takers = [
            consumer.service
            for consumer in TOPOLOGY.consumers
            if allowed(consumer.filters, subject) and consumer.stream == "SMARTOPS_COMMANDS"
        ]
        assert takers == [spec.service], spec.data.name


def test_a_tool_result_wakes_its_requester_only() -> None:
    subject = SUBJECTS.event("acme", "tool.call.completed", 1, "runner", "id")
    takers = [one.durable for one in TOPOLOGY.consumers if allowed(one.filters, subject)]
    assert takers == ["runner-calls"]


def test_the_durability_of_each_stream_is_as_decided() -> None:
    events = TOPOLOGY.stream("SMARTOPS").config()
    assert (events["retention"], events["discard"]) == ("limits", "old")
    assert events["max_age"] == nanoseconds(timedelta(days=7))
    assert (events["persist_mode"], events["deny_delete"], events["deny_purge"]) == (
        "async",
        True,
        True,
    )
    commands = TOPOLOGY.stream("SMARTOPS_COMMANDS").config()
    assert (commands["retention"], commands["discard"]) == ("workqueue", "new")
    assert (commands["max_age"], commands["persist_mode"]) == (0, "default")
    assert commands["max_msgs"] > 0
    letters = TOPOLOGY.stream("SMARTOPS_DLQ").config()
    assert letters["max_age"] == nanoseconds(timedelta(days=30))
    assert letters["persist_mode"] == "default"
    assert "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>" in letters["subjects"]
    assert all(spec.config()["max_bytes"] > 0 for spec in TOPOLOGY.streams)


def test_three_replicas_wait_for_the_disk() -> None:
    topology = build_topology(SUBJECTS, Sizing(replicas=3))
    for spec in topology.streams:
        assert (spec.config()["num_replicas"], spec.config()["persist_mode"]) == (3, "default")


def test_every_durable_acknowledges_explicitly_and_without_a_last_delivery() -> None:
    for spec in TOPOLOGY.consumers:
        config = spec.config()
        assert config["ack_policy"] == "explicit"
        assert config["max_deliver"] == -1
        # A command whose receiver died comes back by the server alone; an event by a sweep too.
        patience = timedelta(seconds=10 if spec.stream == COMMANDS_STREAM else 30)
        assert config["ack_wait"] == nanoseconds(patience)
        assert config["deliver_policy"] == ("all" if "COMMANDS" in spec.stream else "new")


def test_a_service_may_publish_what_it_decides_and_nothing_others_decide() -> None:
    users = {user.name: user for user in service_users(KEYS, TOPOLOGY)}
    assert set(users) == set(SERVICES)
    for spec in EVENTS.values():
        subject = SUBJECTS.event("acme", spec.data.topic, 1, "-", "id")
        sayers = {name for name, user in users.items() if allowed(user.publish, subject)}
        assert sayers == set(spec.publishers), spec.data.topic


def test_no_two_services_share_a_right_beyond_common_topics() -> None:
    users = service_users(KEYS, TOPOLOGY)
    for one, other in combinations(users, 2):
        for left in one.publish:
            for right in other.publish:
                if overlap(left, right):
                    assert left == right
                    looks = (".STREAM.INFO.SMARTOPS", ".STREAM.MSG.GET.SMARTOPS")
                    assert left.startswith("smartops.") or left.endswith(looks)
        assert not any(overlap(a, b) for a in one.subscribe for b in other.subscribe)


def test_the_events_of_a_tenant_and_nothing_else_reach_its_people() -> None:
    user = person_user("operator", "U", tenant="acme", principal="p1")
    assert set(user.publish) == {
        f"smartops-cmd.acme.{spec.data.name}.*.p1.*" for spec in COMMANDS.values()
    }
    assert user.subscribe == ("_INBOX_operator.>", "smartops.acme.>")


@pytest.mark.parametrize("bad", ["*", ">", "a.b", "", "p 1", "p1.*"])
def test_a_person_with_a_wildcard_for_a_name_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="plain subject token"):
        person_user("x", "U", tenant="acme", principal=bad)
    with pytest.raises(ValueError, match="plain subject token"):
        person_user("x", "U", tenant=bad, principal="p1")


@pytest.mark.parametrize("bad", ["*", "a.b", "A", ""])
def test_a_user_whose_name_would_widen_its_inbox_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="no user name"):
        person_user(bad, "U", tenant="acme", principal="p1")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "*.b", True),
        ("a.>", "a.b.c", True),
        (">", "a", True),
        ("a.b", "a.c", False),
        ("a.*", "a.b.c", False),
        ("a.>", "a", False),
        ("a.>", "b.>", False),
        ("a.*.c", "a.>", True),
    ],
)
def test_filters_overlap_as_the_server_sees_it(one: str, other: str, *, expected: bool) -> None:
    assert overlap(one, other) is expected
    assert overlap(other, one) is expected


def test_contradictions_are_named_before_a_server_sees_them() -> None:
    commands = TOPOLOGY.stream("SMARTOPS_COMMANDS")
    events = TOPOLOGY.stream("SMARTOPS")
    job = next(one for one in TOPOLOGY.consumers if one.stream == commands.name)

    def refused(match: str, *consumers: ConsumerSpec, streams: tuple = (commands,)) -> None:  # type: ignore[type-arg]
        with pytest.raises(TopologyError, match=match):
            Topology(streams, consumers)

    refused("both claim", job, replace(job, durable="other"))
    refused("a durable stands twice", job, replace(job, filters=("smartops-cmd.x",)))
    refused("filters nothing", replace(job, filters=()))
    refused("there is no stream", job, streams=(events,))
    refused("stands twice", streams=(events, events))
    refused("both claim", streams=(events, replace(commands, subjects=("smartops.acme.>",))))
    refused("single replica", streams=(replace(events, replicas=3),))


def test_unfixable_drift_says_what_to_do() -> None:
    refusal = Refusal("stream S", "storage", "memory", "file", "cannot change storage")
    error = UnfixableDrift([refusal])
    assert "storage is 'memory', should be 'file': cannot change storage" in str(error)
    assert "drain, delete and re-create by hand" in str(error)
    assert error.code == "unfixable_drift"
