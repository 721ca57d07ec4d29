"""Who says what and who reacts: the catalogue agrees with itself and with all that is derived."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from smartops.bus.topology import COMMANDS_STREAM, EVENTS_STREAM, build_topology
from smartops.bus.users import service_users
from smartops.contracts import commands, events
from smartops.contracts.catalogue import (
    COMMANDS,
    EVENTS,
    HANDLERS,
    SERVICES,
    HandlerSpec,
    categories_of,
    families,
    handler,
    newest,
    topics_of,
)
from smartops.contracts.subjects import Subjects
from smartops.contracts.upcast import UPCASTERS
from smartops.contracts.wire import CommandData, EventData

ROOT = Path(__file__).parents[2]
SUBJECTS = Subjects()

PUBLISHED_NAMES = set(
    """
    task.submitted task.specified task.clarification.required task.evidence.attached
    task.plan.edit.accepted task.cancel.requested task.halted task.planned task.plan.validated
    task.plan.refused task.plan.superseded task.approval.required task.approval.recorded
    task.approval.granted task.approval.rejected task.approval.expired task.approval.escalated
    task.grant.revoked task.started task.phase.started task.health.checked task.phase.completed
    task.paused task.resumed task.rollback.started task.rolled_back task.cancelled
    task.completed task.failed task.escalated tool.registered tool.call.requested
    tool.call.denied tool.call.dispatched tool.call.completed tool.call.failed
    tool.call.uncertain tool.call.settled policy.bundle.activated autonomy.changed
    agent.registered agent.promoted agent.rolled_back notification.sent notification.failed
    command.refused audit.appended
    """.split()  # noqa: SIM905 - a list of forty-seven quoted lines reads worse.
)
"""Names that others may count on: said today, or reserved."""

OWN_NAMES = {
    "limit.leased",
    "limit.returned",
    "parked.retried",
    "pii.erased",
    "pii.revealed",
    "actor.mapped",
    "target.claimed",
    "target.released",
    "task.step.settled",
    "task.batch.completed",
    "task.waiting",
    "task.computation.requested",
    "task.computation.ended",
    "task.condition.bound",
    "task.condition.checked",
    "task.stopping",
    "task.preconditions.stale",
    "task.plan.returned",
    "task.step.withheld",
    "task.reopened",
    "autonomy.default.set",
    "track.noted",
    "actor.delegated",
    "actor.delegation.ended",
    "command.answered",
    "standing.given",
    "standing.revoked",
    "standing.used",
    "task.approval.reminded",
    "task.break_glass.used",
    "policy.bundle.proposed",
    "policy.bundle.signed",
    "policy.bundle.shadowed",
    "policy.shadow.compared",
}
"""Names beyond those: facts that the machinery itself needs."""

RESERVED_CATEGORIES = {
    "planner": {"agent", "budget"},
    "tool_gateway": {"limit", "session"},
    "audit": {"cmd"},
}
"""Stream categories that the log grants already and no event uses yet."""


def test_every_event_and_command_is_in_the_catalogue_under_its_own_name() -> None:
    said = {spec.data for spec in EVENTS.values()}
    defined = _models(events, EventData)
    assert said == defined
    asked = {spec.data for spec in COMMANDS.values()}
    assert asked == _models(commands, CommandData)
    assert all(key == spec.data.type_key() for key, spec in EVENTS.items())
    assert all(key == spec.data.type_key() for key, spec in COMMANDS.items())


def test_names_follow_the_grammar() -> None:
    assert all(re.fullmatch(r"[a-z_]+(\.[a-z_]+){1,3}\.v[1-9]\d*", key) for key in EVENTS)
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+\.v[1-9]\d*", key) for key in COMMANDS)


def test_the_published_names_are_said_or_reserved_and_no_others_are() -> None:
    said = {spec.data.topic for spec in EVENTS.values()}
    page = (ROOT / "docs" / "reference" / "topics.md").read_text(encoding="utf-8")
    reserved_part = page.partition("## Reserved names")[2]
    reserved = {name for name in PUBLISHED_NAMES if f"`{name}`" in reserved_part} - said
    assert said - OWN_NAMES == PUBLISHED_NAMES - reserved
    assert PUBLISHED_NAMES - said == reserved, "a name is neither said nor reserved"


def test_who_decides_is_a_service_with_a_category_for_it() -> None:
    for key, spec in EVENTS.items():
        assert set(spec.decided_by) <= set(SERVICES), key
        assert spec.decided_by or spec.said_by, key
        assert all(re.fullmatch(r"[a-z]+", category) for category in spec.decided_by.values())
    owners = Counter(
        (category, service)
        for spec in EVENTS.values()
        for service, category in spec.decided_by.items()
    )
    shared = {category for category, _ in owners} - {"cmd"}
    for category in shared:
        who = {service for c, service in owners if c == category}
        assert len(who) == 1, f"{category} is written by {who}"


@pytest.mark.parametrize("spec", HANDLERS, ids=lambda spec: spec.name)
def test_a_handler_reacts_to_what_exists(spec: object) -> None:
    found = next(one for one in HANDLERS if one is spec)
    assert found.service in SERVICES
    assert found.name.startswith(f"{found.service}.")
    assert found.events or found.commands
    for event in found.events:
        known = EVENTS[event.type_key()]
        assert known.published, "what is not published wakes nobody"
        assert known.publishers
        if found.party is not None:
            assert event.topic.startswith("tool.call."), "only calls are addressed"
    for command in found.commands:
        assert COMMANDS[command.type_key()].service == found.service


@pytest.mark.parametrize("spec", HANDLERS, ids=lambda spec: spec.name)
def test_a_handler_that_hears_an_event_hears_it_in_every_version(spec: HandlerSpec) -> None:
    """The bus filters by name, but a sweep asks the log for topics with their versions."""
    heard = {event.topic for event in spec.events}
    assert set(spec.topics) == {key for key, known in EVENTS.items() if known.data.topic in heard}


def test_handlers_have_names_of_their_own() -> None:
    assert len({spec.name for spec in HANDLERS}) == len(HANDLERS)
    assert len({spec.durable for spec in HANDLERS}) == len(HANDLERS)
    assert handler("policy.plans").service == "policy"
    with pytest.raises(KeyError):
        handler("policy.nothing")


def test_every_command_has_exactly_one_handler() -> None:
    handled = Counter(command.type_key() for spec in HANDLERS for command in spec.commands)
    assert handled == Counter(COMMANDS.keys())


def test_every_outcome_of_a_call_wakes_its_requester_whoever_that_is() -> None:
    outcomes = {spec for spec in EVENTS if spec.startswith("tool.call.")}
    outcomes -= {"tool.call.requested.v1"}
    outcomes = {spec for spec in outcomes if not spec.startswith("tool.call.dispatched.")}
    for party in ("planner", "runner"):
        woken = {t for spec in HANDLERS if spec.party == party for t in spec.topics}
        assert woken == outcomes


def test_the_provisioned_filters_are_the_catalogues() -> None:
    made = {spec.durable: spec for spec in build_topology(SUBJECTS).consumers}
    assert set(made) == {spec.durable for spec in HANDLERS}
    for spec in HANDLERS:
        consumer = made[spec.durable]
        assert consumer.service == spec.service
        wanted = {f"smartops.*.{event.topic}.*.{spec.party or '*'}.*" for event in spec.events} | {
            f"smartops-cmd.*.{command.name}.*.*.*" for command in spec.commands
        }
        assert set(consumer.filters) == wanted
        assert consumer.stream == (EVENTS_STREAM if spec.events else COMMANDS_STREAM)
        assert not (spec.events and spec.commands), "one durable hears one stream"


def test_a_service_may_publish_its_own_topics_and_no_others() -> None:
    keys = {service: f"U{service}" for service in SERVICES}
    users = {user.name: user for user in service_users(keys, build_topology(SUBJECTS))}
    for service in SERVICES:
        said = {s for s in users[service].publish if s.startswith("smartops.")}
        assert said == {f"smartops.*.{topic}.*.*.*" for topic in topics_of(service)}
    assert topics_of("audit") == ("audit.appended",)


def test_the_log_lets_each_role_write_the_categories_of_its_events() -> None:
    folder = ROOT / "libs/eventstore/src/smartops/eventstore/sql"
    granted: dict[str, set[str]] = {}
    for path in sorted(folder.glob("[0-9]*.sql")):
        sql = path.read_text(encoding="utf-8")
        for values in re.findall(r"insert into smartops_log\.writers [^;]*;", sql):
            for role, category in re.findall(r"\('smartops_([a-z_]+)', '([a-z_]+)'\)", values):
                granted.setdefault(role, set()).add(category)
    for service in SERVICES:
        wanted = set(categories_of(service)) | RESERVED_CATEGORIES.get(service, set())
        assert granted.pop(service, set()) == wanted, service
    assert granted == {}


def test_the_newest_version_is_the_highest_and_older_ones_have_a_way_there() -> None:
    for spec in EVENTS.values():
        assert newest(spec.data).schema_version >= spec.data.schema_version
        for version in range(1, newest(spec.data).schema_version):
            assert f"{spec.data.topic}.v{version}" in UPCASTERS
            assert f"{spec.data.topic}.v{version}" in EVENTS
    assert set(UPCASTERS) <= set(EVENTS)


def test_families_are_the_first_tokens() -> None:
    assert set(families()) == {key.partition(".")[0] for key in EVENTS}


def _models(module: ModuleType, base: type) -> set[type]:
    """The models of a kind that a module exports."""
    found = (getattr(module, name) for name in module.__all__)
    return {one for one in found if isinstance(one, type) and issubclass(one, base)}
