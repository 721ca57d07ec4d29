"""Every reader of bytes from outside, with what must hold of whatever it lets through.

A reader may refuse with one of our own errors, and the refusal can then be told; anything else
that it raises, and any promise that it breaks, is a finding.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from pydantic_core import to_json
from smartops.contracts.canonical import canonical, digest_of
from smartops.contracts.catalogue import COMMANDS, EVENTS
from smartops.contracts.envelope import read_data, read_hint
from smartops.contracts.errors import ContractError
from smartops.contracts.events import CommandRefused
from smartops.contracts.parsing import parse_model, strict_json
from smartops.contracts.plan import Plan
from smartops.contracts.streams import parse_stream
from smartops.contracts.subjects import Subjects

__all__ = ["READERS", "Reader", "read_tagged", "tagged"]

_SOMETHING = UUID("11111111-1111-5111-8111-111111111111")
_USUAL, _BARE = Subjects(), Subjects("")


@dataclass(frozen=True, slots=True)
class Reader:
    """One way in."""

    name: str
    read: Callable[[bytes], None]
    """Reads and checks what was read.

    Raises:
        ContractError: refused.
    """

    def __call__(self, raw: bytes) -> bool:
        """Read bytes: True when let through, False when refused in our own words.

        Raises:
            Exception: a finding.
        """
        try:
            self.read(raw)
        except ContractError as error:
            _can_be_told(error)
            return False
        return True


def _can_be_told(error: ContractError) -> None:
    """A refusal becomes an event: whatever was sent, that event must be possible to write."""
    to_json(
        CommandRefused(
            command=_SOMETHING,
            name="task.cancel",
            principal="op",
            code=error.code,
            field=error.field,
            message=error.reason[:4000],
            content="sha256:" + "0" * 64,
        )
    )


def _hint(raw: bytes) -> None:
    hint = read_hint(raw)
    assert hint.topic in EVENTS
    assert 1 <= hint.sequence < 2**63
    assert str(parse_stream(hint.stream)) == hint.stream
    assert "\x00" not in hint.stream


def _data_of(topic: str) -> Callable[[bytes], None]:
    def read(raw: bytes) -> None:
        data = read_data(topic, raw)
        again = b'{"data":' + data.model_dump_json().encode() + b"}"
        # What was read is of the newest version, whatever came in.
        newest = type(data).type_key()
        assert read_data(newest, again).model_dump_json() == data.model_dump_json()

    return read


def _command_of(key: str) -> Callable[[bytes], None]:
    model = COMMANDS[key].data

    def read(raw: bytes) -> None:
        command = parse_model(model, raw)
        assert parse_model(model, command.model_dump_json().encode(), max_bytes=1 << 20) == command

    return read


def _json(raw: bytes) -> None:
    value = strict_json(raw)
    with contextlib.suppress(ContractError):  # A whole number may be too large for RFC 8785.
        written = canonical(value)
        assert canonical(strict_json(written, max_bytes=1 << 20)) == written


def _event_subject(subjects: Subjects) -> Callable[[bytes], None]:
    def read(raw: bytes) -> None:
        assert subjects.event(*subjects.read_event(_text(raw))) == _text(raw)

    return read


def _command_subject(subjects: Subjects) -> Callable[[bytes], None]:
    def read(raw: bytes) -> None:
        assert subjects.command(*subjects.read_command(_text(raw))) == _text(raw)

    return read


def _stream(raw: bytes) -> None:
    assert str(parse_stream(_text(raw))) == _text(raw)


def _plan(raw: bytes) -> None:
    plan = Plan.read(raw, plan_hash=_claimed(raw))
    assert plan.document() == raw
    assert len(plan.by_hash()) == len(plan.steps)


def _claimed(raw: bytes) -> str:
    """The hash that the sender of such a plan would name."""
    try:
        return digest_of(json.loads(raw)["header"])
    except (ValueError, TypeError, KeyError, RecursionError, ContractError):
        return "sha256:" + "0" * 64


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _all() -> Sequence[Reader]:
    return (
        Reader("hint", _hint),
        Reader("json", _json),
        Reader("event subject", _event_subject(_USUAL)),
        Reader("event subject, no prefix", _event_subject(_BARE)),
        Reader("command subject", _command_subject(_USUAL)),
        Reader("command subject, no prefix", _command_subject(_BARE)),
        Reader("stream", _stream),
        Reader("plan", _plan),
        *(Reader(f"command {key}", _command_of(key)) for key in sorted(COMMANDS)),
        *(Reader(f"data {topic}", _data_of(topic)) for topic in sorted(EVENTS)),
    )


READERS: Mapping[str, Reader] = MappingProxyType({reader.name: reader for reader in _all()})
"""By name, always in the same order."""

_IN_ORDER = tuple(READERS.values())


def tagged(name: str, raw: bytes) -> bytes:
    """Bytes that `read_tagged` gives to the reader called `name`."""
    return bytes([_IN_ORDER.index(READERS[name])]) + raw


def read_tagged(raw: bytes) -> bool:
    """Give bytes to the reader that their first one chooses; True when let through."""
    return _IN_ORDER[raw[0] % len(_IN_ORDER)](raw[1:]) if raw else False
