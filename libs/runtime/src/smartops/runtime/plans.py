"""Plans by their hash: read from blobs, verified once, remembered."""

from __future__ import annotations

import contextlib
from collections import OrderedDict

from smartops.contracts.canonical import raw_digest
from smartops.contracts.plan import Plan
from smartops.eventstore.store import EventStore

__all__ = ["Plans"]

MAX_PLANS = 128
"""Plans remembered; a plan is at most a few megabytes."""


class Plans:
    """A bounded cache of verified plans."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._known: OrderedDict[tuple[str, str, str], Plan] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def want(self, tenant: str, document: str) -> None:
        """Begin to read a plan that a `get` will soon ask for; what goes wrong shows there."""
        with contextlib.suppress(ValueError):
            self._store.want_blob(tenant, raw_digest(document))

    async def get(self, tenant: str, document: str, plan_hash: str) -> Plan:
        """The plan behind a document digest, which must hash to `plan_hash`.

        Raises:
            Malformed: it does not, or is no plan.
            NotFound: the log holds no such blob.
        """
        key = (tenant, document, plan_hash)
        plan = self._known.get(key)
        if plan is not None:
            self._known.move_to_end(key)
            return plan
        plan = Plan.read(await self._store.blob(tenant, raw_digest(document)), plan_hash=plan_hash)
        self._known[key] = plan
        if len(self._known) > MAX_PLANS:
            self._known.popitem(last=False)
        return plan
