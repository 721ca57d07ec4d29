"""Logs: one line per record, typed fields, nothing that was not meant to be told."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError
from smartops.telemetry import attributes
from smartops.telemetry.errors import BadSetting
from smartops.telemetry.guard import Guard, may_be_told
from smartops.telemetry.logs import configure_logs
from smartops.telemetry.tracing import QuietTracer
from typing_extensions import override

SECRET = "s3cr3t-never-shown"
TASK = UUID("0190b5e7-3c5f-7aaa-8bbb-0123456789ab")

log = logging.getLogger("smartops.test")


class Written:
    """What a configured log has written."""

    def __init__(self, stream: io.StringIO) -> None:
        self.stream = stream

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def record(self) -> dict[str, Any]:
        (only,) = self.records
        return only


@contextlib.contextmanager
def written(fmt: str = "json", level: str = "DEBUG", **options: Any) -> Iterator[Written]:
    stream = io.StringIO()
    setup = configure_logs("planner", level, fmt, stream, **options)
    try:
        yield Written(stream)
    finally:
        setup.close()


class Colour(Enum):
    RED = "red"


class Model(BaseModel):
    count: int = Field(ge=1)
    note: str = "x"


@dataclass
class Row:
    value: str


def test_a_record_is_one_json_object_with_typed_fields() -> None:
    with written() as out:
        log.info(
            "plan %s refused",
            7,
            extra={
                "task": TASK,
                "steps": 3,
                "share": 0.5,
                "dry": True,
                "rule": None,
                "wait": timedelta(seconds=90),
                "at": datetime(2026, 1, 2, tzinfo=UTC),
                "cost": Decimal("1.50"),
                "path": PurePosixPath("/a/b"),
                "colour": Colour.RED,
                "targets": ("web-1", "web-2"),
            },
        )
    record = out.record
    instant = datetime.fromisoformat(record.pop("time"))
    assert abs(datetime.now(UTC) - instant) < timedelta(minutes=1)
    assert record == {
        "level": "INFO",
        "service": "planner",
        "logger": "smartops.test",
        "message": "plan 7 refused",
        "task": str(TASK),
        "steps": 3,
        "share": 0.5,
        "dry": True,
        "rule": None,
        "wait": 90.0,
        "at": "2026-01-02T00:00:00+00:00",
        "cost": "1.50",
        "path": "/a/b",
        "colour": "red",
        "targets": ["web-1", "web-2"],
    }


@pytest.mark.parametrize(
    "name",
    [
        "data",
        "payload",
        "body",
        "arguments",
        "output",
        "Payload",
        "tool_output",
        "request.body",
        "token",
        "api_key",
        "nats-token",
        "dsn",
        "authorization",
    ],
)
def test_a_field_with_a_payloads_or_secrets_name_is_withheld_and_named(name: str) -> None:
    with written() as out:
        log.info("called", extra={name: SECRET, "tool": "noop"})
    assert SECRET not in out.text
    assert out.record["withheld"] == [name]
    assert out.record["tool"] == "noop"


@pytest.mark.parametrize(
    "name",
    [
        "payload_bytes",
        "output_digest",
        "secret_name",
        "token_count",
        "metadata",
        "database",
        "command_key",
        "gen_ai.usage.output_tokens",
    ],
)
def test_a_measure_of_a_payload_is_told(name: str) -> None:
    assert may_be_told(name)


def test_every_attribute_of_spans_passes_the_guard() -> None:
    names = [
        value for name in attributes.__all__ if isinstance(value := vars(attributes)[name], str)
    ]
    assert names
    assert [name for name in names if not may_be_told(name)] == []


@pytest.mark.parametrize(
    "value",
    [
        {"a": SECRET},
        SECRET.encode(),
        [{"a": SECRET}],
        Model(count=1, note=SECRET),
        Row(SECRET),
        object(),
    ],
    ids=["mapping", "bytes", "list of mappings", "model", "dataclass", "object"],
)
def test_what_is_no_plain_value_is_withheld_under_any_name(value: object) -> None:
    with written() as out:
        log.info("called", extra={"harmless": value})
    assert SECRET not in out.text
    assert out.record["withheld"] == ["harmless"]


@pytest.mark.parametrize(
    "value",
    [SECRET.encode(), {"a": SECRET}, [{"a": SECRET}], Model(count=1, note=SECRET), Row(SECRET)],
    ids=["bytes", "mapping", "list", "model", "dataclass"],
)
def test_a_payload_given_as_argument_or_message_is_withheld(value: object) -> None:
    with written() as out:
        log.info("got %s and %r", value, value)
        log.info(value)
        log.info("got %(a)s and %(body)s", {"a": 1, "body": SECRET})
    assert SECRET not in out.text
    assert len(out.records) == 3
    assert "got 1 and <withheld>" in out.text


def test_arguments_that_do_not_fit_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with written() as out:
        log.info("count %d", SECRET)
    assert out.record["message"] == "count %d (arguments do not fit)"
    assert SECRET not in capsys.readouterr().err


def test_a_field_never_replaces_what_the_record_says_itself() -> None:
    with written() as out:
        log.info("x", extra={"service": "forged", "level": "low", "time": "never"})
    assert out.record["service"] == "planner"
    assert out.record["service_"] == "forged"
    assert (out.record["level_"], out.record["time_"]) == ("low", "never")


def test_an_exception_is_one_field_with_type_message_stack_and_causes() -> None:
    with written() as out:
        try:
            try:
                int("x")
            except ValueError as error:
                raise LookupError("no such plan") from error
        except LookupError:
            log.exception("failed")
    failure = out.record["exception"]
    assert (failure["type"], failure["message"]) == ("LookupError", "no such plan")
    assert "test_telemetry_logs.py" in failure["stack"]
    assert "caused by ValueError: invalid literal" in failure["stack"]


def test_a_pydantic_error_is_told_without_the_values_it_refused() -> None:
    with written() as out:
        try:
            Model.model_validate({"count": SECRET})
        except ValidationError as error:
            log.warning("bad plan: %s", error, extra={"why": error}, exc_info=error)
    assert SECRET not in out.text
    assert "count: Input should be a valid integer" in out.record["exception"]["message"]
    assert "count: Input should be a valid integer" in out.record["message"]


def test_a_postgres_error_is_told_without_its_detail() -> None:
    class UniqueViolation(Exception):
        sqlstate = "23505"

        @override
        def __str__(self) -> str:
            return f"{self.args[0]}\nDETAIL: Failing row contains ({SECRET})"

    with written() as out:
        log.error("append failed", exc_info=UniqueViolation("duplicate key"))
    assert SECRET not in out.text
    assert out.record["exception"]["message"] == "duplicate key"


def test_an_error_that_cannot_be_printed_is_still_logged() -> None:
    class Broken(Exception):
        @override
        def __str__(self) -> str:
            raise RuntimeError

    with written() as out:
        log.error("failed", exc_info=Broken())
    assert "RuntimeError" in out.record["exception"]["message"]


def test_a_group_tells_its_members() -> None:
    with written() as out:
        log.error("failed", exc_info=ExceptionGroup("two", [ValueError("a"), KeyError("b")]))
    assert "holding ValueError: a" in out.record["exception"]["stack"]
    assert "holding KeyError: 'b'" in out.record["exception"]["stack"]


def test_urls_lose_their_credentials_and_long_texts_their_end() -> None:
    with written() as out:
        log.info(
            "at postgres://me:pw@host/db", extra={"where": "nats://tok3n@host", "note": "x" * 9000}
        )
    record = out.record
    assert record["message"] == "at postgres://***@host/db"
    assert record["where"] == "nats://***@host"
    assert record["note"].endswith("(7000 more characters)")


def test_the_scrubber_sees_message_fields_and_exceptions() -> None:
    def scrub(text: str) -> str:
        return text.replace(SECRET, "***")

    with written(scrub=scrub) as out:
        log.error("a %s", SECRET, extra={"note": SECRET}, exc_info=ValueError(SECRET))
    assert SECRET not in out.text
    assert out.record["note"] == "***"


def test_the_trace_id_stands_in_records_made_inside_a_span() -> None:
    with written() as out:
        log.info("before")
        with QuietTracer().span("plan noop") as span:
            log.info("inside")
        log.info("after")
    before, inside, after = out.records
    assert inside["trace_id"] == span.traceparent.split("-")[1]
    assert "trace_id" not in before | after


def test_text_shows_one_line_per_record_and_no_control_characters() -> None:
    with written("text") as out:
        log.warning("a\nforged \x1b[31mline", extra={"tool": "x\r\ny", "payload": SECRET})
    (line,) = out.text.splitlines()
    assert r"a\nforged \x1b[31mline" in line
    assert r"tool=x\r\ny" in line
    assert "withheld=['payload']" in line
    assert "planner" in line
    assert SECRET not in line


def test_text_indents_the_stack() -> None:
    with written("text") as out:
        log.error("failed", exc_info=ValueError("nope"))
    first, second = out.text.splitlines()
    assert "failed" in first
    assert second == "    ValueError: nope"


def test_lost_records_are_counted_by_the_next_one_that_gets_through() -> None:
    class Flaky(io.StringIO):
        full = True

        @override
        def write(self, text: str) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    stream = Flaky()
    with contextlib.closing(configure_logs("planner", stream=stream)):
        log.info("one")
        log.info("two")
        stream.full = False
        log.info("three")
        log.info("four")
    three, four = (json.loads(line) for line in stream.getvalue().splitlines())
    assert three["lost"] == 2
    assert "lost" not in four


def test_uncaught_errors_of_the_process_and_of_threads_become_records() -> None:
    with written() as out:
        error = ValueError("boom")
        sys.excepthook(ValueError, error, None)
        thread = threading.Thread(target=lambda: 1 / 0, name="worker")
        thread.start()
        thread.join()
    process, threads = out.records
    assert (process["level"], process["exception"]["message"]) == ("CRITICAL", "boom")
    assert (threads["ended"], threads["exception"]["type"]) == ("worker", "ZeroDivisionError")


def test_closing_puts_everything_back() -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)
    with written():
        assert root.handlers != before[0]
    assert (root.handlers[:], root.level, sys.excepthook, threading.excepthook) == before


def test_configuring_again_replaces_rather_than_doubles() -> None:
    with written() as first, written() as second:
        log.info("once")
    assert first.text == ""
    assert len(second.records) == 1


def test_libraries_that_chatter_are_heard_from_warning_on() -> None:
    with written(level="info") as out:
        logging.getLogger("uvicorn.error").info("Started server process")
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
        log.debug("too fine")
    assert out.record["level"] == "WARNING"


@pytest.mark.parametrize(("level", "fmt"), [("LOUD", "json"), ("INFO", "xml")])
def test_a_setting_that_means_nothing_is_refused(level: str, fmt: str) -> None:
    with pytest.raises(BadSetting, match="set it to") as caught:
        configure_logs("planner", level, fmt)
    assert caught.value.code == "telemetry.setting"
    assert not caught.value.retryable


any_text = st.text(st.characters())  # Lone surrogates included: messages may hold any bytes.
plain = st.none() | st.booleans() | st.integers() | st.floats() | any_text


@given(message=any_text, fields=st.dictionaries(st.sampled_from("abcdef"), plain))
def test_any_record_is_one_line_of_strict_json(message: str, fields: dict[str, object]) -> None:
    with written() as out:
        log.info(message, extra=fields)
    assert out.text.count("\n") == 1
    assert out.text.isascii()
    assert out.record.keys() >= fields.keys()


@given(message=any_text, value=any_text)
def test_any_record_is_one_printable_line_of_text(message: str, value: str) -> None:
    with written("text") as out:
        log.info("%s", message, extra={"note": value})
    assert out.text.endswith("\n")
    assert out.text[:-1].isprintable()


@given(
    name=st.sampled_from(["data", "payload", "body", "arguments", "output"]),
    prefix=st.sampled_from(["", "tool_", "http.request.", "raw-"]),
    value=plain | st.dictionaries(st.text(), plain) | st.lists(plain),
)
def test_no_value_of_a_payload_field_ever_passes(name: str, prefix: str, value: object) -> None:
    told, withheld = Guard().fields({prefix + name: value})
    assert told == {}
    assert withheld == [prefix + name]
