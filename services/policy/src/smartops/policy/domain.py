"""The gate decided: may this plan run, who must say so, who takes it back?

Pure: what policy, registry and directory answered comes in as values. Each part has a room of its
own; this is the door to all of them.
"""

from __future__ import annotations

from smartops.policy.gate.breaking import break_glass
from smartops.policy.gate.controls import breach, cancel, halt, no_such_task, revoke, unmet
from smartops.policy.gate.granting import EXPIRY_HANDLER, Terms
from smartops.policy.gate.prompting import PROMPT_HANDLER, prompt
from smartops.policy.gate.voting import Voter, decide_vote, expire, refuse_vote
from smartops.policy.gate.weighing import Weighed, weigh

__all__ = [
    "EXPIRY_HANDLER",
    "PROMPT_HANDLER",
    "Terms",
    "Voter",
    "Weighed",
    "breach",
    "break_glass",
    "cancel",
    "decide_vote",
    "expire",
    "halt",
    "no_such_task",
    "prompt",
    "refuse_vote",
    "revoke",
    "unmet",
    "weigh",
]
