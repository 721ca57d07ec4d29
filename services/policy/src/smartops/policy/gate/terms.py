"""The terms of approval, as the settings have them."""

from __future__ import annotations

from smartops.policy.gate.granting import Terms
from smartops.policy.gate.prompting import Schedule
from smartops.policy.settings import PolicySettings

__all__ = ["terms_of"]


def terms_of(settings: PolicySettings) -> Terms:
    """How long people have, who is asked meanwhile, and how long their word holds."""
    return Terms(
        approval_ttl=settings.approval_ttl,
        grant_ttl=settings.grant_ttl,
        schedule=Schedule.parse(settings.approval_reminders, settings.approval_chain),
        max_replans=settings.max_replans,
    )
