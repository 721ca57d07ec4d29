"""What people write into commands about their reasons: it ends in events, as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from smartops.contracts.wire import LONGEST_TEXT, CommandData

__all__ = ["FREE_TEXTS", "with_clean_texts"]

C = TypeVar("C", bound=CommandData)

FREE_TEXTS = ("reason", "note", "justification")
"""Fields of commands."""


def with_clean_texts(command: C, clean: Callable[[str], str]) -> C:
    """The command with its reason and note cleaned; itself, if there is nothing to clean."""
    changed = {
        name: cleaned[:LONGEST_TEXT]
        for name in FREE_TEXTS
        if isinstance(text := getattr(command, name, None), str)
        and (cleaned := clean(text)) != text
    }
    return command.model_copy(update=changed) if changed else command
