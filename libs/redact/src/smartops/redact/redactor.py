"""Finds secrets in JSON values before they are stored, logged or shown."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

from smartops.redact.errors import SecretInArgument, Unscannable
from smartops.redact.findings import Finding, SecretRef
from smartops.redact.plain import NotPlain, plain_copy
from smartops.redact.references import Filling, Lookup, PersonalLookup, references
from smartops.redact.text import placeholder
from smartops.redact.walk import Budget, Walk

__all__ = ["MAX_CHARS", "MAX_DEPTH", "MAX_NODES", "Redactor"]

MAX_DEPTH = 32
"""Levels of nesting; messages that nest deeper are refused at the door anyway."""

MAX_NODES = 100_000
"""Values and keys in one document."""

MAX_CHARS = 1024 * 1024
"""Characters of text in one document, keys included."""


def _nobody(_token: str) -> None:
    """Nothing stands behind any token."""


class Redactor:
    """Pure and thread-safe: no state between calls, no I/O.

    It fails closed. What it cannot search (too deep, too large, no JSON, or an error of its own) it
    treats as one secret: `find` reports it, `redact` replaces it as a whole, the others refuse it.
    """

    def __init__(
        self,
        *,
        max_depth: int = MAX_DEPTH,
        max_nodes: int = MAX_NODES,
        max_chars: int = MAX_CHARS,
    ) -> None:
        self._max_depth = max_depth
        self._max_nodes = max_nodes
        self._max_chars = max_chars

    def find(self, value: object) -> tuple[Finding, ...]:
        """Every secret in a JSON value, in document order. Never raises."""
        return self._walked(value)[1]

    def redact(self, value: object, *, keep_references: bool = True) -> Any:
        """A JSON copy in which each secret is a typed placeholder: `[secret:github_token]`.

        Idempotent, and nothing is found in what it returns. Never raises. For what goes to logs,
        outputs and people; the original stays as it is.

        Args:
            value: anything.
            keep_references: false for what came from outside, such as a tool's output: a reference
                in there was written by somebody else, and were it ever put into arguments (an undo
                restores a before-state), `resolve` would hand them a secret of their choice.
        """
        return self._walked(value, keep_references=keep_references)[0]

    def refuse_secrets(self, value: object, *, markers: Collection[str] = ()) -> None:
        """Pass only a value that can be stored for ever.

        Args:
            value: what would be stored.
            markers: other `$` keys that mean something here, e.g. `$before` in an undo template.

        Raises:
            SecretInArgument: the first secret, by its field.
            ReservedKey: a `$` key that is no legal reference.
            Unscannable: nobody can say what is in it.
        """
        findings = self._searched(value)
        for _ in references(value, markers=markers):
            pass
        if findings:
            raise SecretInArgument(findings[0].path, findings[0].kind)

    def secret_refs(self, value: object, *, markers: Collection[str] = ()) -> tuple[SecretRef, ...]:
        """Every reference `{"$secret": name}`, in document order.

        Raises:
            ReservedKey: a `$` key that is no legal reference.
            Unscannable: nobody can say what is in it.
        """
        self._searched(value)
        return tuple(references(value, markers=markers))

    def resolve(
        self,
        value: object,
        lookup: Lookup,
        *,
        personal: PersonalLookup = _nobody,
        markers: Collection[str] = (),
    ) -> Any:
        """A copy with what references stand for: for the tool gateway, last of all.

        Only references that stood in the value are filled: a secret that reads like one stays text.
        Resolve before anything from outside is put into the value, or that could name a secret.

        Args:
            value: what holds references.
            lookup: finds secrets.
            personal: finds personal data, for references and for placeholders within texts.
            markers: other `$` keys that mean something here.

        Raises:
            UnknownSecret: the lookup does not have it.
            MissingPersonal: nothing stands behind a token.
            ReservedKey: a `$` key that is no legal reference.
            Unscannable: nobody can say what is in it.
        """
        with contextlib.suppress(NotPlain):
            return plain_copy(value)  # Most arguments hold no reference.
        self.secret_refs(value, markers=markers)
        return Filling(lookup, personal).fill(value)

    def _searched(self, value: object) -> tuple[Finding, ...]:
        _, findings, reason = self._walked(value)
        if reason is not None:
            raise Unscannable(reason)
        for finding in findings:
            if finding.kind == "not_json":
                raise Unscannable("this is no JSON", path=finding.path)
        return findings

    def _walked(
        self, value: object, *, keep_references: bool = True
    ) -> tuple[Any, tuple[Finding, ...], str | None]:
        """Copy without secrets, findings, and why the value could not be searched, if so."""
        budget = Budget(
            max_depth=self._max_depth, max_nodes=self._max_nodes, max_chars=self._max_chars
        )
        walk = Walk(budget, keep_references=keep_references)
        try:
            cleaned = walk.clean(value)
        except Unscannable as error:
            return placeholder(error.code), (Finding("", error.code),), error.reason
        except Exception as error:  # noqa: BLE001 - a defect here must not let a secret through.
            reason = f"an internal {type(error).__name__}"
            return placeholder(Unscannable.code), (Finding("", Unscannable.code),), reason
        return cleaned, tuple(walk.findings), None
