"""Global options anywhere on the line: `smartops approve 3f2a --as approver` as well."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

__all__ = ["hoist"]

_FLAGS = frozenset({"--json"})
_VALUED = frozenset({"--home", "--as", "--prefix"})


def hoist(arguments: Sequence[str]) -> list[str]:
    """Move global options to the front, where the parser looks for them.

    What stands behind a bare `--` is left alone.
    """
    front: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        name, equals, _ = argument.partition("=")
        if argument == "--":
            rest += [argument, *remaining]
        elif argument in _FLAGS or (name in _VALUED and equals):
            front.append(argument)
        elif argument in _VALUED:
            front += [argument, *islice(remaining, 1)]
        else:
            rest.append(argument)
    return front + rest
