"""Runs code at one level."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from smartops.sandbox.command import ENVIRONMENT, command
from smartops.sandbox.errors import NotStarted, Oversized
from smartops.sandbox.levels import Level
from smartops.sandbox.limits import Limits
from smartops.sandbox.outcomes import Ran
from smartops.sandbox.reading import FRAME_BYTES, read
from smartops.sandbox.talking import talk

__all__ = ["Sandbox"]


class Sandbox:
    """One child per run; nothing of it is left behind. Not bound to an event loop.

    Args:
        level: how the children are fenced in. Whether that holds on this machine, `proving` says.
        limits: what each may take.
    """

    def __init__(self, level: Level, limits: Limits | None = None) -> None:
        self.level = level
        self.limits = limits or Limits()

    async def run(self, source: str, inputs: Mapping[str, Any]) -> Ran:
        """Run Python that sees `inputs` and must assign `result`, a JSON value.

        The outcome tells how it ended, whatever the code did. It has no effects, so it may be
        run again. What it prints is lost.

        Raises:
            Oversized: the code or its inputs are too large.
            NotStarted: the child did not come up with all fences; nothing was run.
        """
        request = self._request(source, inputs)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(
            prefix="smartops-step-", ignore_cleanup_errors=True
        ) as folder:
            try:
                answer = await talk(
                    command(self.level),
                    ENVIRONMENT,
                    folder,
                    request,
                    limit=self.limits.wall,
                    max_bytes=self.limits.output_bytes + FRAME_BYTES,
                )
            except OSError as error:
                raise NotStarted(self.level, error.strerror or str(error)) from error
        fences, outcome = read(answer, self.level, self.limits)
        took = timedelta(seconds=time.monotonic() - began)
        return Ran(outcome, self.level, fences, took)

    def _request(self, source: str, inputs: Mapping[str, Any]) -> bytes:
        limits = self.limits
        size = len(source.encode(errors="surrogatepass"))
        if size > limits.source_bytes:
            raise Oversized("the code", size, limits.source_bytes)
        given = json.dumps(inputs, allow_nan=False).encode()
        if len(given) > limits.input_bytes:
            raise Oversized("the inputs", len(given), limits.input_bytes)
        about = {
            "level": self.level,
            "source": source,
            "cpu_s": max(1, round(limits.cpu.total_seconds())),
            "memory_bytes": limits.memory_bytes,
            "max_output_bytes": limits.output_bytes,
            # Inside, bubblewrap's process is the parent, under a number of its own.
            "parent": None if self.level is Level.BUBBLEWRAP else os.getpid(),
        }
        return b'%s, "inputs": %s}' % (json.dumps(about)[:-1].encode(), given)
