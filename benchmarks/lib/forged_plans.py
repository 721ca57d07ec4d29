"""A plan that was altered by somebody who knows how plans are hashed."""

from __future__ import annotations

import json

from smartops.contracts.plan import Plan, Step

__all__ = ["with_other_target"]


def with_other_target(document: bytes, target: str, other: str) -> bytes:
    """The same plan for another target, sound in itself: only its hash is not the approved one."""
    plan = json.loads(document.replace(target.encode(), other.encode()))
    before = [Step.model_validate(step) for step in json.loads(document)["steps"]]
    after = [Step.model_validate(step) for step in plan["steps"]]
    renamed = {old.hash(): new.hash() for old, new in zip(before, after, strict=True)}
    for phase in plan["header"]["phases"]:
        phase["steps"] = [renamed[step] for step in phase["steps"]]
    return Plan.model_validate_json(json.dumps(plan)).document()
