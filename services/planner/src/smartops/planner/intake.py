"""What an intent brings along that must not be stored: refused if secret, replaced if personal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from smartops.contracts.commands import IntentSubmit
from smartops.contracts.computing import OUTPUT_KEY
from smartops.contracts.wire import LONGEST_TEXT
from smartops.redact import Personal, RedactError, refuse_secrets
from smartops.runtime.decision import Refusal
from smartops.vault import Keeper

__all__ = ["Intake", "Taken"]


@dataclass(frozen=True, slots=True)
class Taken:
    """An intent that may be stored, once what was taken out of it is kept."""

    command: IntentSubmit
    found: tuple[Personal, ...]


class Intake:
    """Reads intents before anybody else does.

    Args:
        keeper: takes personal data out, and keeps it.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def take(self, tenant: str, command: IntentSubmit) -> Taken | Refusal:
        """The intent without personal data, or why it cannot be stored.

        The sentence and the steps' arguments may hold some; whatever names something may not, as
        nothing can stand in its place.
        """
        told: dict[str, Any] = command.model_dump(mode="json")
        try:
            # What an output is referred to by; where it may stand, the agent says.
            refuse_secrets(told, markers=(OUTPUT_KEY,))
            return self._take(tenant, command, told)
        except RedactError as error:
            # A JSON pointer; refusals name fields as dotted paths.
            where = error.path.strip("/").replace("/", ".")
            return Refusal("secret", str(error), where or None)

    async def keep(self, tenant: str, task: UUID, taken: Taken) -> None:
        """Put what was taken out into the vault; before the first event that refers to it."""
        await self._keeper.keep(tenant, task, taken.found)

    def _take(self, tenant: str, command: IntentSubmit, told: dict[str, Any]) -> Taken | Refusal:
        intent = self._keeper.take_out_of_text(tenant, told.pop("intent"))
        found, steps = list(intent.found), []
        for step in command.context.steps:
            arguments = self._keeper.take_out(tenant, step.arguments)
            found += arguments.found
            steps.append(step.model_copy(update={"arguments": arguments.value}))
        for step in told["context"]["steps"]:
            del step["arguments"]
        for path, text in _texts(told, ""):
            if others := self._keeper.take_out_of_text(tenant, text).found:
                return _misplaced(others[0].kind, path)
        if found and not self._keeper.keeps:
            return _no_vault(found[0].kind)
        if len(intent.value) > LONGEST_TEXT:
            return Refusal("too_long", "too much personal data for one sentence", "intent")
        if not found:
            return Taken(command, ())
        context = command.context.model_copy(update={"steps": tuple(steps)})
        cleaned = command.model_copy(update={"intent": intent.value, "context": context})
        return Taken(cleaned, tuple(found))


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}.{index}")


def _misplaced(kind: str, path: str) -> Refusal:
    return Refusal(
        "personal_data",
        f"{path} looks like personal data ({kind}), and is stored as it is; write it into the "
        "intent or into a step's arguments",
        path,
    )


def _no_vault(kind: str) -> Refusal:
    return Refusal(
        "no_vault",
        f"the intent holds personal data ({kind}), and this installation has no vault to keep it; "
        "set one up, or refer to the person by an id",
        "intent",
    )
