"""Nothing runs that was not approved: each request that arrived goes back to a grant."""

from __future__ import annotations

import hashlib
import json
from uuid import UUID

from smartops.contracts.events import CallFacts
from smartops.contracts.wire import JsonObject, Purpose

from benchmarks.lib.checks.evidence import Dispatched, Evidence
from benchmarks.lib.playground_record import Request

__all__ = ["check_authority"]


def check_authority(evidence: Evidence) -> list[str]:
    """Each write was dispatched in the log before, and each dispatch stands on a grant."""
    found = [*_requests(evidence)]
    for sends in evidence.dispatched.values():
        for send in sends:
            why = _grant(evidence, send)
            if why:
                found.append(f"call {send.data.call}: {why}")
    return found


def _requests(evidence: Evidence) -> list[str]:
    found = []
    seen: dict[str, int] = {}
    for request in evidence.requests:
        what = f"request {request.number} ({request.method} {request.path})"
        if request.call is None:
            found.append(f"{what} names no call")
            continue
        nth = seen[request.call] = seen.get(request.call, 0) + 1
        sends = evidence.dispatched.get(UUID(request.call), [])
        if len(sends) < nth:
            found.append(f"{what} is number {nth} of its call, dispatched {len(sends)} times")
            continue
        send = sends[nth - 1]
        if send.said.at > request.at:
            late = (send.said.at - request.at) * 1000
            found.append(f"{what} arrived {late:.1f} ms before it was dispatched")
        found += [f"{what}: {why}" for why in _content(request, send)]
    return found


def _content(request: Request, send: Dispatched) -> list[str]:
    facts = send.data.facts
    method, path, body = _wanted(facts)
    raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    grant = f"{facts.task}/{facts.grant}" if facts.grant is not None else None
    pairs = (
        ("method", request.method, method),
        ("path", request.path, path),
        ("body", request.body_sha256, hashlib.sha256(raw).hexdigest()),
        ("key", request.key, str(send.data.key)),
        ("task", request.headers.get("x-smartops-task"), str(facts.task)),
        ("grant", request.headers.get("x-smartops-grant"), grant),
    )
    return [f"its {name} is not the dispatched one" for name, got, want in pairs if got != want]


def _wanted(facts: CallFacts) -> tuple[str, str, JsonObject]:
    base = f"/v1/servers/{facts.target}"
    match facts.tool:
        case "apply_patch":
            return "PUT", f"{base}/version", {"version": facts.arguments["version"]}
        case "restart_server":
            return "POST", f"{base}/restart", {"reason": facts.arguments.get("reason", "")}
        case "set_config_value":
            return "PUT", f"/v1/config/{facts.target}", {"value": facts.arguments["value"]}
        case _:
            return "?", facts.tool, {}


def _grant(evidence: Evidence, send: Dispatched) -> str | None:
    """Why a dispatch stands on no grant; None when it does."""
    facts = send.data.facts
    if facts.grant is None:
        return "dispatched under no grant"
    given = evidence.grants.get((facts.task, facts.grant))
    if given is None:
        return f"grant {facts.grant} was never given"
    position, grant = given
    if position >= send.said.row.position:
        return "dispatched before its grant was given"
    if (facts.run, facts.plan_hash) != (grant.run, grant.plan_hash):
        return "its run or plan is not the granted one"
    if not grant.approvals:
        return "no person stands behind its grant"
    if facts.purpose is Purpose.UNDO:
        done = evidence.dispatched.get(facts.undoes, []) if facts.undoes is not None else []
        return None if done and done[0].data.undo is not None else "it undoes what was never done"
    step = evidence.plan(grant).by_hash().get(facts.step or "")
    if step is None:
        return "its step is not in the approved plan"
    if (step.tool, step.target, step.arguments) != (facts.tool, facts.target, facts.arguments):
        return "it differs from the approved step"
    return None
