"""A call goes out at most once, unless its tool dedupes; and nothing is done twice."""

from __future__ import annotations

from collections import Counter, defaultdict

from smartops.contracts.wire import Idempotence, Purpose

from benchmarks.lib.checks.evidence import Evidence

__all__ = ["check_effects"]

_RESTART = "restart"
_PATCH = "set_version"


def check_effects(evidence: Evidence) -> list[str]:
    """At most once per opaque call and step, once per key, and a fleet that shows just that."""
    return [*_opaque(evidence), *_keys(evidence), *_steps(evidence), *_servers(evidence)]


def _opaque(evidence: Evidence) -> list[str]:
    sent = Counter(r.call for r in evidence.requests if r.operation == _RESTART)
    return [
        f"call {call} of an opaque tool was sent {times} times"
        for call, times in sent.items()
        if times > 1
    ]


def _keys(evidence: Evidence) -> list[str]:
    applied = Counter(
        request.key
        for request in evidence.requests
        if request.outcome == "applied" and request.operation == _PATCH
    )
    return [f"key {key} was applied {n} times" for key, n in applied.items() if n > 1 or not key]


def _steps(evidence: Evidence) -> list[str]:
    """One step, do or undo, is applied once, however many calls it took."""
    applied: dict[tuple[object, str, Purpose], int] = defaultdict(int)
    for call, sends in evidence.dispatched.items():
        facts = sends[0].data.facts
        if facts.run is None or sends[0].data.idempotence is Idempotence.IDEMPOTENT:
            continue
        times = sum(r.outcome == "applied" for r in evidence.requests_of(call))
        applied[facts.run, facts.question, facts.purpose] += times
    return [
        f"{purpose} of step {step} in run {run} was applied {times} times"
        for (run, step, purpose), times in applied.items()
        if times > 1
    ]


def _servers(evidence: Evidence) -> list[str]:
    """The counters of the servers agree with the record, and with the ends of the tasks."""
    found = []
    counted: Counter[tuple[str | None, str | None]] = Counter(
        (r.server, r.operation) for r in evidence.requests if r.outcome == "applied"
    )
    for name, server in evidence.fleet.items():
        for counter, operation in (("restarts", _RESTART), ("patches", _PATCH)):
            if server[counter] != counted[name, operation]:
                found.append(
                    f"{name} has {server[counter]} {counter}, the record {counted[name, operation]}"
                )
    for task, (runbook, _) in evidence.accepted.items():
        fate = evidence.fates[task]
        for target in runbook.targets:
            server = evidence.fleet[target]
            versions = runbook.wanted(target, "apply_patch")
            restarts = runbook.wanted(target, "restart_server")
            if fate.state == "completed":
                if versions and server["version"] != versions[-1]:
                    found.append(f"{target} runs {server['version']}, {task} completed otherwise")
                if (server["patches"], server["restarts"]) != (len(versions), len(restarts)):
                    found.append(f"{target} was changed more or less often than {task} says")
            elif int(str(server["restarts"])) > len(restarts):
                found.append(f"{target} was restarted more often than {task} asked for")
    return found
