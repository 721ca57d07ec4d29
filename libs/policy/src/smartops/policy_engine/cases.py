"""Questions whose answers are known, as a bundle brings them along in its `*.cases.json` files.

    {"bases": {"a plan": {...}},
     "cases": [{"name": "...", "entrypoint": "plan", "input": {...},
                "expect": {"allow": false, "requires_approval": true, "rules": ["..."]}},
               {"name": "...", "entrypoint": "plan", "base": "a plan",
                "set": {"/phases/0/name": "Wave 0"}, "expect": {...}}]}

An input is written out, or is a base with values set at RFC 6901 pointers, in the order given; a
pointer whose last part is `-` appends to an array. A base may stand in any file. `rules` must be
among those that the verdict names: a bundle that adds a rule to ours may deny for one more reason,
not for another one. `requires_approval` may be left out of a denial; `paths` of denials, `quorum`
and `roles` where they do not matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator
from smartops.contracts.canonical import canonical
from smartops.contracts.errors import Malformed
from smartops.contracts.wire import Wire
from smartops.policy_engine.bundle import Bundle
from smartops.policy_engine.errors import BundleRefused
from smartops.policy_engine.verdict import Entrypoint, Verdict

__all__ = ["Case", "Expected", "Question", "difference", "questions"]


class Expected(Wire):
    """The decision that a case must get."""

    allow: bool
    requires_approval: bool = True
    rules: Annotated[tuple[str, ...], Field(min_length=1)]
    paths: tuple[str, ...] = ()
    quorum: int | None = None
    roles: tuple[str, ...] | None = None


class Case(Wire):
    """One question with its answer."""

    name: str
    entrypoint: Entrypoint
    input: Any = None
    base: str | None = None
    set: dict[str, Any] = Field(default_factory=dict)
    expect: Expected

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        if (self.base is None) == ("input" not in self.model_fields_set):
            raise ValueError("give either an input or a base")
        if self.set and self.base is None:
            raise ValueError("only a base can be changed")
        return self


class Cases(Wire):
    """A file of cases."""

    bases: dict[str, Any] = Field(default_factory=dict)
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A case, ready to be asked."""

    file: str
    name: str
    entrypoint: Entrypoint
    document: bytes
    """Canonical bytes of the input."""
    expect: Expected


def questions(bundle: Bundle) -> Iterator[Question]:
    """Every case of a bundle.

    Raises:
        BundleRefused: a file of cases is none; it is named.
    """
    files = [(file, _read(file, content)) for file, content in bundle.cases()]
    bases: dict[str, Any] = {}
    for file, found in files:
        for name, base in found.bases.items():
            if name in bases:
                raise BundleRefused(f"the base {name!r} stands in another file too", file=file)
            bases[name] = base
    for file, found in files:
        for case in found.cases:
            try:
                document = canonical(_input(case, bases))
            except (Malformed, LookupError, TypeError, ValueError) as error:
                raise BundleRefused(f"{case.name}: {error}", file=file) from error
            yield Question(file, case.name, case.entrypoint, document, case.expect)


def _read(file: str, content: Mapping[str, Any]) -> Cases:
    try:
        return Cases.model_validate(content, strict=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/".join(map(str, first["loc"]))
        raise BundleRefused(f"not a file of cases: {where}: {first['msg']}", file=file) from error


def difference(expected: Expected, verdict: Verdict) -> str | None:
    """How a verdict differs from what a case expects, in words; None if it does not."""
    if (
        (verdict.allow, verdict.requires_approval) == (expected.allow, expected.requires_approval)
        and set(expected.rules) <= set(verdict.rules)
        and set(expected.paths) <= {denial.path for denial in verdict.denials}
        and expected.quorum in (None, verdict.quorum)
        and (expected.roles is None or set(expected.roles) == set(verdict.roles))
    ):
        return None
    said = f"expected {_words(expected)}, decided {_words(verdict)}"
    if expected.paths:
        found = sorted({denial.path for denial in verdict.denials})
        said += f"; expected at {', '.join(expected.paths)}, found at {', '.join(found)}"
    return said


def _words(decision: Expected | Verdict) -> str:
    outcome = "wait" if decision.requires_approval else "allow"
    words = f"{outcome if decision.allow else 'deny'} by {', '.join(decision.rules)}"
    if decision.allow and decision.requires_approval and decision.roles:
        words += f" (of {decision.quorum or 'any'}: {', '.join(decision.roles)})"
    return words


def _input(case: Case, bases: Mapping[str, Any]) -> Any:
    if case.base is None:
        return case.input
    if case.base not in bases:
        raise LookupError(f"no base {case.base!r}")
    document = json.loads(json.dumps(bases[case.base]))
    for pointer, value in case.set.items():
        _put(document, pointer, value)
    return document


def _put(document: Any, pointer: str, value: Any) -> None:
    first, *parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")]
    if first or not parts:
        raise ValueError(f"{pointer!r} is no pointer into an input")
    place = document
    for part in parts[:-1]:
        place = place[int(part)] if isinstance(place, list) else place[part]
    last = parts[-1]
    if not isinstance(place, list):
        place[last] = value
    elif last == "-":
        place.append(value)
    else:
        place[int(last)] = value
