"""What somebody with the runner's credentials asks for, though nobody approved it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

from smartops.contracts.ids import call_id
from smartops.contracts.wire import Purpose

from benchmarks.lib.hostile_runner import Captured, HostileRunner

__all__ = ["FORGERIES", "Forged"]


@dataclass(frozen=True, slots=True)
class Forged:
    """What a forgery is made of.

    The run stands in its first phase: its first step, a restart, is done; its second, a patch, was
    not asked for. The second phase, the same on another server, has not begun.
    """

    runner: HostileRunner
    run: Captured
    other: Captured
    """Another run, which is just as real."""
    victim: str
    """A server that nobody has business with."""


async def _another_target(it: Forged) -> None:
    step = it.run.step(0, 1)
    await it.runner.ask(it.run, it.run.request(step, target=it.victim))


async def _another_tool(it: Forged) -> None:
    step = it.run.step(0, 1)
    await it.runner.ask(it.run, it.run.request(step, tool="drain_server"))


async def _another_step(it: Forged) -> None:
    """One of another plan, just as approved."""
    step, theirs = it.run.step(0, 1), it.other.step(0, 1)
    asked = it.run.request(step, step=theirs.hash(), target=theirs.target)
    await it.runner.ask(it.run, asked)


async def _a_step_of_nobody(it: Forged) -> None:
    step = it.run.step(0, 1)
    changed = {"target": it.victim, "arguments": {"asset": it.victim, "version": "6.6.6"}}
    made_up = step.model_copy(update=changed)
    await it.runner.ask(it.run, it.run.request(step, step=made_up.hash(), target=it.victim))


async def _once_more_by_another_name(it: Forged) -> None:
    """The restart that was done, as a call of its own."""
    await it.runner.ask(it.run, it.run.request(it.run.step(0, 0), call=uuid4()))


async def _once_more_as_an_attempt(it: Forged) -> None:
    await it.runner.ask(it.run, it.run.request(it.run.step(0, 0), attempt=2))


async def _before_its_phase(it: Forged) -> None:
    await it.runner.ask(it.run, it.run.request(it.run.step(1, 0)))


async def _under_another_run(it: Forged) -> None:
    await it.runner.ask(it.run, it.run.request(it.run.step(0, 1), run=it.other.started.run))


async def _for_another_task(it: Forged) -> None:
    await it.runner.ask(it.run, it.run.request(it.run.step(0, 1), task=it.other.started.task))


async def _as_a_read(it: Forged) -> None:
    asked = it.run.request(
        it.run.step(0, 1),
        purpose=Purpose.OBSERVE,
        step=None,
        question="0/http_200/0",
        target=it.victim,
        arguments={"asset": it.victim, "version": "6.6.6"},
    )
    await it.runner.ask(it.run, asked)


async def _undo_of_others(it: Forged) -> None:
    theirs = call_id(it.other.stream, it.other.step(0, 0).id, Purpose.DO, 1)
    step = it.run.step(0, 1)
    asked = it.run.request(step, purpose=Purpose.UNDO, step=None, undoes=theirs)
    await it.runner.ask(it.run, asked)


async def _altered_on_the_bus(it: Forged) -> None:
    """Copies of the request that was carried out, each with something else in it."""
    real = it.run.request(it.run.step(0, 0))
    changes = [
        {"target": it.victim},
        {"call": uuid4(), "target": it.victim},
        {"call": uuid4(), "attempt": 2},
        {"tool": "drain_server", "call": uuid4()},
    ]
    await it.runner.tell(it.run, real, changes)


FORGERIES: tuple[Callable[[Forged], Awaitable[None]], ...] = (
    _another_target,
    _another_tool,
    _another_step,
    _a_step_of_nobody,
    _once_more_by_another_name,
    _once_more_as_an_attempt,
    _before_its_phase,
    _under_another_run,
    _for_another_task,
    _as_a_read,
    _undo_of_others,
    _altered_on_the_bus,
)
