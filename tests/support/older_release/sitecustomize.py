"""On a process's PYTHONPATH: a release that does not know how calls are denied nowadays."""

from __future__ import annotations

from types import MappingProxyType

from smartops.contracts import catalogue

_NOT_YET = "tool.call.denied.v3"

_EVENTS = {key: spec for key, spec in catalogue.EVENTS.items() if key != _NOT_YET}

catalogue.EVENTS = MappingProxyType(_EVENTS)
catalogue._NEWEST = {
    spec.data.topic: spec.data
    for spec in sorted(_EVENTS.values(), key=lambda spec: spec.data.schema_version)
}
for _handler in catalogue.HANDLERS:
    _heard = tuple(event for event in _handler.events if event.type_key() != _NOT_YET)
    object.__setattr__(_handler, "events", _heard)
    object.__setattr__(_handler, "topics", tuple(event.type_key() for event in _heard))
