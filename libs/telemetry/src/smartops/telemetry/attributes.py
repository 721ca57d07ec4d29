"""Names of span attributes, and the span names of what SmartOps does.

The generative-AI conventions of OpenTelemetry are still in development and their Python constants
move; so their strings stand here, once, and nowhere else.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

__all__ = [
    "AGENT_NAME",
    "CALL",
    "CANCELLED",
    "ERROR_TYPE",
    "INPUT_TOKENS",
    "MESSAGE_ID",
    "MESSAGING_DESTINATION",
    "MESSAGING_SYSTEM",
    "MODEL",
    "OPERATION",
    "OUTPUT_TOKENS",
    "PHASE",
    "PROVIDER",
    "RULE",
    "RUN",
    "TASK",
    "TENANT",
    "TOOL_CALL_ID",
    "TOOL_NAME",
    "VERDICT",
    "Phase",
    "chat",
    "check",
    "execute_tool",
    "plan",
    "process",
    "workflow",
]

Phase: TypeAlias = Literal["plan", "act", "verify"]

PHASE: Final = "smartops.phase"
"""What the work is for: making a plan, acting on it, or verifying what came of it."""

TENANT: Final = "smartops.tenant"
TASK: Final = "smartops.task"
RUN: Final = "smartops.run"
CALL: Final = "smartops.call"
CANCELLED: Final = "smartops.cancelled"
"""True on a span whose work was cancelled, which is no error."""

ERROR_TYPE: Final = "error.type"

MESSAGING_SYSTEM: Final = "messaging.system"
MESSAGING_DESTINATION: Final = "messaging.destination.name"
"""The subject's template, never the subject: that holds ids."""
MESSAGE_ID: Final = "messaging.message.id"

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
MODEL: Final = "gen_ai.request.model"
AGENT_NAME: Final = "gen_ai.agent.name"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
RULE: Final = "gen_ai.security.policy.rule.id"
VERDICT: Final = "gen_ai.guardrail.verdict.type"


def workflow(task_type: str) -> str:
    """The span of a task as a whole."""
    return f"invoke_workflow {task_type}"


def plan(agent: str) -> str:
    """The span of an agent making a plan."""
    return f"plan {agent}"


def chat(model: str) -> str:
    """The span of one exchange with a model."""
    return f"chat {model}"


def check(component: str) -> str:
    """The span of a guard that decides: policy, schema, safety."""
    return f"run_guardrail {component}"


def execute_tool(tool: str) -> str:
    """The span of one tool call."""
    return f"execute_tool {tool}"


def process(topic: str) -> str:
    """The span of handling one message; `topic` is a stable name, never a subject."""
    return f"process {topic}"
