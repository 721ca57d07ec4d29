"""An HTTP fleet to operate on: state, versions, health, faults, and a record of every request."""

from __future__ import annotations

from smartops.playground.app import Playground, create_app
from smartops.playground.fleet import Fleet
from smartops.playground.record import Record
from smartops.playground.spec import FleetSpec
from smartops.playground.state_file import StateFile
from smartops.playground.tokens import Tokens

__all__ = ["Fleet", "FleetSpec", "Playground", "Record", "StateFile", "Tokens", "create_app"]
