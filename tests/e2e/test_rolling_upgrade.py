"""A release that knows an event's newest version, beside one that does not yet."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from smartops.contracts.catalogue import RUNNER
from smartops.contracts.commands import IntentContext, IntentSubmit, WantedStep
from smartops.contracts.events import TaskPaused, TaskStepSettled, ToolCallDenied
from smartops.contracts.wire import Environment
from support.stacks import House, comes_true, house_at

OLDER = Path(__file__).parents[1] / "support" / "older_release"


async def test_an_older_consumer_gives_a_newer_version_back_and_its_successor_handles_it(
    tmp_path: Path,
) -> None:
    home = tmp_path / "house"
    older = {RUNNER: {"PYTHONPATH": str(OLDER)}}
    async with house_at(home, service_env=older) as house:
        task = await denied(house)
        said = await house.until(task, ToolCallDenied)
        assert said.schema_version == 3

        async def given_back() -> bool:
            log = (home / "logs" / f"{RUNNER}.log").read_text(encoding="utf-8")
            return "tool.call.denied in version 3 is newer than this process knows" in log

        await comes_true(given_back)
        assert await house.told(TaskStepSettled, task) == []
        assert await house.reader.parked() == []
        assert await house.given_up("runner-calls") == 0

    async with house_at(home) as house:
        assert "denied" in (await house.until(task, TaskPaused)).reason
        [settled] = await house.told(TaskStepSettled, task)
        assert settled.outcome == "denied"
        assert await house.reader.parked() == []
        await house.shows(task, "paused")
        [call] = [row for row in await house.reader.calls(task) if row["purpose"] == "do"]
        assert (call["status"], call["grant_number"]) == ("denied", 1)


async def denied(house: House) -> UUID:
    """A task of which the gateway denies the only step."""
    step = WantedStep(tool="noop_write", target="stage-1", arguments={"no_such_argument": 1})
    intent = IntentSubmit(
        intent="Do the usual in staging",
        environment=Environment.STAGING,
        context=IntentContext(steps=(step,)),
    )
    return (await house.operator.submit(intent)).task
