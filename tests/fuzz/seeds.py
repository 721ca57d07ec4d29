"""Messages that every reader lets through: what mutations start from."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from smartops.contracts.catalogue import COMMANDS, EVENTS
from support.plans import plan
from support.samples import sample

__all__ = ["seeds", "words"]

GOLDEN = Path(__file__).parent.parent / "contract" / "golden"


@cache
def seeds() -> tuple[tuple[str, bytes], ...]:
    """Name of a reader and bytes for it."""
    return tuple(_seeds())


def _seeds() -> Iterator[tuple[str, bytes]]:
    task = "b9e1a4e2-67ff-5527-8448-7a528fb129c1"
    for topic in sorted(EVENTS):
        raw = (GOLDEN / f"{topic}.json").read_bytes()
        yield "hint", raw
        yield f"data {topic}", raw
        name, _, version = topic.rpartition(".v")
        yield "event subject", f"smartops.acme.{name}.v{version}.runner.{task}".encode()
        yield "event subject, no prefix", f"acme.{name}.v{version}.-.{task}".encode()
    for key, spec in sorted(COMMANDS.items()):
        raw = sample(spec.data).model_dump_json().encode()
        yield f"command {key}", raw
        yield "json", raw
        name, _, version = key.rpartition(".v")
        yield "command subject", f"smartops-cmd.acme.{name}.v{version}.p.{task}".encode()
        yield "command subject, no prefix", f"cmd.cmd.acme.{name}.v{version}.p.{task}".encode()
    yield "plan", plan().document()
    yield "json", b'[0,-0.0,1e300,"\\ud83d\\ude00",{"\xc3\xbc":null},[[]]]'
    for category in ("task", "gate", "run", "call", "tool"):
        yield "stream", f"acme/{category}-{task}".encode()
    yield "stream", b"_platform/bundle-a/b:c.d_e"


@cache
def words() -> tuple[bytes, ...]:
    """What messages are spelled with, and what parsers are known to differ on."""
    names = {name for spec in EVENTS.values() for name in spec.data.model_fields}
    names |= {name for spec in COMMANDS.values() for name in spec.data.model_fields}
    odd = (b"NaN", b"-Infinity", b"1e999", b"-0", b"1E400", b"\\ud800", b"\\u0000", b"\x00")
    odd += (b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff", b"{}", b"[]", b"null", b'"', b"\\", b".v2")
    odd += (b"9223372036854775808", b"18446744073709551616", b"9" * 60, b"[" * 40, b'{"a":' * 40)
    odd += (b".", b"*", b">", b"/", b"-", b"_platform", b"smartops.", b"smartops-cmd.", b"\n")
    return (*odd, *(f'"{name}":'.encode() for name in sorted(names)))
