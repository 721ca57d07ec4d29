"""What can go wrong on the bus, divided by what the receiver does about it.

    BusError
    ├── Retryable            later is fine: given back, with a growing delay
    ├── Outage               a dependency is away: given back, and the loop rests; no try is spent
    ├── Terminal             never: told to SMARTOPS_DLQ, then terminated
    ├── ConnectError         this process cannot get onto the bus
    │   └── Unauthorised     the server knows us not, or our key is wrong
    ├── UnsupportedFramework another FastStream than the one our hook was proven on
    ├── TopologyError        the topology contradicts itself
    └── ProvisioningError    the server refused what the topology asks for
        └── UnfixableDrift   a field differs that the server will not change

A handler raises the first three, or returns. It may raise anything else too: that is an unknown
error, retried a few times and then parked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from typing_extensions import override

__all__ = [
    "BusError",
    "ConnectError",
    "Outage",
    "ProvisioningError",
    "Refusal",
    "Retryable",
    "Terminal",
    "TopologyError",
    "Unauthorised",
    "UnfixableDrift",
    "UnsupportedFramework",
]


class BusError(Exception):
    """Root of this library's errors."""

    code: str = "bus_error"
    retryable: bool = False


class Retryable(BusError):
    """The same message may succeed later: a version conflict that did not settle, a busy tool.

    Args:
        reason: why, for people.
        retry_after: how long to wait; None lets the delay grow with the number of deliveries.
    """

    code = "retryable"
    retryable = True

    def __init__(self, reason: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class Outage(BusError):
    """A dependency is away, so no message can succeed: database, bus or policy engine.

    Args:
        what: which dependency, e.g. `"database"`.
        reason: what it said.
    """

    code = "outage"
    retryable = True

    def __init__(self, what: str, reason: str = "does not answer") -> None:
        super().__init__(f"{what}: {reason}")
        self.what = what
        self.reason = reason


class Terminal(BusError):
    """This message can never succeed, here or elsewhere.

    Args:
        reason: why, without any part of the payload: it is shown outside the log.
    """

    code = "terminal"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ConnectError(BusError):
    """No server could be reached in the time given."""

    code = "bus_unreachable"
    retryable = True

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"cannot reach the bus at {url!r}: {reason}. Is nats-server running?")
        self.url = url
        self.reason = reason


class Unauthorised(ConnectError):
    """The server refused our key. Trying again does not help."""

    code = "bus_unauthorised"
    retryable = False

    def __init__(self, url: str, name: str) -> None:
        super().__init__(url, f"the key of {name!r} was refused")
        message = (
            f"{url!r} refused the key of {name!r}: check its seed file, and that the server's "
            "configuration lists the matching public key"
        )
        self.args = (message,)
        self.name = name


class UnsupportedFramework(BusError):
    """The installed FastStream is not the one whose private hook we replace."""

    code = "unsupported_framework"

    def __init__(self, have: str, want: str, why: str) -> None:
        super().__init__(
            f"FastStream {have} is installed, our pull loop is proven on {want} only ({why}): "
            f"install faststream=={want}, or prove the loop on the other version first"
        )
        self.have = have
        self.want = want


class TopologyError(BusError):
    """The topology asks for what no server can give."""

    code = "bad_topology"


class ProvisioningError(BusError):
    """The server refused to create or update a stream or a consumer.

    Args:
        name: `stream SMARTOPS` or `consumer SMARTOPS/planner-intents`.
        reason: what the server said.
    """

    code = "provisioning_refused"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: the server refused: {reason}")
        self.name = name
        self.reason = reason


class Refusal(NamedTuple):
    """One field the server would not change."""

    name: str
    """Whose: `stream SMARTOPS` or `consumer SMARTOPS/planner-intents`."""
    field: str
    have: object
    want: object
    reason: str
    """What the server said."""

    @override
    def __str__(self) -> str:
        return f"{self.name}: {self.field} is {self.have!r}, should be {self.want!r}: {self.reason}"


class UnfixableDrift(ProvisioningError):
    """Fields differ that the server does not change on a living stream or consumer."""

    code = "unfixable_drift"

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        names = ", ".join(dict.fromkeys(refusal.name for refusal in refusals))
        super().__init__(names, "; ".join(str(refusal) for refusal in refusals))
        message = (
            f"{self.reason}. The server does not change these in place: change the topology, "
            "or drain, delete and re-create by hand"
        )
        self.args = (message,)
