"""The code itself: run it, and put what came of it into one line."""

from __future__ import annotations

import builtins
import json
from types import TracebackType
from typing import Any

__all__ = ["compute"]

_FILE = "<step>"
_MAX_MESSAGE = 4000
"""Characters of an exception's text; whoever shows it has a limit of its own."""


def compute(source: str, inputs: Any, max_bytes: int) -> bytes:
    """Run code that sees `inputs` and must assign `result`; what came of it, as one line of JSON.

    Args:
        source: Python.
        inputs: what it works on.
        max_bytes: of its result.
    """
    names: dict[str, Any] = {"__name__": "step", "__builtins__": builtins, "inputs": inputs}
    try:
        # The future of this module is not that of the code.
        exec(compile(source, _FILE, "exec", dont_inherit=True), names)  # noqa: S102 - what all this is for
        if "result" not in names:
            return _failed("NoResult", "the code did not assign `result`", None)
        told = json.dumps(names["result"], allow_nan=False, ensure_ascii=False).encode()
    except BaseException as error:  # noqa: BLE001 - whatever it raises is its outcome
        names.clear()  # There may be no memory for anything else.
        return _failed(type(error).__name__, _text(error), _line(error))
    if len(told) > max_bytes:
        return json.dumps({"too_large": len(told)}).encode()
    return b'{"value": %s}' % told


def _failed(error: str, message: str, line: int | None) -> bytes:
    told = {"error": error[:200], "message": message[:_MAX_MESSAGE], "line": line}
    return json.dumps({"failed": told}).encode()


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - it is code of theirs, too
        return ""


def _line(error: BaseException) -> int | None:
    """The line of the code that was at work."""
    if isinstance(error, SyntaxError):
        return error.lineno
    found: int | None = None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE:
            found = trace.tb_lineno
        trace = trace.tb_next
    return found
