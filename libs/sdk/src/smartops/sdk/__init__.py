"""The client of SmartOps: submit intents, decide on plans, control and watch tasks.

    profile = Profile.load()
    async with await Client.connect(profile) as client:
        submitted = await client.submit(IntentSubmit(intent="Fix drift on production web servers"))
        async for event in client.watch(submitted.task):
            print(event.time, event.name)

Names are imported when first used: the `smartops` command answers `--help` without loading a
database driver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smartops.contracts.commands import IntentContext, IntentSubmit, Scope
    from smartops.sdk.client import Client
    from smartops.sdk.course import Course, Outcome, follow
    from smartops.sdk.errors import (
        Ambiguous,
        NoIdentity,
        NoProfile,
        NotFound,
        NotSent,
        Outdated,
        Refused,
        SdkError,
        Unauthorised,
        Unknown,
        Unreachable,
        Unverified,
    )
    from smartops.sdk.event import Event
    from smartops.sdk.plan_card import Action, PlanCard, card
    from smartops.sdk.profile import Profile
    from smartops.sdk.reader import Reader
    from smartops.sdk.results import Decided, Done, Mandated, Retried, Submitted

__all__ = [
    "Action",
    "Ambiguous",
    "Client",
    "Course",
    "Decided",
    "Done",
    "Event",
    "IntentContext",
    "IntentSubmit",
    "Mandated",
    "NoIdentity",
    "NoProfile",
    "NotFound",
    "NotSent",
    "Outcome",
    "Outdated",
    "PlanCard",
    "Profile",
    "Reader",
    "Refused",
    "Retried",
    "Scope",
    "SdkError",
    "Submitted",
    "Unauthorised",
    "Unknown",
    "Unreachable",
    "Unverified",
    "card",
    "follow",
]

_HOMES = {
    "smartops.contracts.commands": ("IntentContext", "IntentSubmit", "Scope"),
    "smartops.sdk.plan_card": ("Action", "PlanCard", "card"),
    "smartops.sdk.client": ("Client",),
    "smartops.sdk.course": ("Course", "Outcome", "follow"),
    "smartops.sdk.errors": (
        "Ambiguous",
        "NoIdentity",
        "NoProfile",
        "NotFound",
        "NotSent",
        "Outdated",
        "Refused",
        "SdkError",
        "Unauthorised",
        "Unknown",
        "Unreachable",
        "Unverified",
    ),
    "smartops.sdk.event": ("Event",),
    "smartops.sdk.profile": ("Profile",),
    "smartops.sdk.reader": ("Reader",),
    "smartops.sdk.results": ("Decided", "Done", "Mandated", "Retried", "Submitted"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    try:
        home = _HOME_OF[name]
    except KeyError as error:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from error
    return getattr(import_module(home), name)
