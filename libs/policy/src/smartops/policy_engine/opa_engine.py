"""An OPA server as the engine: the same bundle, the same cases, the same strict answers.

The server is a pure evaluator. A bundle is pushed to it below a root named by its digest, so that
bundles of several processes and releases lie beside each other and never mix; the last thing
pushed is the mark without which nothing is decided. Every answer brings the mark along. See ADR 31.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Self

from smartops.contracts.canonical import digest
from smartops.contracts.errors import Malformed
from smartops.contracts.parsing import strict_json
from smartops.policy_engine import conformance, lint
from smartops.policy_engine.answer import Undecidable, read_answer
from smartops.policy_engine.bundle import Bundle
from smartops.policy_engine.document import MAX_INPUT_BYTES, unambiguous
from smartops.policy_engine.errors import BundleRefused, EngineDown
from smartops.policy_engine.loading import Loading, at_once
from smartops.policy_engine.opa_server import OpaServer, Reply
from smartops.policy_engine.syntax import rerooted
from smartops.policy_engine.verdict import ENTRYPOINTS, Entrypoint, Verdict, refusal

__all__ = ["OpaEngine", "modules_below"]

_MARK = "smartops_bundle"
"""Key of the data that says which bundle lies below a root; pushed last."""

_OK = 200
_BAD_INPUT = 400
_FAILED = 500
_HOW: Final = "?strict-builtin-errors=true&provenance=true"
"""Otherwise a function that fails is undefined, and a denial that needs it stays silent; and every
answer names the server's version."""


class OpaEngine:
    """A `PolicyEngine` over one bundle, evaluated by an OPA server.

    `decide` waits for the server's answer; an answer takes as long as the embedded engine computes,
    plus a round trip. Not safe for threads.
    """

    name = "opa"

    def __init__(
        self, bundle: Bundle, server: OpaServer, *, max_input_bytes: int = MAX_INPUT_BYTES
    ) -> None:
        """Push a bundle, and hold the server to its cases.

        Raises:
            BundleRefused: it must not decide about anything, or not by OPA: its API reads the one
                version of Rego that it is set to.
            EngineDown: the server does not answer as it must.
        """
        at_once(self._loaded(bundle, server, max_input_bytes))

    @classmethod
    def loading(
        cls, bundle: Bundle, server: OpaServer, *, max_input_bytes: int = MAX_INPUT_BYTES
    ) -> Loading[Self]:
        """The same in pieces, for whoever has other work; nothing has the engine before the end.

        Raises:
            BundleRefused: as above.
            EngineDown: likewise.
        """
        engine = cls.__new__(cls)
        yield from engine._loaded(bundle, server, max_input_bytes)  # noqa: SLF001 - its own.
        return engine

    def _loaded(self, bundle: Bundle, server: OpaServer, max_input_bytes: int) -> Loading[None]:
        yield from lint.checking(bundle)
        self.bundle_digest = bundle.digest
        self._server = server
        self._max_input_bytes = max_input_bytes
        self._root = f"b{bundle.digest.removeprefix('sha256:')}"
        self._modules = modules_below(bundle, self._root)
        self._data = lint.merged(bundle)
        self.version = "unknown"
        self._push()
        yield
        yield from conformance.checking(self.decide, bundle)

    def decide(self, entrypoint: Entrypoint, input_json: bytes) -> Verdict:
        """See `PolicyEngine.decide`.

        Raises:
            EngineDown: the server is away, is not ours to ask, or does not hold the bundle.
        """
        try:
            if entrypoint not in ENTRYPOINTS:
                return self._refusal(input_json, f"no entrypoint {entrypoint!r}")
            text = unambiguous(input_json, self._max_input_bytes)
            answer = read_answer(entrypoint, self._decision(entrypoint, text))
        except Undecidable as error:
            return self._refusal(input_json, str(error))
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            return self._refusal(input_json, str(error) or type(error).__name__)
        return Verdict(
            allow=answer.allow,
            requires_approval=answer.requires_approval,
            denials=answer.denials,
            rules=answer.rules,
            engine=self.name,
            engine_version=self.version,
            bundle_digest=self.bundle_digest,
            input_digest=digest(input_json),
            reasons=answer.reasons,
            quorum=answer.quorum,
            roles=answer.roles,
        )

    def _decision(self, entrypoint: Entrypoint, text: str) -> Any:
        """What the policy said; None if nothing.

        Raises:
            Undecidable: it did not come to a decision on this input.
            EngineDown: the bundle is not there and could not be brought there.
        """
        body = f'{{"input":{text}}}'.encode()
        for last in (False, True):
            result = self._result(self._ask(entrypoint, body))
            if result is not None:
                return result[0] if result else None
            if not last:
                self._push()  # The server was started anew, or somebody took the bundle away.
        raise EngineDown("opa", f"it does not keep {self.bundle_digest}")

    def _ask(self, entrypoint: Entrypoint, body: bytes) -> Any:
        reply = self._server.call("POST", f"/v1/data/{self._root}/asked/{entrypoint}{_HOW}", body)
        if reply is None:
            # Too slow for this input, but there: the next input is not to blame. The same one
            # would be for ever, were this taken for an outage.
            raise Undecidable("the engine came to no end in time")
        if reply.status == _OK:
            return reply.document()
        said = _words(reply)
        if reply.status == _BAD_INPUT or (reply.status == _FAILED and _evaluating(reply)):
            raise Undecidable(f"the engine could not evaluate it: {said}")
        raise EngineDown("opa", f"it answers {reply.status}: {said}")

    def _result(self, document: Any) -> list[Any] | None:
        """The decisions, none or one; None: the bundle is not there."""
        if type(document) is not dict:
            raise Undecidable("the answer is no object")
        if "result" not in document:
            return None
        self.version = _version(document)
        result = document["result"]
        if type(result) is not dict or set(result) != {"bundle", "decisions"}:
            raise Undecidable("the answer is not {bundle, decisions}")
        if result["bundle"] != self.bundle_digest:
            raise EngineDown("opa", f"it holds {result['bundle']!r} as {self.bundle_digest}")
        decisions = result["decisions"]
        if type(decisions) is not list or len(decisions) > 1:
            raise Undecidable("the answer holds more than one decision")
        return decisions

    def _push(self) -> None:
        """Modules first, data with the mark last: what lies there in part decides nothing."""
        for path, text in self._modules.items():
            reply = self._server.must("PUT", f"/v1/policies/{self._root}/{path}", text.encode())
            if reply.status == _BAD_INPUT:
                raise BundleRefused(f"OPA does not take it: {_words(reply)}", file=path)
            _expect(reply)
        marked = {**self._data, _MARK: {"digest": self.bundle_digest}}
        _expect(self._server.must("PUT", f"/v1/data/{self._root}", json.dumps(marked).encode()))

    def _refusal(self, input_json: Any, message: str) -> Verdict:
        return refusal(self, input_json, message)


def modules_below(bundle: Bundle, root: str) -> dict[str, str]:
    """A bundle's modules as they are pushed: below a root, and one that asks them all.

    Raises:
        BundleRefused: one of them cannot be.
    """
    if _MARK in lint.merged(bundle):
        raise BundleRefused(f"the data key {_MARK!r} is ours")
    modules: dict[str, str] = {}
    for path, text, v0 in bundle.modules():
        if v0:
            raise BundleRefused("marked as Rego v0, which OPA's API does not read", file=path)
        modules[path] = rerooted(path, text, root)
    asked = [
        f"{entrypoint} := {{\n"
        f'\t"bundle": data.{root}.{_MARK}.digest,\n'
        f'\t"decisions": [found | found := data.{root}.smartops.{entrypoint}.decision],\n'
        "}\n"
        for entrypoint in ENTRYPOINTS
    ]
    return {**modules, "asked.rego": "\n".join([f"package {root}.asked\n", *asked])}


def _version(document: Mapping[str, Any]) -> str:
    provenance = document.get("provenance")
    version = provenance.get("version") if isinstance(provenance, Mapping) else None
    return version[:40] if isinstance(version, str) and version else "unknown"


def _expect(reply: Reply) -> None:
    if reply.status not in (200, 204, 304):
        raise EngineDown("opa", f"it answers {reply.status}: {_words(reply)}")


def _evaluating(reply: Reply) -> bool:
    """Whether a server's error is one of evaluating the policy."""
    try:
        document = strict_json(reply.body)
    except Malformed:
        return False
    errors = document.get("errors") if isinstance(document, Mapping) else None
    codes = [each.get("code") for each in errors or () if isinstance(each, Mapping)]
    return bool(codes) and all(isinstance(code, str) and code.startswith("eval_") for code in codes)


def _words(reply: Reply) -> str:
    try:
        document = strict_json(reply.body)
    except Malformed:
        return "no words"
    if not isinstance(document, Mapping):
        return "no words"
    errors = document.get("errors") or ()
    said = [each.get("message") for each in errors if isinstance(each, Mapping)]
    return "; ".join(str(each) for each in (document.get("message"), *said) if each)[:400]
