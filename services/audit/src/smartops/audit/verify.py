"""The full check of the log, from its first event, by anybody who may read it.

Needs nothing but SELECT: as smartops_audit on the log itself, for all tenants; or as
smartops_reader on the views, for the tenant that is set. Trusts neither heads nor columns: all is
computed from the stored bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from smartops.audit.adapters.evidence import Evidence
from smartops.audit.adapters.tables import Connection
from smartops.audit.anchors import Anchor
from smartops.audit.walk import Report, Walk, WantedAnchors

__all__ = ["Report", "verify_all"]


async def verify_all(
    conn: Connection, tenant: str | None = None, anchors: Path | Iterable[Anchor] = ()
) -> Sequence[Report]:
    """Check every event from position 1; one report per tenant, problems included, never raised.

    Found are: edited, removed, added and swapped events; gaps in the positions; columns that
    disagree with the hashed bytes; heads that are not the last event; plans, assessments and
    evidence whose bytes are gone or damaged; an end cut off behind an anchor; a log written anew
    before an anchor; anchor lines changed or missing.

    Args:
        conn: as smartops_audit; or as smartops_reader with `smartops.tenant` set.
        tenant: only this one. Gaps in the positions are then not looked for.
        anchors: the directory of anchor files, or anchors from elsewhere.
    """
    evidence = await Evidence.open(conn, tenant)
    wanted = WantedAnchors(anchors, evidence.tenant)
    upto, heads = await evidence.heads()
    names = {head.tenant for head in heads} | wanted.tenants
    if evidence.tenant is not None:
        names.add(evidence.tenant)
    walks = {name: Walk(name) for name in names}

    position = 0
    while rows := await evidence.rows(position, upto):
        for row in rows:
            walk = walks.setdefault(row.tenant, Walk(row.tenant))
            if evidence.tenant is None and row.position != position + 1:
                walk.bad(position + 1, f"missing; the log goes on at {row.position}")
            position = row.position
            walk.step(row, is_log=evidence.is_log)
            wanted.meet(walk, row)

    for head in heads:
        walk = walks[head.tenant]
        if (walk.position, walk.hash) != (head.position, head.hash):
            walk.bad(head.position, "the head that the database names is not the last event")
    wanted.finish(walks)
    for name, digest in await evidence.damaged_blobs():
        walk = walks.setdefault(name, Walk(name))
        walk.bad(walk.position, f"blob {digest} has other bytes than its digest says")
    named = [blob for walk in walks.values() for blob in walk.blobs]
    for name, digest in await evidence.missing_blobs(named):
        walks[name].bad(walks[name].position, f"blob {digest}, named by an event, is gone")
    return [walks[name].report() for name in sorted(walks)]
