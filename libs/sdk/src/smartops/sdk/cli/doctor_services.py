"""Looking at the services of this machine: does each answer, and what does it lack?"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from smartops.contracts.catalogue import SERVICES
from smartops.sdk.cli.doctor_findings import Finding, problem, warning, well
from smartops.sdk.cli.text import count, one_line

__all__ = ["Answer", "judge_losses", "judge_notes", "judge_service", "look_at_services"]

PART = "services"
_SECONDS = 2.0
_GONE = re.compile(
    r'^orchestrator_commands_gone_total\{[^}]*handler="(?P<handler>[^"]+)"[^}]*\} (?P<count>\S+)$',
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service's /ready said; all None if it said nothing."""

    url: str
    status: int | None = None
    reasons: tuple[tuple[str, str], ...] = ()
    silence: str = ""
    """Why there is no answer."""
    notes: tuple[tuple[str, str], ...] = ()
    """What its parts say of themselves."""


async def look_at_services(home: Path) -> list[Finding]:
    """Ask every service that `run.json` names."""
    running = _running(home)
    if running is None:
        text = f"{home / 'run.json'} is not there: no services run from this home"
        advice = "Run `smartops up`; if they run elsewhere, ask their /ready pages there."
        return [warning(PART, "not_local", text, advice)]
    found: list[Finding] = []
    pid = running.get("pid")
    if isinstance(pid, int) and not _alive(pid):
        text = f"the stack's supervisor (pid {pid}) is gone, and with it all that it started"
        found.append(problem(PART, "no_supervisor", text, "Run `smartops up` again."))
    addresses = _addresses(home, running)
    answers = await asyncio.gather(
        *(asyncio.to_thread(_ask, f"{url}/ready") for url in addresses.values())
    )
    judged = [
        finding
        for name, answer in zip(addresses, answers, strict=True)
        for finding in judge_service(home, name, answer)
    ]
    pages = await asyncio.gather(
        *(asyncio.to_thread(_metrics, f"{url}/metrics") for url in addresses.values())
    )
    for name, page in zip(addresses, pages, strict=True):
        judged += judge_losses(name, page)
    missing = [name for name in SERVICES if name not in addresses]
    judged += [
        warning(
            PART,
            "left_out",
            f"{name} is not among the services that were started",
            "Start it where it should run: without it, its share of every task waits.",
        )
        for name in missing
    ]
    if not judged:
        judged = [well(PART, "ready", f"{count(len(addresses), 'service')} ready")]
    for answer in answers:
        judged += judge_notes(answer)
    return found + judged


def judge_service(home: Path, name: str, answer: Answer) -> list[Finding]:
    """What an answer, or silence, means; nothing if the service is ready."""
    log = home / "logs" / f"{name}.log"
    if answer.status is None:
        text = f"{name} does not answer on {answer.url} ({answer.silence})"
        advice = (
            f"Its last words are in {log}; the stack's supervisor, or `smartops up`, starts it."
        )
        return [problem(PART, "silent", text, advice)]
    if answer.status == HTTPStatus.OK:
        return []
    if not answer.reasons:
        text = f"{name} answers {answer.status} on {answer.url}"
        return [problem(PART, "not_ready", text, f"See {log}.")]
    why = "; ".join(f"{part}: {trouble}" for part, trouble in answer.reasons)
    advice = " ".join(dict.fromkeys(_advice(part, log) for part, _ in answer.reasons))
    return [problem(PART, "not_ready", f"{name} is not ready: {why}", advice)]


def judge_notes(answer: Answer) -> list[Finding]:
    """What services tell of themselves: how code of plans is fenced in, and whose policy holds."""
    notes = dict(answer.notes)
    if (bundle := notes.get("bundle")) is not None and bundle != "in force":
        advice = (
            "It decides nothing until it is proposed, signed and activated: `smartops policy "
            "replay` tells what it would change, `smartops policy propose` begins. Or start policy "
            "with the bundle in force."
        )
        return [warning(PART, "other_policy", f"policy was started with {bundle}", advice)]
    told = notes.get("sandbox")
    if told is None:
        return []
    if not told.startswith("none"):
        return [well(PART, "sandbox", f"computed steps run in the sandbox {told}")]
    text = f"computed steps are refused, other steps are not: sandbox {told}"
    advice = (
        "Run the runner on Linux 5.13 or newer, or install bubblewrap; or accept less by "
        "SMARTOPS_SANDBOX_LEVEL."
    )
    return [warning(PART, "no_sandbox", text, advice)]


def judge_losses(name: str, metrics: str) -> list[Finding]:
    """Whether commands of a service went with their stream, as its metrics page tells."""
    gone = {found["handler"]: int(float(found["count"])) for found in _GONE.finditer(metrics)}
    if not sum(gone.values()):
        return []
    where = ", ".join(f"{number} at {handler}" for handler, number in gone.items() if number)
    text = f"the command stream was lost, and with it up to {where}, since {name} was started"
    advice = (
        "Whoever did not hear of a command sends it again under the same id (`--id`): it counts "
        "once. Then look why the bus lost its store."
    )
    return [warning(PART, "commands_gone", text, advice)]


def _advice(part: str, log: Path) -> str:
    match part:
        case "database" | "log":
            return "Bring the database back: work waits, and goes on by itself."
        case "bus":
            return "Bring the bus back: the service reconnects by itself."
        case "consumers":
            return "Run the provisioner (`smartops up` does): it makes what is missing."
        case "policy":
            return (
                "Start policy. A bundle that is in force and cannot be loaded gives way to another "
                "one: `smartops policy activate`."
            )
        case "anchors":
            return "Make the anchors directory writable again, with room on its disk."
        case _:
            return f"See {log}."


def _running(home: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((home / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _addresses(home: Path, running: Mapping[str, Any]) -> dict[str, str]:
    """Where each service's pages are; one that was started again has told its new port."""
    addresses = {}
    for name, about in dict(running.get("services", {})).items():
        addresses[str(name)] = str(about.get("health_url", ""))
        with suppress(OSError):
            told = (home / "run" / f"{name}.health").read_text(encoding="utf-8").strip()
            addresses[str(name)] = told or addresses[str(name)]
    return addresses


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _ask(url: str) -> Answer:
    try:
        with urlopen(url, timeout=_SECONDS) as reply:  # noqa: S310 - written by our own supervisor
            return Answer(url, reply.status, notes=_notes(reply.read()))
    except HTTPError as error:
        with error:
            body = error.read()
            return Answer(url, error.code, _reasons(body), notes=_notes(body))
    except (OSError, ValueError) as error:
        cause = getattr(error, "reason", error)
        return Answer(url, silence=getattr(cause, "strerror", None) or str(cause))


def _metrics(url: str) -> str:
    """A metrics page; empty if there is none: that a service is silent is said already."""
    try:
        with urlopen(url, timeout=_SECONDS) as reply:  # noqa: S310 - as above
            return str(reply.read().decode(errors="replace"))
    except (OSError, ValueError):
        return ""


def _notes(body: bytes) -> tuple[tuple[str, str], ...]:
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        notes = json.loads(body)["notes"].items()
        return tuple((one_line(str(part)), one_line(str(note))) for part, note in notes)
    return ()


def _reasons(body: bytes) -> tuple[tuple[str, str], ...]:
    with suppress(ValueError, KeyError, TypeError):
        return tuple(
            (one_line(str(reason["part"])), one_line(str(reason["trouble"])))
            for reason in json.loads(body)["reasons"]
        )
    return ()
