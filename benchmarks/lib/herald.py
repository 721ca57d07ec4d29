"""Commands given once each, by somebody who notes what was said to them."""

from __future__ import annotations

import json
import time
from collections import Counter
from uuid import UUID

from nats import errors as nats_errors
from smartops.bus.api import ApiError
from smartops.contracts.ids import task_id

from benchmarks.lib.person import Person
from benchmarks.lib.runbooks import Accepted, Runbook

__all__ = ["Herald"]

ANSWER_S = 2.0


class Herald:
    """Asks for tasks that do nothing, each under a name of its own, and never twice."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        """`acknowledged`, `refused` or `no answer`."""
        self.accepted: dict[UUID, Accepted] = {}
        """What was acknowledged, by task; give it the crew's, and it is waited for."""
        self.others: set[UUID] = set()
        """Tasks that the rest would have made."""

    async def ask(self, person: Person, name: str) -> bool:
        """Give one command; whether it was acknowledged."""
        context = {"agent": "noop", "approval": True}
        intent = {"intent": f"Say {name}", "environment": "sandbox", "context": context}
        payload = json.dumps(intent).encode()
        task = UUID(str(task_id(person.key("intent.submit", name))))
        try:
            await person.command("intent.submit", name, payload, timeout=ANSWER_S)
        except (ApiError, nats_errors.Error) as error:
            self.answers["refused" if isinstance(error, ApiError) else "no answer"] += 1
            self.others.add(task)
            return False
        self.answers["acknowledged"] += 1
        self.accepted[task] = Accepted(Runbook(name, (), (), payload), time.time())
        return True
