"""On a process's PYTHONPATH, this makes it one of a release that knows no second versions."""

from __future__ import annotations

from types import MappingProxyType

from smartops.contracts import catalogue

_EVENTS = {key: spec for key, spec in catalogue.EVENTS.items() if spec.data.schema_version == 1}

catalogue.EVENTS = MappingProxyType(_EVENTS)
catalogue._NEWEST = {spec.data.topic: spec.data for spec in _EVENTS.values()}
for _handler in catalogue.HANDLERS:
    _heard = tuple(event for event in _handler.events if event.schema_version == 1)
    object.__setattr__(_handler, "events", _heard)
    object.__setattr__(_handler, "topics", tuple(event.type_key() for event in _heard))
