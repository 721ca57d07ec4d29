"""The drift agent: bring servers that strayed back onto their golden version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue
from smartops.contracts.constraints import UNCONSTRAINED, Constraints
from smartops.contracts.events import TaskSpec, TaskSubmitted
from smartops.contracts.plan import AgentRef
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Environment, JsonObject
from smartops.planner.agents.base import Draft, DraftPhase, Misunderstood, Question
from smartops.planner.agents.holding import still_golden, still_versions
from smartops.planner.agents.phasing import (
    Windows,
    canary_and_waves,
    checks_for,
    risk_of,
    step_for,
)

__all__ = ["DriftAgent"]

_WORDS = re.compile(r"\b(drift|drifted|golden)\b", re.IGNORECASE)
_ROLE = re.compile(r"\b([a-z]+)[ -]servers?\b", re.IGNORECASE)
_ENVIRONMENTS = {
    "production": Environment.PRODUCTION,
    "prod": Environment.PRODUCTION,
    "staging": Environment.STAGING,
    "development": Environment.DEVELOPMENT,
    "dev": Environment.DEVELOPMENT,
    "sandbox": Environment.SANDBOX,
}
_SOME_ROLE = "web-server"
"""Whose golden version holds for assets that are named one by one."""
_NO_ROLE = {"the", "all", "my", "our", "of", "on", "these", "those", *_ENVIRONMENTS}


@dataclass(frozen=True, slots=True)
class DriftAgent:
    """Finds the servers of a role that are off their golden version; patches them in waves."""

    windows: Windows
    ref: AgentRef = AgentRef(name="drift", version="1.0.0")
    purpose: str = "fix drift, e.g. 'Fix drift on production web servers'"

    def suits(self, submitted: TaskSubmitted) -> bool:
        """Intents that speak of drift."""
        return _WORDS.search(submitted.intent) is not None

    def tools(self, submitted: TaskSubmitted) -> tuple[str, ...]:
        """Reads for evidence, one write to patch, and its own reverse."""
        del submitted
        return ("query_assets", "get_golden_image", "apply_patch")

    def specify(self, submitted: TaskSubmitted) -> TaskSpec | Misunderstood:
        """Which role, where; the sentence and the command must not disagree."""
        named = {
            _ENVIRONMENTS[word]
            for word in re.findall(r"[a-z]+", submitted.intent.lower())
            if word in _ENVIRONMENTS
        }
        if named - {submitted.environment}:
            said = ", ".join(sorted(named))
            return Misunderstood(
                "scope_error",
                f"the intent says {said}, the command {submitted.environment}: make them agree",
            )
        role = self._role(submitted)
        if role is None and not submitted.context.scope.asset_ids:
            return Misunderstood(
                "scope_error",
                "which servers? Name a role ('web servers') or give scope.role or scope.asset_ids",
            )
        return TaskSpec(
            task_type="drift_remediation",
            goal=f"Bring {role or 'the named'} assets in {submitted.environment} onto their "
            "golden version",
            agent=self.ref,
            environment=submitted.environment,
            tools_required=self.tools(submitted),
            risk_level=risk_of(submitted.environment),
            hitl_required=submitted.environment is Environment.PRODUCTION,
        )

    def questions(self, submitted: TaskSubmitted, spec: TaskSpec) -> tuple[Question, ...]:
        """What runs where, and what should."""
        scope = submitted.context.scope
        role = self._role(submitted)
        arguments: JsonObject = {"environment": spec.environment.value}
        if role is not None:
            arguments["role"] = role
        if scope.asset_ids:
            arguments["ids"] = list[JsonValue](scope.asset_ids)
        return (
            Question("inventory", "query_assets", spec.environment.value, arguments),
            Question(
                "golden",
                "get_golden_image",
                spec.environment.value,
                {"role": role or _SOME_ROLE},
            ),
        )

    def draft(
        self,
        submitted: TaskSubmitted,
        spec: TaskSpec,
        answers: Mapping[str, JsonValue],
        tools: Mapping[str, ToolDescriptor],
        constraints: Constraints = UNCONSTRAINED,
    ) -> Draft | Misunderstood:
        """Patch what strayed, canary first; with nothing astray, only look once more."""
        assets = _assets(answers["inventory"])
        golden = answers["golden"]
        version = golden.get("version") if isinstance(golden, dict) else None
        if not isinstance(version, str) or assets is None:
            return Misunderstood("validation_error", "the inventory's answer is not understood")
        excluded = set(submitted.context.scope.exclude_assets)
        assets = {name: found for name, found in assets.items() if name not in excluded}
        if not assets:
            return Misunderstood("scope_error", "no asset is in scope")
        astray = [name for name, found in assets.items() if found != version]
        if not astray:
            return self._look_again(spec, tools["query_assets"], version, assets)
        role = self._role(submitted) or _SOME_ROLE
        phases = []
        for name, members in canary_and_waves(astray, len(assets), constraints.most(len(assets))):
            window = self.windows.canary if name == "Canary" else self.windows.wave
            phases.append(
                DraftPhase(
                    name=name,
                    steps=tuple(
                        step_for(
                            name,
                            1,
                            tools["apply_patch"],
                            member,
                            {"asset": member, "version": version},
                            {"asset": member, "version": {"$before": "version"}},
                        )
                        for member in members
                    ),
                    checks=checks_for(window, self.windows.interval, self.windows.further),
                    rollback_if=self.windows.rollback_if,
                )
            )
        return Draft(
            type="drift_plan",
            summary=f"Remediate {len(astray)} drifted of {len(assets)} servers "
            f"in {spec.environment} using {version}",
            phases=tuple(phases),
            total_assets=len(assets),
            preconditions=(
                still_golden(spec.environment, tools["get_golden_image"], role, version),
                *still_versions(
                    spec.environment,
                    {name: assets[name] for name in astray},
                    tools.get(tools["apply_patch"].before or ""),
                    tools["query_assets"],
                ),
            ),
            maintenance=self.windows.maintenance,
        )

    def _look_again(
        self, spec: TaskSpec, tool: ToolDescriptor, version: str, assets: Mapping[str, str]
    ) -> Draft:
        names = list(assets)
        step = step_for(
            "Verify",
            1,
            tool,
            spec.environment.value,
            {"environment": spec.environment.value, "ids": list[JsonValue](names)},
        )
        return Draft(
            type="drift_plan",
            summary=f"Nothing to change: all {len(assets)} servers are on {version}",
            phases=(DraftPhase("Verify", (step,)),),
            total_assets=len(assets),
        )

    @staticmethod
    def _role(submitted: TaskSubmitted) -> str | None:
        if submitted.context.scope.role is not None:
            return submitted.context.scope.role
        for word in _ROLE.findall(submitted.intent):
            if word.lower() not in _NO_ROLE:
                return f"{word.lower()}-server"
        return None


def _assets(answer: JsonValue) -> dict[str, str] | None:
    listed = answer.get("assets") if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        return None
    found: dict[str, str] = {}
    for asset in listed:
        if not isinstance(asset, dict):
            return None
        name, version = asset.get("id"), asset.get("version")
        if not isinstance(name, str) or not isinstance(version, str):
            return None
        found[name] = version
    return found
