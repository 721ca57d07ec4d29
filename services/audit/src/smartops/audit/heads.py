"""The ends of the chains, followed event by event: nothing is folded that does not link."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from smartops.audit.errors import LogTampered
from smartops.audit.read_models.tenants import TenantRow
from smartops.eventstore.chain import GENESIS, chain_hash
from smartops.eventstore.rows import StoredRow

__all__ = ["Heads"]


class Heads:
    """The verified end of each tenant's chain."""

    def __init__(self, tenants: Iterable[TenantRow] = ()) -> None:
        self._ends = {end.tenant: end for end in tenants}

    @property
    def ends(self) -> Sequence[TenantRow]:
        """All ends."""
        return tuple(self._ends.values())

    def follow(self, after: int, rows: Sequence[StoredRow]) -> Mapping[str, TenantRow]:
        """Verify rows that follow position `after`; returns the ends that they move.

        Changes nothing: the ends move once the rows are folded, see `accept`.

        Raises:
            LogTampered: a position or an ordinal is missing, an event was changed, or it stands
                in another tenant's stream.
        """
        moved: dict[str, TenantRow] = {}
        for row in rows:
            after += 1
            tenant = row.tenant
            if row.position != after:
                raise LogTampered(after, tenant, f"the log goes on at {row.position}")
            if not row.stream.startswith(f"{tenant}/"):
                raise LogTampered(after, tenant, f"{row.stream} is another tenant's stream")
            end = moved.get(tenant) or self._ends.get(tenant)
            events = 0 if end is None else end.events
            if row.ordinal != events + 1:
                what = f"event {events + 1} of the tenant is missing, {row.ordinal} stands there"
                raise LogTampered(after, tenant, what)
            previous = GENESIS if end is None else end.verified_hash
            expected = chain_hash(previous, row)
            if row.hash != expected:
                raise LogTampered(after, tenant, "the event does not link to the one before it")
            first_seen = row.recorded_at if end is None else end.first_seen
            moved[tenant] = TenantRow(tenant, first_seen, row.ordinal, after, expected)
        return moved

    def accept(self, moved: Mapping[str, TenantRow]) -> None:
        """The rows behind these ends are stored."""
        self._ends.update(moved)
