"""What a bundle may not contain, checked on its syntax before anything of it runs.

Each rule is here because the construct fails open, gives other answers elsewhere, or leaves the
pure function that a decision has to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from smartops.policy_engine.bundle import Bundle
from smartops.policy_engine.errors import BundleRefused
from smartops.policy_engine.inputs import INPUTS
from smartops.policy_engine.loading import Loading, at_once
from smartops.policy_engine.negation import doubtful
from smartops.policy_engine.syntax import Module, Path, builtins, parse
from smartops.policy_engine.verdict import ENTRYPOINTS

__all__ = ["check", "checking"]

_FORBIDDEN: Mapping[Path, str] = {
    ("http", "send"): "it leaves the process, and is undefined here",
    ("net", "lookup_ip_addr"): "it leaves the process",
    ("opa", "runtime"): "it shows the environment of the process",
    ("io", "jwt"): "this engine does not have it; verify tokens before policy",
    ("rego", "metadata"): "this engine does not have it",
    ("rego", "parse_module"): "this engine does not have it",
    ("time", "now_ns"): "a decision must not depend on when it is made; the input carries the time",
    ("print",): "it writes into the log of the process, as often as it is asked",
    ("rand", "intn"): "a decision must not depend on chance",
    ("uuid", "rfc4122"): "a decision must not depend on chance",
}


_ASKED = {("data", "smartops", entrypoint) for entrypoint in ENTRYPOINTS}


def check(bundle: Bundle) -> None:
    """Refuse what must not run.

    Raises:
        BundleRefused: naming the file and the construct.
    """
    at_once(checking(bundle))


def checking(bundle: Bundle) -> Loading[None]:
    """The same, module by module."""
    modules = []
    for path, text, v0 in bundle.modules():
        modules.append(parse(path, text, v0=v0))
        yield
    data = merged(bundle)
    for module in modules:
        _no_forbidden_call(module)
        _no_shadowing(module, data)
        _no_dangling_reference(module, modules, data)
        _no_unknown_input(module)
        _no_unknown_function(module, modules)
        _no_doubtful_negation(module, modules, data)
        yield
    _no_recursion(modules)


def merged(bundle: Bundle) -> dict[str, Any]:
    """All data files as one object.

    Raises:
        BundleRefused: two files give the same top-level key.
    """
    data: dict[str, Any] = {}
    for file, part in bundle.data():
        for key, value in part.items():
            if key in data:
                raise BundleRefused(f"the key {key!r} stands in another data file too", file=file)
            data[key] = value
    return data


def _no_forbidden_call(module: Module) -> None:
    for rule in module.rules:
        for called, arguments in rule.calls:
            for path, reason in _FORBIDDEN.items():
                if called[: len(path)] == path:
                    name = ".".join(path)
                    raise BundleRefused(f"{name} is not allowed: {reason}", file=module.file)
            if called == ("sprintf",) and not module.v0 and _has_percent_d(arguments):
                # On a fraction one engine raises and another prints nonsense. Files marked v0 are
                # other people's and run as they are: here it raises, and so denies.
                raise BundleRefused("sprintf with %d: use %v and round()", file=module.file)
            if called == ("walk",) and len(arguments) != 2:  # noqa: PLR2004
                # Measured: `[path, value] := walk(x)` yields nothing here, and all of it in OPA.
                raise BundleRefused(
                    "write walk(x, [path, value]): its other form finds nothing", file=module.file
                )


def _has_percent_d(arguments: tuple[Any, ...]) -> bool:
    if not arguments or not isinstance(arguments[0], dict):
        return False
    literal = arguments[0].get("String") or arguments[0].get("RawString") or {}
    return "%d" in str(literal.get("value", "")).replace("%%", "")


def _no_unknown_function(module: Module, modules: Iterable[Module]) -> None:
    """The engine notices only when the call is reached, which may be in production."""
    rules = {rule.path for each in modules for rule in each.rules}
    for rule in module.rules:
        for called, _ in rule.calls:
            if ".".join(called) not in builtins() and _absolute(module, called) not in rules:
                raise BundleRefused(f"no function {'.'.join(called)}", file=module.file)


def _no_shadowing(module: Module, data: Mapping[str, Any]) -> None:
    """Measured: data at a rule's path *replaces* the rule, so data could say `allow`."""
    root = module.package[1]
    if root in data:
        raise BundleRefused(
            f"its package lies below the data key {root!r}; rename the key", file=module.file
        )


def _no_dangling_reference(
    module: Module, modules: Iterable[Module], data: Mapping[str, Any]
) -> None:
    """A reference to nothing is undefined, and `not undefined` is true: a typo that allows."""
    rules = {rule.path for each in modules for rule in each.rules}
    named = [*module.imports.values()]
    for rule in module.rules:
        named += [_absolute(module, reference) for reference in rule.refers]
    for path in named:
        if path == ("data",):
            raise BundleRefused(
                "name the first key after data, do not compute it", file=module.file
            )
        if path[0] == "data" and not (_defined(path, rules) or _in_data(path[1:], data)):
            raise BundleRefused(f"{'.'.join(path)} does not exist", file=module.file)


def _no_unknown_input(module: Module) -> None:
    """A field that no input has is undefined: a denial that reads it never speaks.

    A module that is no entrypoint may decide about several, so any input's field will do.
    """
    known = [
        model
        for name, model in INPUTS.items()
        if module.package == ("data", "smartops", name) or module.package not in _ASKED
    ]
    for rule in module.rules:
        for reference in rule.refers:
            fields = reference[1:]
            if reference[0] == "input" and not any(_has(model, fields) for model in known):
                raise BundleRefused(f"no input has {'.'.join(reference)}", file=module.file)


def _no_doubtful_negation(
    module: Module, modules: Iterable[Module], data: Mapping[str, Any]
) -> None:
    """Engines must agree on what a rule says where something is missing; see `negation`."""
    rules = [rule for each in modules for rule in each.rules]
    named = {rule.path for rule in rules}
    always = {rule.path for rule in rules if rule.certain}

    def certain(reference: Path) -> bool:
        path = _absolute(module, reference)
        if path[0] == "data":
            return path in always or (not _defined(path, named) and _in_data(path[1:], data))
        return len(path) == 1  # A variable has a value where it is used; so has the input.

    for reference in doubtful(module, certain):
        raise BundleRefused(
            f"{reference} may be undefined within `not`, which OPA and regorus read differently:"
            " negate a rule of its own instead",
            file=module.file,
        )


def _has(annotation: Any, fields: Path) -> bool:
    """Whether a value of this type can have these nested fields."""
    if not fields:
        return True
    choices = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else [annotation]
    models = [each for each in choices if isinstance(each, type) and issubclass(each, BaseModel)]
    if not models:
        return get_origin(annotation) is dict
    return any(
        fields[0] in model.model_fields
        and _has(model.model_fields[fields[0]].annotation, fields[1:])
        for model in models
    )


def _defined(path: Path, rules: Iterable[Path]) -> bool:
    return any(path[: len(rule)] == rule or rule[: len(path)] == path for rule in rules)


def _in_data(path: Path, data: Any) -> bool:
    for part in path:
        if not isinstance(data, dict):
            return True
        if part not in data:
            return False
        data = data[part]
    return True


def _absolute(module: Module, reference: Path) -> Path:
    """A reference as written in `module`, as a path from the root."""
    first, *rest = reference
    if first in module.imports:
        return (*module.imports[first], *rest)
    if any(rule.path[len(module.package)] == first for rule in module.rules):
        return (*module.package, *reference)
    return reference


def _no_recursion(modules: Iterable[Module]) -> None:
    """Measured: a function that calls itself kills the process, which no caller can catch."""
    edges: dict[Path, set[Path]] = {}
    files: dict[Path, str] = {}
    known = list(modules)
    paths = {rule.path for module in known for rule in module.rules}
    for module in known:
        for rule in module.rules:
            files[rule.path] = module.file
            targets = edges.setdefault(rule.path, set())
            for reference in rule.refers | {called for called, _ in rule.calls}:
                if reference:
                    path = _absolute(module, reference)
                    targets |= {other for other in paths if _overlap(path, other)}
    for cycle in _cycles(edges):
        raise BundleRefused(f"{'.'.join(cycle)} refers to itself", file=files[cycle])


def _overlap(path: Path, rule: Path) -> bool:
    return path[0] == "data" and (path[: len(rule)] == rule or rule[: len(path)] == path)


def _cycles(edges: Mapping[Path, set[Path]]) -> Iterator[Path]:
    """Nodes that can reach themselves."""
    for start in sorted(edges):
        seen: set[Path] = set()
        waiting = list(edges[start])
        while waiting:
            node = waiting.pop()
            if node == start:
                yield start
                break
            if node not in seen:
                seen.add(node)
                waiting.extend(edges.get(node, ()))
