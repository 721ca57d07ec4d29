"""Settings over HTTP: read, changed by compare and set, put back. No keys are remembered here."""

from __future__ import annotations

from smartops.playground.changes import ConfigRestored, ConfigSet
from smartops.playground.errors import Conflict, NotFound, PreconditionFailed
from smartops.playground.http import Act, Answer, Request, json_answer
from smartops.playground.operations import Operation
from smartops.playground.parsing import expected_revision, fields_of, query_of
from smartops.playground.world import World

__all__ = ["prepare_config"]

LONGEST_VALUE = 2000
"""Characters of a value."""


def prepare_config(world: World, request: Request, operation: Operation, key: str, n: int) -> Act:
    """Check a request about a setting; what carries it out.

    Raises:
        Problem: it cannot be carried out as it is.
    """
    query_of(request, ())
    if key not in world.fleet.settings:
        raise NotFound(f"There is no setting {key!r}.", field="key")
    match operation:
        case Operation.SET_CONFIG:
            expected = expected_revision(request.headers)
            value = fields_of(request, ("value",)).text("value", longest=LONGEST_VALUE)
            return lambda: _set(world, key, value, expected, n)
        case Operation.RESTORE_CONFIG:
            fields = fields_of(request, ("revision", "value"))
            revision = fields.count("revision")
            value = fields.text("value", longest=LONGEST_VALUE)
            return lambda: _restore(world, key, revision, value, n)
        case _:
            return lambda: json_answer(world.fleet.settings[key].view())


def _set(world: World, key: str, value: str, expected: int, n: int) -> Answer:
    # Compared here and not when it arrived: a request may have waited for long.
    found = world.fleet.settings[key].revision
    if found != expected:
        raise PreconditionFailed(expected, found)
    return json_answer(world.write(ConfigSet(n, key, value)))


def _restore(world: World, key: str, revision: int, value: str, n: int) -> Answer:
    setting = world.fleet.settings[key]
    if setting.values[revision - 1 : revision] != [value]:
        raise Conflict(f"It never was {value!r} in revision {revision}.", field="value")
    if setting.is_back_at(revision):
        world.record.replayed(n)
        return json_answer(setting.view())
    if setting.revision != revision + 1:
        raise Conflict(
            f"It has revision {setting.revision}: more than one change came after {revision}."
        )
    return json_answer(world.write(ConfigRestored(n, key, revision)))
