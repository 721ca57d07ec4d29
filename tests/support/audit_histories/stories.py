"""Whole tasks: the yardstick, and one of every kind of ending."""

from __future__ import annotations

from smartops.contracts.catalogue import GATEWAY
from smartops.contracts.events import ToolRegistered
from support.audit_histories.agreeing import Agreeing
from support.audit_histories.changing import Changing
from support.audit_histories.running import Running
from support.audit_histories.stopping import Stopping
from support.registered import REGISTERED

__all__ = ["Story", "many", "ops_task", "registered"]


class Story(Changing, Agreeing, Stopping, Running):
    """A task, told by all services."""


def registered() -> Story:
    """A tool of the platform, registered once."""
    noop = REGISTERED["noop"]
    said = ToolRegistered(descriptor=noop, digest=noop.digest())
    return Story("_platform", "who").add(GATEWAY, said)


def ops_task(tenant: str, name: str) -> Story:
    """The yardstick: asked, approved, three steps, completed; 23 events."""
    return Story(tenant, name).submitted().planned().asked().approved().three_steps().completed()


def many(tenant: str) -> list[Story]:
    """One task of every kind of ending, and some that have not ended."""

    def begin(name: str) -> Story:
        return Story(tenant, name).submitted().planned()

    def running(name: str) -> Story:
        return begin(name).asked().approved().started()

    return [
        Story(tenant, "who").actor(),
        ops_task(tenant, "done").noted(),
        begin("automatic").let_run_by_itself().three_steps().completed(),
        Story(tenant, "new").submitted(),
        begin("draft"),
        begin("refused").refused(),
        running("failed").failed(),
        begin("waiting").asked(),
        begin("rejected").asked().rejected(),
        begin("expired").asked().expired(),
        begin("overlooked").asked().overlooked(),
        begin("glass").asked().overlooked().glass_broken(),
        begin("beforehand").let_run_beforehand().agreed_beforehand(),
        begin("gone").asked().cancelled_at_the_gate(),
        running("paused").paused(),
        running("resumed").paused().resumed(),
        running("revoked").revoked().paused(),
        running("denied").denied(1).paused(),
        running("came-back").denied(1).paused().came_back().approved_again().resumed(),
        running("once-denied").denied_long_ago(1).paused(),
        running("back").called(1).went_on(running("back").settled(1)).rolling_back().rolled_back(),
        running("cancelled").cancel_requested().rolling_back("cancelled").cancelled_by_the_runner(),
        running("halted").halted().escalated(),
        running("unsure").dispatched(1).uncertain(1).escalated(),
        running("settled").dispatched(1).uncertain(1).settled_by_person(1, applied=False),
    ]
