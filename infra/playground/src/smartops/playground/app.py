"""The ASGI application: record, authorise, check, let the faults act, carry out, answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from smartops.playground.admin_api import ADMIN_ROOT, administer
from smartops.playground.changes import FaultSpent
from smartops.playground.errors import (
    ConnectionDropped,
    InjectedFailure,
    PlaygroundError,
    Problem,
)
from smartops.playground.faults import Fault, Mode
from smartops.playground.fleet import Fleet
from smartops.playground.fleet_api import prepare
from smartops.playground.http import (
    Answer,
    Receive,
    Request,
    Scope,
    Send,
    problem_answer,
    read_request,
    send_answer,
)
from smartops.playground.operations import WRITES, Operation, Place, locate
from smartops.playground.record import Record
from smartops.playground.state_file import StateFile
from smartops.playground.tokens import Tokens
from smartops.playground.world import World

__all__ = ["ABORT", "Playground", "create_app"]

ABORT = "smartops.playground.abort"
"""ASGI extension: a function that closes the connection at once, without an answer."""


def create_app(
    fleet: Fleet,
    record: Record,
    *,
    state: StateFile | None = None,
    tokens: Tokens | None = None,
    uptime: Callable[[], float] = time.monotonic,
) -> Playground:
    """The application for a fleet.

    Args:
        fleet: The fleet to operate on; with `state`, the one that it holds.
        record: Where requests are written down.
        state: Where changes are kept; None to forget them with the process.
        tokens: Who may ask; everyone, if None.
        uptime: Seconds of a clock that never goes back, for the simulated traffic.
    """
    world = World(fleet, record, state=state, uptime=uptime)
    return Playground(world, tokens or Tokens())


class Playground:
    """An ASGI application over one world."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        self.world = world
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, or close its connection where a fault says so."""
        if scope["type"] != "http":
            raise PlaygroundError(f"The playground speaks HTTP, not {scope['type']}.")
        request = await read_request(scope, receive)
        if request is None:
            return
        try:
            answer = await self._answer(request)
        except ConnectionDropped as dropped:
            await _drop(scope, receive, dropped)
            return
        await send_answer(answer, send)

    async def _answer(self, request: Request) -> Answer:
        if request.path.startswith(ADMIN_ROOT):
            try:
                self._tokens.check(request.headers.get("authorization"), admin=True)
                return administer(self.world, request)
            except PlaygroundError as error:
                return problem_answer(error)
        place = locate(request.path)
        n = 0
        try:
            n = self._write_down(request, place)
            return await self._carry_out(request, place, n)
        except ConnectionDropped as dropped:
            if n and not dropped.applied:
                self.world.record.refused(n, status=None, code=dropped.code)
            raise
        except PlaygroundError as error:
            answer = problem_answer(error)
            if n and isinstance(error, Problem):
                self.world.record.refused(n, status=answer.status, code=error.code)
            return answer

    def _write_down(self, request: Request, place: Place) -> int:
        # Anything but a plain read counts as a write, even where no write exists: the record shows
        # what was sent, not what was understood.
        if request.method in ("GET", "HEAD") and not self.world.record.reads:
            return 0
        operation = place.methods.get(request.method)
        return self.world.record.request(
            method=request.method,
            path=request.target,
            server=place.server,
            operation=operation and operation.value,
            body=request.sent,
            headers=request.headers,
        )

    async def _carry_out(self, request: Request, place: Place, n: int) -> Answer:
        self._tokens.check(request.headers.get("authorization"), admin=False)
        operation = place.operation(request.method)
        act = prepare(self.world, request, operation, place, n)
        await self._let_faults_act(place.server, operation)
        answer = act()
        # Nothing is awaited between the effect and this: what applies and what drops is one step.
        if operation in WRITES and self._acts(Mode.APPLY_THEN_DROP, place.server, operation):
            raise ConnectionDropped(applied=True)
        return answer

    async def _let_faults_act(self, server: str | None, operation: Operation) -> None:
        resets = self.world.fleet.resets
        if self._acts(Mode.REFUSE, server, operation):
            raise ConnectionDropped(applied=False)
        if hang := self._acts(Mode.HANG, server, operation):
            await self.world.holds.wait(hang.id)
        if delay := self._acts(Mode.DELAY, server, operation):
            await asyncio.sleep((delay.value or 0.0) / 1000)
        if self.world.fleet.resets != resets:
            # What waited across a reset belongs to a fleet that is gone.
            raise ConnectionDropped(applied=False)
        if failure := self._acts(Mode.FAIL_NEXT, server, operation):
            raise InjectedFailure(failure.id)

    def _acts(self, mode: Mode, server: str | None, operation: Operation) -> Fault | None:
        fault = self.world.fleet.faults.acting(mode, server, operation)
        if fault is not None and fault.left is not None:
            self.world.commit(FaultSpent(fault.id))
        return fault


async def _drop(scope: Scope, receive: Receive, dropped: ConnectionDropped) -> None:
    abort = scope.get("extensions", {}).get(ABORT)
    if abort is None:
        # Without a connection there is nothing to close: an in-process caller sees the error.
        raise dropped
    abort()
    # Returning before the server has noticed would make it answer for us.
    while (await receive())["type"] != "http.disconnect":
        pass
