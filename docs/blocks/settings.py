"""Environment variables of the services, from their settings models."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import operator
import re
import textwrap
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic_core import PydanticUndefined
from smartops.runtime.settings import ServiceSettings

from blocks.markdown import code, first_sentence, table

__all__ = ["SERVICES", "common", "docs_of", "of", "variables"]

_MODELS: Mapping[str, str] = {
    "planner": "PlannerSettings",
    "policy": "PolicySettings",
    "runner": "RunnerSettings",
    "tool_gateway": "GatewaySettings",
    "audit": "AuditSettings",
}
SERVICES = tuple(_MODELS)


def common() -> str:
    """What every service is told."""
    return _table(ServiceSettings, list(ServiceSettings.model_fields))


def of(service: str) -> Callable[[], str]:
    """What one service is told beyond that."""

    def block() -> str:
        model = _model(service)
        if model is None:
            return "Nothing of its own.\n"
        own = [name for name in model.model_fields if name not in ServiceSettings.model_fields]
        changed = [
            name
            for name, field in ServiceSettings.model_fields.items()
            if name in model.model_fields and model.model_fields[name].default != field.default
        ]
        return _table(model, own + changed) if own + changed else "Nothing of its own.\n"

    return block


def variables() -> set[str]:
    """The names of all variables."""
    models = [ServiceSettings, *filter(None, map(_model, SERVICES))]
    return {_variable(model, name) for model in models for name in model.model_fields}


def docs_of(model: type) -> dict[str, str]:
    """The text below each attribute of a class; that of a base where it has none."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        try:
            source = textwrap.dedent(inspect.getsource(cls))
        except (OSError, TypeError):
            continue
        body = getattr(ast.parse(source).body[0], "body", [])
        for statement, after in itertools.pairwise(body):
            if not isinstance(statement, ast.AnnAssign) or not isinstance(
                statement.target, ast.Name
            ):
                continue
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                found[statement.target.id] = first_sentence(str(after.value.value))
    return found


def _model(service: str) -> Any:
    name = f"smartops.{service}.settings"
    return getattr(import_module(name), _MODELS[service]) if find_spec(name) else None


def _table(model: Any, names: list[str]) -> str:
    docs = docs_of(model)
    rows = [
        [
            code(_variable(model, name)),
            _type(model.model_fields[name].annotation),
            _default(model.model_fields[name]),
            docs.get(name, ""),
        ]
        for name in names
    ]
    return table(["variable", "type", "default", "meaning"], rows)


def _variable(model: Any, name: str) -> str:
    alias = model.model_fields[name].alias
    return alias or f"{model.model_config['env_prefix']}{name}".upper()


def _bare(annotation: Any) -> Any:
    """A type without what is said beside it: patterns and limits stand in its meaning."""
    if get_origin(annotation) is Annotated:
        return get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        return functools.reduce(operator.or_, map(_bare, get_args(annotation)))
    return annotation


def _type(annotation: Any) -> str:
    annotation = _bare(annotation)
    text = getattr(annotation, "__name__", "") if isinstance(annotation, type) else str(annotation)
    if "smartops." in text:  # A model of ours: written as JSON, as its meaning shows.
        return "JSON"
    for pattern, word in (
        (r"typing\.|pathlib\.|datetime\.|pydantic\.types\.", ""),
        (r"Literal\[(.*)\]", r"\1"),
        (r" \| None", ""),
        (r"timedelta", "duration"),
        (r"SecretStr", "secret"),
        (r"Path", "path"),
        (r"\bstr\b", "text"),
        (r"\bint\b", "number"),
        (r"\bbool\b", "yes or no"),
    ):
        text = re.sub(pattern, word, text)
    return text.replace("'", "")


def _default(field: Any) -> str:
    match field.default:
        case default if default is PydanticUndefined:
            return "required" if field.is_required() else "none"
        case None:
            return "none"
        case bool() as yes:
            return code(str(yes).lower())
        case timedelta() as time:
            return code(_iso(time))
        case default:
            return code(default)


def _iso(time: timedelta) -> str:
    seconds = int(time.total_seconds())
    for unit, size in (("H", 3600), ("M", 60)):
        if seconds and seconds % size == 0:
            return f"PT{seconds // size}{unit}"
    return f"PT{time.total_seconds():g}S"
