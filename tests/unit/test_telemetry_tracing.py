"""Traces: the context travels always, spans are recorded when somebody asks for them."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
import threading
import types
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from smartops.telemetry import attributes, recording
from smartops.telemetry.errors import BadSetting, ExporterMissing
from smartops.telemetry.recording import RecordingTracer
from smartops.telemetry.traceparent import (
    TraceContext,
    current_trace_id,
    current_traceparent,
    format_traceparent,
    new_traceparent,
    normal_traceparent,
    parse_traceparent,
)
from smartops.telemetry.tracing import QuietTracer, Tracer, link_from, start_tracer
from typing_extensions import override

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TASK = UUID("0190b5e7-3c5f-7aaa-8bbb-0123456789ab")


def hex_digits(count: int) -> st.SearchStrategy[str]:
    return st.integers(1, 16**count - 1).map(lambda number: f"{number:0{count}x}")


contexts = st.builds(TraceContext, hex_digits(32), hex_digits(16), st.integers(0, 3))


class Kept(SpanExporter):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    @override
    def export(self, spans: Any) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


class Recorded:
    """A recording tracer and, once it has stopped, its spans by name."""

    def __init__(self) -> None:
        self._kept = Kept()
        self.tracer = RecordingTracer("planner", self._kept)

    async def spans(self) -> dict[str, ReadableSpan]:
        await self.tracer.stop()
        return {span.name: span for span in self._kept.spans}


@given(contexts)
def test_what_is_written_is_read_back(context: TraceContext) -> None:
    text = format_traceparent(context)
    assert parse_traceparent(text) == context
    assert normal_traceparent(text) == text


@given(contexts, st.integers(1, 254), st.sampled_from(["", "-", "-what.the.future.brings"]))
def test_a_newer_version_is_read_as_far_as_known_and_written_as_ours(
    context: TraceContext, version: int, rest: str
) -> None:
    newer = f"{version:02x}{format_traceparent(context)[2:]}{rest}"
    assert parse_traceparent(newer) == context
    assert normal_traceparent(newer) == format_traceparent(context)


@given(st.text() | st.from_regex(r"[0-9a-fA-F]{2}-[0-9a-fA-F]{30,34}-[0-9a-f]{16}-[0-9]{2}.?"))
def test_any_text_is_read_or_ignored_and_what_is_read_is_well_formed(text: str) -> None:
    context = parse_traceparent(text)
    normal = normal_traceparent(text)
    if context is None:
        assert normal is None
    else:
        assert normal == format_traceparent(context)
        assert parse_traceparent(normal) == context


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        PARENT.upper(),
        PARENT + "-more",
        PARENT + "\n",
        " " + PARENT,
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + PARENT[35:],
        PARENT[:36] + "0" * 16 + "-01",
        "01" + PARENT[2:] + "-" + "x" * 1000,
    ],
)
def test_what_the_standard_calls_invalid_is_ignored(text: str | None) -> None:
    assert parse_traceparent(text) is None
    assert normal_traceparent(text) is None


def test_unknown_flags_are_cleared() -> None:
    assert normal_traceparent(PARENT[:-2] + "ff") == PARENT[:-2] + "03"


def test_new_traces_differ_and_are_sampled() -> None:
    made = {new_traceparent() for _ in range(100)}
    assert len(made) == 100
    assert all((context := parse_traceparent(one)) and context.sampled for one in made)


def test_nobody_recording_hands_the_callers_context_on_unchanged() -> None:
    tracer = start_tracer("planner")
    assert isinstance(tracer, QuietTracer)
    with tracer.span("process x", "consumer", PARENT) as span:
        assert span.traceparent == current_traceparent() == PARENT
        assert current_trace_id() == PARENT[3:35]
        with tracer.span("inner") as inner:
            assert inner.traceparent == PARENT
        span.set({"smartops.rule": "x"})
        span.fail("nope")
        assert not span.recording
    assert current_traceparent() is None


@pytest.mark.parametrize("given_parent", [None, "garbage"])
def test_without_a_parent_to_believe_a_trace_begins(given_parent: str | None) -> None:
    with QuietTracer().span("a", parent_traceparent=given_parent) as span:
        assert parse_traceparent(span.traceparent) is not None
        assert current_traceparent() == span.traceparent


async def both_tracers() -> AsyncIterator[Tracer]:
    yield QuietTracer()
    recorded = Recorded()
    yield recorded.tracer
    await recorded.spans()


async def test_a_new_trace_can_be_begun_inside_another() -> None:
    async for tracer in both_tracers():
        with tracer.span("outer") as outer, tracer.span("inner", new_trace=True) as inner:
            assert outer.traceparent[3:35] != inner.traceparent[3:35]


async def test_concurrent_tasks_do_not_see_each_others_spans() -> None:
    async for tracer in both_tracers():
        entered = asyncio.Barrier(2)

        async def work(
            tracer: Tracer = tracer, entered: asyncio.Barrier = entered
        ) -> tuple[str, str | None]:
            with tracer.span("work", new_trace=True) as span:
                await entered.wait()
                return span.traceparent, current_traceparent()

        (one, seen_by_one), (two, seen_by_two) = await asyncio.gather(work(), work())
        assert one == seen_by_one != two == seen_by_two


async def test_a_span_survives_a_generator_that_is_closed_elsewhere() -> None:
    async def events() -> AsyncIterator[int]:
        with QuietTracer().span("read"):
            yield 1

    reader = events()
    await asyncio.create_task(anext(reader))  # type: ignore[arg-type]
    await asyncio.create_task(reader.aclose())  # type: ignore[attr-defined]
    assert current_traceparent() is None


async def test_recorded_spans_form_a_tree_below_the_remote_caller() -> None:
    recorded = Recorded()
    with recorded.tracer.span("outer", "consumer", PARENT) as outer:
        assert outer.recording
        assert outer.traceparent != PARENT
        assert current_traceparent() == outer.traceparent
        with recorded.tracer.span("inner"):
            pass
    assert current_traceparent() is None
    spans = await recorded.spans()
    assert spans["outer"].parent is not None
    assert f"{spans['outer'].parent.span_id:016x}" == PARENT[36:52]
    assert spans["outer"].kind.name == "CONSUMER"
    assert spans["inner"].parent == spans["outer"].context
    assert spans["outer"].resource.attributes["service.name"] == "planner"


async def test_attributes_and_phase_are_recorded_and_payloads_withheld() -> None:
    recorded = Recorded()
    fields = {attributes.TASK: TASK, "tool.arguments": "secret", "plan": {"a": 1}, "note": None}
    with recorded.tracer.span("a", attributes=fields, phase="verify") as span:
        span.set({attributes.RULE: "read_only", "output": "secret"})
    found = dict((await recorded.spans())["a"].attributes or {})
    assert found.pop("smartops.withheld") == ("output",)
    assert found == {
        attributes.TASK: str(TASK),
        attributes.PHASE: "verify",
        attributes.RULE: "read_only",
    }


async def test_a_failed_span_tells_a_code_and_never_a_message() -> None:
    recorded = Recorded()
    with pytest.raises(ValueError, match="secret"), recorded.tracer.span("raised"):
        raise ValueError("secret")
    with pytest.raises(BadSetting), recorded.tracer.span("ours"):
        raise BadSetting("a", "secret", "b")
    with recorded.tracer.span("refused") as span:
        span.fail("plan_refused")
    spans = await recorded.spans()
    codes = {name: (span.attributes or {})["error.type"] for name, span in spans.items()}
    assert codes == {
        "raised": "ValueError",
        "ours": "telemetry.setting",
        "refused": "plan_refused",
    }
    assert {span.status.status_code.name for span in spans.values()} == {"ERROR"}
    assert "secret" not in "".join(span.to_json() for span in spans.values())


async def test_cancelled_work_is_no_error() -> None:
    recorded = Recorded()
    with pytest.raises(asyncio.CancelledError), recorded.tracer.span("a"):
        raise asyncio.CancelledError
    span = (await recorded.spans())["a"]
    assert span.status.status_code.name == "UNSET"
    assert (span.attributes or {})[attributes.CANCELLED] is True


async def test_a_wait_is_a_link_and_not_a_span() -> None:
    recorded = Recorded()
    with recorded.tracer.span("ask") as asking:
        asked = asking.traceparent
    with recorded.tracer.span("answer", links=link_from(asked, {"smartops.wait": "approval"})):
        pass
    spans = await recorded.spans()
    (link,) = spans["answer"].links
    assert link.context.span_id == spans["ask"].context.span_id
    assert dict(link.attributes or {}) == {"smartops.wait": "approval"}
    assert spans["answer"].parent is None
    assert spans["answer"].context.trace_id != spans["ask"].context.trace_id


def test_there_is_no_link_to_what_cannot_be_believed() -> None:
    assert link_from(None) == ()
    assert link_from("garbage") == ()


async def test_what_the_caller_does_not_sample_is_handed_on_but_not_recorded() -> None:
    recorded = Recorded()
    with recorded.tracer.span("a", parent_traceparent=PARENT[:-2] + "00") as span:
        assert not span.recording
        assert span.traceparent[3:35] == PARENT[3:35]
        assert span.traceparent.endswith("-00")
    assert await recorded.spans() == {}


async def test_the_file_gets_one_json_object_per_span(tmp_path: Path) -> None:
    path = tmp_path / "new" / "traces.jsonl"
    for service in ("planner", "policy"):
        tracer = start_tracer(service, f"file:{path}")
        with tracer.span("plan noop", "client", PARENT, {"n": 1}, links=link_from(PARENT)):
            pass
        await tracer.stop()
        await tracer.stop()
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert (first["service"], second["service"]) == ("planner", "policy")
    assert first["name"] == "plan noop"
    assert first["kind"] == "client"
    assert first["status"] == "unset"
    assert (first["trace_id"], first["parent_id"]) == (PARENT[3:35], PARENT[36:52])
    assert first["attributes"] == {"n": 1}
    assert first["links"] == [
        {"trace_id": PARENT[3:35], "span_id": PARENT[36:52], "attributes": {}}
    ]
    assert first["duration_ms"] >= 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_console_gets_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    tracer = start_tracer("planner", "console")
    with tracer.span("plan noop"):
        pass
    await tracer.stop()
    assert json.loads(capsys.readouterr().out)["name"] == "plan noop"


async def test_a_collector_that_hangs_holds_up_the_stop_for_a_limited_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answered = threading.Event()

    class Hanging(Kept):
        @override
        def export(self, spans: Any) -> SpanExportResult:
            answered.wait()
            return super().export(spans)

    monkeypatch.setattr(recording, "STOP_LIMIT", timedelta(milliseconds=50))
    tracer = RecordingTracer("planner", Hanging())
    with tracer.span("a"):
        pass
    await tracer.stop()
    assert "lost" in caplog.text
    answered.set()


def test_a_missing_exporter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExporterMissing, match="opentelemetry-exporter-otlp-proto-http"):
        start_tracer("planner", "otlp")


async def test_the_exporter_for_collectors_is_used_if_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = Kept()
    module = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    for name in (module.rsplit(".", depth)[0] for depth in range(1, 4)):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    present = types.ModuleType(module)
    vars(present)["OTLPSpanExporter"] = lambda: kept
    monkeypatch.setitem(sys.modules, module, present)
    tracer = start_tracer("planner", "otlp")
    with tracer.span("plan noop"):
        pass
    await tracer.stop()
    assert [span.name for span in kept.spans] == ["plan noop"]


@pytest.mark.parametrize(
    "traces", ["jaeger", "file:", "file", "console:x", "otlp:http://x", "off:1"]
)
def test_a_setting_that_means_nothing_is_refused(traces: str) -> None:
    with pytest.raises(BadSetting, match="set it to 'off', 'console'"):
        start_tracer("planner", traces)
