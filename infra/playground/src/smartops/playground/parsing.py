"""Reads bodies, queries and headers strictly: what is not understood is refused by name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from smartops.playground.errors import (
    InvalidField,
    MalformedRequest,
    PreconditionRequired,
    UnsupportedMediaType,
)
from smartops.playground.http import Request
from smartops.playground.spec import VERSION

__all__ = ["Fields", "expected_revision", "fields_of", "idempotency_key", "query_of"]

MAX_KEY_LENGTH = 255
"""Longest idempotency key taken, in characters."""

_REVISION = re.compile(r'"[1-9][0-9]{0,15}"')


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """The idempotency key sent, or None.

    Raises:
        MalformedRequest: It is empty, too long, holds blanks, or was sent twice.
    """
    key = headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not all("!" <= char <= "~" for char in key):
        raise MalformedRequest(
            f"Send one key of 1 to {MAX_KEY_LENGTH} visible ASCII characters.",
            field="idempotency-key",
        )
    return key


def expected_revision(headers: Mapping[str, str]) -> int:
    """The revision that a change is a change of.

    Raises:
        PreconditionRequired: None was sent.
        MalformedRequest: It is no single quoted number.
    """
    sent = headers.get("if-match")
    if sent is None:
        raise PreconditionRequired
    if not _REVISION.fullmatch(sent):
        raise MalformedRequest('Send one revision, as "7".', field="if-match")
    return int(sent[1:-1])


def query_of(request: Request, known: Iterable[str]) -> dict[str, str]:
    """The query's parameters, each given once and not empty.

    Raises:
        MalformedRequest: A parameter is unknown, empty or given twice.
    """
    try:
        pairs = parse_qsl(
            request.query,
            keep_blank_values=True,
            strict_parsing=bool(request.query),
            errors="strict",
        )
    except ValueError as error:
        raise MalformedRequest(f"The query cannot be read: {error}.") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise MalformedRequest(f"There is no parameter {name!r} here.", field=name)
        if name in found:
            raise MalformedRequest(f"Give {name!r} once.", field=name)
        if not value:
            # An empty filter is more often a forgotten value than a wish for everything.
            raise MalformedRequest(f"Give {name!r} a value, or leave it out.", field=name)
        found[name] = value
    return found


def fields_of(request: Request, known: Iterable[str]) -> Fields:
    """The body's fields; an absent body has none.

    Raises:
        BodyTooLarge: The body is too long.
        UnsupportedMediaType: It says it is not JSON.
        MalformedRequest: It is no JSON object, or names something twice.
        InvalidField: It holds a field that is not known here.
    """
    body = request.body
    if not body:
        return Fields({})
    media_type = request.headers.get("content-type", "application/json")
    if media_type.split(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType(media_type)
    try:
        data = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError as error:
        raise MalformedRequest("The body is nested too deeply.") from error
    except ValueError as error:
        raise MalformedRequest(f"The body is no JSON: {error}.") from error
    if not isinstance(data, dict):
        raise MalformedRequest("Send a JSON object.")
    for name in data:
        if name not in known:
            raise InvalidField(name, "is no field of this request")
    return Fields(data)


class Fields:
    """Fields of a body, each taken by type. Every method names the field it refuses."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def has(self, name: str) -> bool:
        """Whether the field was sent and is not null."""
        return self._data.get(name) is not None

    def text(self, name: str, *, longest: int = 200) -> str:
        """A string of 1 to `longest` characters.

        Raises:
            InvalidField: It is missing or something else.
        """
        value = self._data.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= longest:
            raise InvalidField(name, f"must be a string of 1 to {longest} characters")
        return value

    def version(self, name: str) -> str:
        """A version such as 2.4.1.

        Raises:
            InvalidField: It is missing or something else.
        """
        value = self.text(name)
        if not VERSION.fullmatch(value):
            raise InvalidField(name, "must be a version such as 2.4.1")
        return value

    def count(self, name: str, *, most: int = 1_000_000) -> int:
        """A whole number from 1 to `most`.

        Raises:
            InvalidField: It is missing or something else.
        """
        value = self._data.get(name)
        if type(value) is not int or not 1 <= value <= most:
            raise InvalidField(name, f"must be a whole number from 1 to {most}")
        return value

    def number(self, name: str, *, most: float) -> float:
        """A number from 0 to `most`.

        Raises:
            InvalidField: It is missing or something else.
        """
        value = self._data.get(name)
        # Not isinstance alone: a bool is an int in Python, and no number in JSON.
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
            raise InvalidField(name, f"must be a number from 0 to {most:g}")
        return float(value)

    def absent(self, name: str, reason: str) -> None:
        """Insist that the field was not sent.

        Raises:
            InvalidField: It was.
        """
        if self.has(name):
            raise InvalidField(name, reason)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedRequest(f"{twice!r} is named twice.", field=twice)
    return data


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")
