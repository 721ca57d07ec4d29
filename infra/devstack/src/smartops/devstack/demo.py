"""The demonstration: an intent, its plan, a decision, the phases, and what the fleet says then."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from rich.console import Console
from smartops.contracts.commands import IntentSubmit
from smartops.contracts.events import TaskApprovalRequired
from smartops.devstack.stack import Stack, StackOptions, running_stack
from smartops.sdk.anchors import read_anchors
from smartops.sdk.chain import verify
from smartops.sdk.cli.progress import Progress
from smartops.sdk.client import Client
from smartops.sdk.course import Course, follow
from smartops.sdk.errors import Unverified
from smartops.sdk.profile import Profile

__all__ = ["run_demo"]

INTENT = "Fix drift on production web servers"
_SERVERS = 12
_DENIED = 3
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class _Ending:
    course: Course
    approved: bool


async def run_demo(home: Path, *, break_target: bool, yes: bool, json_only: bool) -> int:
    """Run it; see `smartops.devstack.cli.demo`."""
    console = Console(stderr=json_only, highlight=False)
    began = time.monotonic()
    console.print("Starting nats-server, PostgreSQL, five services and 12 web servers ...")
    async with running_stack(home, StackOptions(servers=_SERVERS)) as stack:
        console.print(f"Up after {time.monotonic() - began:.1f} s.\n")
        return await _one_task(
            stack, console, began, break_target=break_target, ask=not yes and sys.stdin.isatty()
        )
    return _INTERRUPTED


async def _one_task(
    stack: Stack, console: Console, began: float, *, break_target: bool, ask: bool
) -> int:
    before = {str(server["id"]): str(server["version"]) for server in await stack.fleet()}
    golden = str((await stack.ask_fleet("GET", "/v1/golden?role=web-server"))["version"])
    if break_target:
        canary = next(iter(before))
        fault = {"mode": "unhealthy_after_change", "server": canary}
        await stack.ask_fleet("POST", "/admin/faults", fault)
        console.print(f"{canary} will fall ill once it is changed.\n")
    profile = Profile.load(stack.home)
    async with await Client.connect(profile, "operator") as operator:
        console.print(f'operator: "{INTENT}"\n', style="bold")
        submitted = await operator.submit(IntentSubmit(intent=INTENT))
        async with await Client.connect(profile, "approver") as approver:
            ending = await _follow(submitted.task, operator, approver, console, ask=ask)
        verified = await _verified(operator, stack.home)
    after = {str(server["id"]): str(server["version"]) for server in await stack.fleet()}
    expected = before if break_target or not ending.approved else dict.fromkeys(before, golden)
    on_expected = sum(after.get(name) == version for name, version in expected.items())
    status = ending.course.outcome or "unknown"
    wanted = "rejected" if not ending.approved else "rolled_back" if break_target else "completed"
    result = {
        "task": str(submitted.task),
        "status": status,
        "targets": len(expected),
        "on_expected_version": on_expected,
        "chain_verified": verified,
        "seconds": round(time.monotonic() - began, 1),
    }
    console.print()
    print(json.dumps(result), flush=True)  # noqa: T201 - the last line is the result
    if status == "rejected" and wanted == "rejected":
        return _DENIED
    return 0 if (status, on_expected, verified) == (wanted, len(expected), True) else 1


async def _follow(
    task: UUID, operator: Client, approver: Client, console: Console, *, ask: bool
) -> _Ending:
    """Show the task to its end; decide, or let decide, when the gate asks."""
    course, approved = Course(), True
    with Progress(console) as progress:
        async with aclosing(operator.watch(task)) as events:
            async for event in events:
                await progress.show(event, operator)
                course = follow(course, event.data)
                if isinstance(event.data, TaskApprovalRequired):
                    card = await approver.card(task, event.data.plan_hash)
                    with progress.quiet():
                        if ask:
                            approved = await _asked("Approve as approver? [y/N] ")
                    # The hashes of the bytes that were shown, not those that the event names.
                    await approver.decide(
                        task,
                        card.plan_hash,
                        card.assessment_hash,
                        "approve" if approved else "reject",
                        "decided in the demonstration",
                    )
    return _Ending(course, approved)


async def _verified(client: Client, home: Path) -> bool:
    """Whether the chain holds from the first event to the projected head, anchors included."""
    head = await client.reader.head()
    if head is None:
        return False
    try:
        heads = await asyncio.to_thread(read_anchors, home / "anchors", client.tenant)
        heads[int(head["head_position"])] = bytes(head["head_hash"])
        await verify(client.reader.log(), heads=heads)
    except Unverified as error:
        print(f"smartops demo: {error}", file=sys.stderr)  # noqa: T201 - this is a command
        return False
    return True


async def _asked(question: str) -> bool:
    """Ask on the terminal without a thread: a thread that waits for a line outlives Ctrl-C."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not answer.done():
            answer.set_result(sys.stdin.readline())

    print(question, end="", flush=True)  # noqa: T201 - a question on a terminal
    loop.add_reader(sys.stdin, read)
    try:
        return (await answer).strip().lower() in {"y", "yes"}
    finally:
        loop.remove_reader(sys.stdin)
