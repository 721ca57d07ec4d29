"""A bundle's modules as syntax: who defines which rule, and what each rule refers to.

The parser is the engine's own, so what is checked here is what will run. It has two weaknesses
that a bundle must not reach: it takes time exponential in the nesting of brackets (measured:
95 ms at 12 levels, 30 s at 20), and a function that calls itself overflows the stack of the
process. The first is refused here, before parsing; the second by `lint`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

import regorus  # type: ignore[import-untyped]
from smartops.policy_engine.errors import BundleRefused

__all__ = ["MAX_NESTING", "Module", "Path", "Rule", "builtins", "parse", "rerooted", "static_path"]

MAX_NESTING = 10
"""Deepest nesting of brackets in a module; our own modules need five."""

Path: TypeAlias = tuple[str, ...]
"""A reference's leading static parts: `data.smartops.plan.decision` -> ("data", "smartops", …)."""


_REFERENCES = frozenset({"Var", "RefDot", "RefBrack"})


@dataclass(frozen=True)
class Rule:
    """One rule or function: its full path and everything its head and bodies refer to."""

    path: Path
    refers: frozenset[Path]
    calls: tuple[tuple[Path, tuple[Any, ...]], ...]
    """Called function as written, and its arguments as syntax."""
    negated: tuple[Any, ...] = ()
    """What is negated in its bodies, as syntax."""
    certain: bool = False
    """It has a value whatever the input: it contributes to a set, or is a constant or default."""


@dataclass(frozen=True)
class Module:
    """One parsed file."""

    file: str
    v0: bool
    package: Path
    """With `data` in front."""
    imports: dict[str, Path] = field(default_factory=dict)
    """Imports of `data…`, by the name they go by in this file."""
    rules: tuple[Rule, ...] = ()


def parse(file: str, text: str, *, v0: bool) -> Module:
    """Parse one module.

    Raises:
        BundleRefused: no Rego of the version it is marked with, or nested too deep.
    """
    tree = _tree(file, text, v0=v0)
    package = ("data", *_static(tree["package"]["refr"]))
    source = text.encode()
    imports = {}
    for entry in tree["imports"]:
        path = _static(entry["refr"])
        if path[0] == "data":
            alias = entry.get("as")
            name = source[alias["start"] : alias["end"]].decode() if alias else path[-1]
            imports[name] = path
    rules = tuple(_rule(package, entry) for entry in tree["rules"])
    return Module(file, v0, package, imports, rules)


def _tree(file: str, text: str, *, v0: bool) -> dict[str, Any]:
    if _nesting(text) > MAX_NESTING:
        raise BundleRefused(f"brackets nested deeper than {MAX_NESTING}", file=file)
    engine = regorus.Engine()
    engine.set_rego_v0(v0)
    try:
        engine.add_policy(file, text)
        tree: dict[str, Any] = json.loads(engine.get_ast_as_json())[0]["ast"]
    except (RuntimeError, ValueError, RecursionError) as error:
        raise BundleRefused(_first_lines(error), file=file) from error
    return tree


def rerooted(file: str, text: str, root: str) -> str:
    """A Rego v1 module, moved with all that it refers to below `data.<root>`.

    Raises:
        BundleRefused: no Rego.
    """
    tree = _tree(file, text, v0=False)
    places: dict[int, str] = {}
    package = tree["package"]["refr"]
    while "Var" not in package:
        package = package["RefDot" if "RefDot" in package else "RefBrack"]["refr"]
    places[package["Var"]["span"]["start"]] = f"{root}."
    waiting: list[Any] = [tree["imports"], tree["rules"]]
    while waiting:  # Not by recursion: a tree can be deep.
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            if "Var" in node and node["Var"]["value"] == "data":
                places[node["Var"]["span"]["end"]] = f".{root}"
            waiting.extend(node.values())
    source = text.encode()
    for place in sorted(places, reverse=True):
        source = source[:place] + places[place].encode() + source[place:]
    return source.decode()


@cache
def builtins() -> frozenset[str]:
    """Names of the functions that the engine has."""
    engine = regorus.Engine()
    engine.add_policy("builtins.rego", "package builtins\n\nnames := opa.runtime().builtins\n")
    engine.set_input_json("{}")
    return frozenset(engine.eval_rule("data.builtins.names")) | {"print"}


def _rule(package: Path, entry: dict[str, Any]) -> Rule:
    ((_, body),) = entry.items()
    head = body.get("head", {"Default": body})
    ((_, kind),) = head.items()
    refr = kind["refr"]
    rest = {k: v for k, v in kind.items() if k != "refr"}
    refers: set[Path] = set()
    calls: list[tuple[Path, tuple[Any, ...]]] = []
    negated: list[Any] = []
    waiting: list[Any] = [rest, body.get("bodies", [])]
    while waiting:  # Not by recursion: a tree can be deep.
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            if _REFERENCES & node.keys():
                refers.add(_static(node))
                waiting.extend(_inside(node))
                continue
            if "Call" in node:
                calls.append((_static(node["Call"]["fcn"]), tuple(node["Call"]["params"])))
            if "NotExpr" in node:
                negated.append(node["NotExpr"]["expr"])
            waiting.extend(node.values())
    return Rule(
        (*package, *_static(refr)),
        frozenset(refers - {()}),
        tuple(calls),
        tuple(negated),
        certain="Set" in head or "Default" in head or not (body.get("bodies") or refers or calls),
    )


def _inside(reference: dict[str, Any]) -> list[Any]:
    """What stands within a reference: its computed keys, and what it starts from if not a name."""
    found: list[Any] = []
    while "Var" not in reference:
        kind = "RefDot" if "RefDot" in reference else "RefBrack"
        if kind not in reference:
            return [*found, reference]
        if kind == "RefBrack":
            found.append(reference[kind]["index"])
        reference = reference[kind]["refr"]
    return found


def _static(expression: Any) -> Path:
    """The leading parts of a reference that do not depend on any value."""
    return static_path(expression)[0]


def static_path(expression: Any) -> tuple[Path, bool]:
    """Static parts, and whether they are the whole reference."""
    if not isinstance(expression, dict):
        return (), False
    if "Var" in expression:
        return (str(expression["Var"]["value"]),), True
    if "RefDot" in expression:
        dot = expression["RefDot"]
        front, whole = static_path(dot["refr"])
        return ((*front, str(dot["field"][1])), True) if whole and dot["field"] else (front, False)
    if "RefBrack" in expression:
        bracket = expression["RefBrack"]
        front, whole = static_path(bracket["refr"])
        key = bracket["index"].get("String")
        return ((*front, str(key["value"])), True) if whole and key else (front, False)
    return (), False


def _nesting(text: str) -> int:
    """Deepest nesting of brackets outside of strings and comments."""
    deepest = depth = 0
    quote = ""
    escaped = comment = False
    for char in text:
        if comment:
            comment = char != "\n"
        elif quote:
            if escaped:
                escaped = False
            elif char == "\\" and quote == '"':
                escaped = True
            elif char == quote:
                quote = ""
        elif char in '"`':
            quote = char
        elif char == "#":
            comment = True
        elif char in "[{(":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]})":
            depth -= 1
    return deepest


def _first_lines(error: BaseException) -> str:
    """An engine's message without the stack trace that it carries along."""
    return str(error).split("Stack backtrace", 1)[0].strip()[:400] or type(error).__name__
