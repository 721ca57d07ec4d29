"""The client: commands that wait for what they bring about, and the events of a task as they come.

A command is an appeal, not a call: it is stored, and a service decides it. So each method waits
for the event that shows the effect, or for `command.refused`; and where neither comes in time it
says so instead of guessing.
"""

from __future__ import annotations

from smartops.sdk.client.autonomy import Autonomy
from smartops.sdk.client.bundles import Bundles
from smartops.sdk.client.controls import Controls
from smartops.sdk.client.decisions import Decisions
from smartops.sdk.client.intents import Intents
from smartops.sdk.client.mandates import Mandates
from smartops.sdk.client.privacy import Privacy
from smartops.sdk.client.reading import Reading
from smartops.sdk.client.repairs import Repairs

__all__ = ["Client"]


class Client(Intents, Decisions, Mandates, Controls, Repairs, Bundles, Autonomy, Privacy, Reading):
    """Talks to one installation as one identity. Safe to share between tasks of one event loop."""
