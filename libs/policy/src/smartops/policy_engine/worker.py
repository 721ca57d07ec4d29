"""An engine in a process of its own: `python -m smartops.policy_engine.worker`.

For bundles that are not trusted yet. An engine has no time limit, so whoever asks such a bundle
gives it a process that can be ended: the policy service to try what is proposed and to let a shadow
decide alongside, the command line to test and to replay.

One JSON object a line, an answer for each:

    {"op": "load", "directory": path}  or  {"op": "load", "document": text}
    or  {"op": "load", "shipped": true}
        {"digest", "document", "files", "cases", "failures": [{file, name, difference, ...}],
         "engine", "engine_version"}  or  {"refused": why}
    {"op": "decide", "entrypoint": ..., "input": text}
        {"allow", "requires_approval", "rules", "denials", "reasons", "quorum", "roles", ...}

A bundle whose cases fail is loaded all the same, and says which: nothing here has authority. The
end of the input is the end of the process, so it never outlives who asked.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from smartops.contracts.canonical import digest
from smartops.policy_engine.bundle import Bundle
from smartops.policy_engine.checking import check
from smartops.policy_engine.errors import PolicyEngineError
from smartops.policy_engine.locate import default_bundle_path
from smartops.policy_engine.regorus_engine import RegorusEngine

__all__ = ["Worker", "main"]

_POLITE = 10
"""Added to the niceness: who decides with authority goes first."""


class Worker:
    """Answers requests, one after the other."""

    def __init__(self) -> None:
        self._engine: RegorusEngine | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What one request gets.

        Raises:
            ValueError: it is none of ours.
        """
        match request.get("op"):
            case "load":
                return self._load(request)
            case "decide":
                return self._decide(request)
            case other:
                raise ValueError(f"{other!r} is no request")

    def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            if "directory" in request:
                bundle = Bundle.read(Path(request["directory"]))
            elif request.get("shipped"):
                bundle = Bundle.read(default_bundle_path())
            else:
                bundle = Bundle.from_document(request["document"].encode())
            report = check(bundle)
            document = bundle.document()
        except PolicyEngineError as error:
            return {"refused": str(error)}
        engine = self._engine = report.engine
        return {
            "digest": bundle.digest,
            "document": document.decode(),
            "document_digest": digest(document),
            "files": len(bundle.files),
            "cases": report.cases,
            "failures": [
                {
                    "file": one.question.file,
                    "name": one.question.name,
                    "entrypoint": one.question.entrypoint,
                    "difference": one.difference,
                }
                for one in report.failures
            ],
            "engine": engine.name,
            "engine_version": engine.version,
        }

    def _decide(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._engine is None:
            raise ValueError("no bundle is loaded")
        verdict = self._engine.decide(request["entrypoint"], request["input"].encode())
        return asdict(verdict)


def main() -> None:
    """Answer until the input ends."""
    os.nice(_POLITE)
    worker = Worker()
    for line in sys.stdin.buffer:
        answer = worker.answer(json.loads(line))
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
