"""Runs a piece of Python in a child without network, files, processes or secrets."""

from __future__ import annotations

from smartops.sandbox.errors import NotStarted, Oversized, SandboxError, TooWeak
from smartops.sandbox.levels import Level
from smartops.sandbox.limits import Limits
from smartops.sandbox.outcomes import Failed, Killed, Outcome, Ran, TimedOut, TooLarge, Value
from smartops.sandbox.proving import Standing, strongest
from smartops.sandbox.sandbox import Sandbox

__all__ = [
    "Failed",
    "Killed",
    "Level",
    "Limits",
    "NotStarted",
    "Outcome",
    "Oversized",
    "Ran",
    "Sandbox",
    "SandboxError",
    "Standing",
    "TimedOut",
    "TooLarge",
    "TooWeak",
    "Value",
    "strongest",
]
