"""Backups over HTTP: jobs that are started, looked at and deleted."""

from __future__ import annotations

import re

from smartops.playground.changes import BackupDeleted, BackupStarted
from smartops.playground.errors import Conflict, InvalidField, NotFound
from smartops.playground.http import Act, Answer, Request, json_answer
from smartops.playground.operations import Operation
from smartops.playground.parsing import fields_of, idempotency_key, query_of
from smartops.playground.world import World

__all__ = ["prepare_backup"]

_ACCEPTED = 202
_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def prepare_backup(
    world: World, request: Request, operation: Operation, server: str, label: str | None, n: int
) -> Act:
    """Check a request about a server's backups; what carries it out.

    Raises:
        Problem: it cannot be carried out as it is.
    """
    query_of(request, ())
    if label is None:
        key = idempotency_key(request.headers)
        wanted = fields_of(request, ("label",)).text("label")
        if not _LABEL.fullmatch(wanted):
            raise InvalidField("label", "must be of lower case letters, digits and hyphens")
        return lambda: _start(world, server, wanted, key, n)
    if operation is Operation.DELETE_BACKUP:
        fields_of(request, ())
        return lambda: _delete(world, server, label, n)
    return lambda: _show(world, server, label)


def _start(world: World, server: str, label: str, key: str | None, n: int) -> Answer:
    began = world.clock()
    change = BackupStarted(
        n,
        server,
        label,
        began=began,
        ends=began + world.fleet.spec.backup_ms / 1000,
        fails=not world.fleet.healthy(world.fleet.servers[server]),
        key=key,
    )
    if (first := world.recall(change)) is not None:
        return json_answer(first, status=_ACCEPTED)
    earlier = world.fleet.backups.get(server, label)
    if earlier is not None and earlier.view(began)["state"] != "failed":
        raise Conflict(f"There is a backup {label!r} of {server!r} already.", field="label")
    return json_answer(world.write(change), status=_ACCEPTED)


def _delete(world: World, server: str, label: str, n: int) -> Answer:
    if world.fleet.backups.get(server, label) is None:
        world.record.replayed(n)
        return json_answer({"server": server, "label": label, "deleted": False})
    return json_answer(world.write(BackupDeleted(n, server, label)))


def _show(world: World, server: str, label: str) -> Answer:
    backup = world.fleet.backups.get(server, label)
    if backup is None:
        raise NotFound(f"There is no backup {label!r} of {server!r}.", field="label")
    return json_answer(backup.view(world.clock()))
