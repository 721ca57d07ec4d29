"""Negations that engines read differently, found in a module's syntax.

Measured on OPA 1.20 and regorus 0.13, with no `x` in the input: `not input.x in [1, 2]` is true for
regorus, and for OPA it is undefined, as is `not is_number(input.x)`, `not f(input.x)` and
`not input.x <= 3`. OPA takes the arguments of a call out of the negation and evaluates them first;
where one is undefined, so is the whole body, and a denial that was meant for what is missing stays
silent. So what is negated has to be a rule, a reference, an equality of references, or a call whose
arguments are there for certain: then both engines, and readers, agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from smartops.policy_engine.syntax import Module, Path, static_path

__all__ = ["doubtful"]

Certain: TypeAlias = Callable[[Path], bool]
"""Whether what a path names, as written in the module, is defined whatever the input is."""

_CONSTANTS = frozenset({"String", "RawString", "Number", "Bool", "True", "False", "Null"})
_TOTAL = frozenset({("object", "get"), ("count",), ("type_name",)})
"""Functions that have a value for every value of their arguments, as these are used."""


def doubtful(module: Module, certain: Certain) -> Iterator[str]:
    """The reference in each negation that is read differently where it is undefined."""
    for rule in module.rules:
        for expression in rule.negated:
            found = next(_in_negation(expression, certain), None)
            if found is not None:
                yield found


def _in_negation(expression: Any, certain: Certain) -> Iterator[str]:
    if _is_reference(expression):
        yield from _in_keys(expression, certain)
        return
    comparison = expression.get("BoolExpr") if isinstance(expression, dict) else None
    if comparison is not None and comparison["op"] == "Eq":
        for side in (comparison["lhs"], comparison["rhs"]):
            if _is_reference(side):
                yield from _in_keys(side, certain)
            else:
                yield from _in_argument(side, certain)
        return
    if comparison is not None:
        yield from _in_argument(comparison["lhs"], certain)
        yield from _in_argument(comparison["rhs"], certain)
    elif "Membership" in expression:
        membership = expression["Membership"]
        for part in ("key", "value", "collection"):
            if membership[part] is not None:
                yield from _in_argument(membership[part], certain)
    elif "Call" in expression:
        for argument in expression["Call"]["params"]:
            yield from _in_argument(argument, certain)
    else:
        yield f"a {next(iter(expression))}"


def _in_argument(term: Any, certain: Certain) -> Iterator[str]:
    """What may be undefined in something that is evaluated before the negation is."""
    ((kind, body),) = term.items()
    if kind in _CONSTANTS:
        return
    if kind in ("Var", "RefDot", "RefBrack"):
        path, whole = static_path(term)
        if not whole or not certain(path):
            yield ".".join(path) + ("" if whole else "[...]")
    elif kind in ("Array", "Set"):
        for item in body["items"]:
            yield from _in_argument(item, certain)
    elif kind == "Object":
        for _, key, value in body["fields"]:
            yield from _in_argument(key, certain)
            yield from _in_argument(value, certain)
    elif kind == "Call" and static_path(body["fcn"])[0] in _TOTAL:
        for argument in body["params"]:
            yield from _in_argument(argument, certain)
    else:
        yield f"a {kind}"


def _in_keys(reference: Any, certain: Certain) -> Iterator[str]:
    """What may be undefined in the computed keys of a reference."""
    while "Var" not in reference:
        kind = "RefDot" if "RefDot" in reference else "RefBrack"
        if kind not in reference:
            yield from _in_argument(reference, certain)
            return
        if kind == "RefBrack":
            yield from _in_argument(reference[kind]["index"], certain)
        reference = reference[kind]["refr"]


def _is_reference(expression: Any) -> bool:
    return isinstance(expression, dict) and bool({"Var", "RefDot", "RefBrack"} & expression.keys())
