"""Calls that may not go out yet: noted as waiting, and tried again by whichever gateway is up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from smartops.eventstore.rows import TimerRow
from smartops.runtime.cues import Cue, cue_of_row
from smartops.runtime.decision import NOTHING, Decision, SetTimer
from smartops.runtime.reactor import Reactor
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service
from smartops.tool_gateway.admission import Later
from smartops.tool_gateway.state import Call

__all__ = ["WAIT_HANDLER", "Waiting"]

WAIT_HANDLER = "tool_gateway.waiting"

_PREFIX = "waiting/"


class Waiting:
    """Puts calls off, by durable timers.

    A timer carries where the request stands in the log, and the call is assessed anew when it
    fires: a grant may have ended meanwhile.
    """

    def __init__(self, service: Service, calls: Reactor[Call]) -> None:
        self._service = service
        self._calls = calls
        self._put_off: Counter[str] = Counter()
        service.telemetry.metrics.read_counter(
            "calls_put_off", "Times that a call had to wait.", self._counts, "reason"
        )

    async def put_off(self, name: str, cause: Cause, cue: Cue, later: Later, tries: int) -> None:
        """Try a call again later.

        Args:
            name: the call's stream.
            cause: what made it be tried now.
            cue: the request.
            later: why not now, and how long to wait.
            tries: how often it was put off before.
        """
        payload = f"{cue.version} {cue.stream}".encode()
        timer = SetTimer(f"{_PREFIX}{tries + 1}", later.pause(tries), WAIT_HANDLER, payload)

        async def decide(call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
            return Decision(timers=[timer]) if call.new else NOTHING

        await self._calls.react(name, cause, decide, new=tries == 0)
        self._put_off[later.reason] += 1

    async def found(self, row: TimerRow) -> tuple[Cue, int]:
        """The request that waits, and how often it was put off.

        Raises:
            ValueError: the timer is none of ours.
        """
        version, _, name = (row.payload or b"").decode().partition(" ")
        rows = await self._service.store.read_stream(name, int(version) - 1, 1)
        if not rows:
            raise ValueError(f"{name} holds nothing at version {version}")
        # Its run may have stopped meanwhile, which nobody had to look at until now.
        await self._service.views.run.load(name, fresh=True)
        return cue_of_row("tool_gateway.calls", rows[0]), int(row.name.removeprefix(_PREFIX))

    def _counts(self) -> Mapping[str, float]:
        return dict(self._put_off)
