"""Whom a secret is told: the tools it is bound to, in the work of the tenants it is bound to.

References in arguments come from planner and runner, which see no secret but could have each sent
to any tool; reads need no approval. So the gateway's own settings say which tool is told which
secret. What is bound to nothing is told to no tool.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from smartops.contracts.wire import ToolName
from smartops.redact.references import NAME

__all__ = ["Binding", "Bindings", "NotBound", "UnknownTools", "check_bindings"]

SETTING = "SMARTOPS_SECRET_BINDINGS"

TenantName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class Binding(BaseModel):
    """Who is told one secret: these tools, called for these tenants. There is no word for all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenants: tuple[TenantName, ...] = Field(min_length=1)
    tools: tuple[ToolName, ...] = Field(min_length=1)


def _named_well(told: Mapping[str, Binding]) -> Mapping[str, Binding]:
    for name in told:
        if not NAME.fullmatch(name) or any(part in {"", ".", ".."} for part in name.split("/")):
            shape = "[a-z][a-z0-9._/-]*, at most 128 characters"
            raise ValueError(f"{name!r} names no secret: {shape}")
    return told


Bindings = Annotated[Mapping[str, Binding], AfterValidator(_named_well)]
"""By the name of the secret, exactly as references spell it."""


class UnknownTools(ValueError):
    """A secret is bound to a tool that is not registered: nobody would be told it."""

    code = "unknown_tool"
    retryable = False


class NotBound(Exception):
    """A reference names a secret that the called tool is not told. Bind it, or name another.

    It is no `LookupError`: whether there is such a secret stays untold.
    """

    code = "secret_not_bound"
    retryable = False

    def __init__(self, name: str, tool: str, tenant: str) -> None:
        super().__init__(
            f"secret {name!r} is not bound to {tool} for {tenant};"
            f" bind it in {SETTING} of the gateway"
        )
        self.name = name


def check_bindings(bindings: Mapping[str, Binding], tools: Collection[str]) -> None:
    """Refuse bindings that name tools which are not registered.

    Raises:
        UnknownTools: with all of them.
    """
    found = [
        f"{SETTING}.{name}.tools: {tool} is not registered"
        for name, binding in bindings.items()
        for tool in binding.tools
        if tool not in tools
    ]
    if found:
        raise UnknownTools("; ".join(found))
