"""Health pages, over real sockets; and what telemetry costs a process that loads it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from smartops.telemetry.bundle import Telemetry
from smartops.telemetry.errors import BadSetting, HealthPortTaken
from smartops.telemetry.health import health_app
from smartops.telemetry.loop_lag import LoopLag
from smartops.telemetry.metrics import Metrics
from smartops.telemetry.probes import Probe
from smartops.telemetry.server import HealthServer
from smartops.telemetry.settings import TelemetrySettings


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


async def ask(server: HealthServer, path: str, method: str = "GET", accept: str = "*/*") -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(
            f"{method} {path} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\n"
            "connection: close\r\n\r\n".encode()
        )
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()
    first, *rest = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in rest)
    return Answer(int(first.split()[1]), headers, body.decode())


@asynccontextmanager
async def serving(*probes: Probe) -> AsyncIterator[HealthServer]:
    server = HealthServer(health_app(probes, Metrics("planner")))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_health_tells_that_the_loop_gets_round() -> None:
    async with serving() as server:
        answer = await ask(server, "/health")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["alive"] is True
    assert answer.json["service"] == "planner"
    assert 0 <= answer.json["loop_lag_seconds"] <= answer.json["loop_lag_worst_seconds"] < 5


async def test_ready_is_200_when_all_parts_work() -> None:
    async with serving(Probe("log", lambda: None), Probe("bus", lambda: None)) as server:
        answer = await ask(server, "/ready")
    assert answer.status == 200
    assert (answer.json["ready"], answer.json["reasons"]) == (True, [])
    assert answer.json["parts"] == ["log", "bus"]


async def test_ready_tells_what_parts_say_of_themselves_which_makes_nobody_unready() -> None:
    def broken() -> str:
        raise KeyError("x")

    probes = (
        Probe("sandbox", lambda: None, lambda: "landlock"),
        Probe("log", lambda: None),
        Probe("other", lambda: None, broken),
    )
    async with serving(*probes) as server:
        answer = await ask(server, "/ready")
    assert (answer.status, answer.json["ready"]) == (200, True)
    assert answer.json["notes"] == {"sandbox": "landlock", "other": "cannot be told: KeyError: 'x'"}


async def test_ready_is_503_and_names_the_parts_in_trouble() -> None:
    def broken() -> str | None:
        raise KeyError("x")

    probes = Probe("log", lambda: None), Probe("bus", lambda: "no connection"), Probe("x", broken)
    async with serving(*probes) as server:
        answer = await ask(server, "/ready")
        alive = await ask(server, "/health")
    assert answer.status == 503
    assert answer.json["ready"] is False
    assert answer.json["reasons"] == [
        {"part": "bus", "trouble": "no connection"},
        {"part": "x", "trouble": "the check failed: KeyError: 'x'"},
    ]
    assert alive.status == 200


async def test_probes_may_be_added_and_change_while_serving() -> None:
    trouble: list[str] = ["starting"]
    probes: list[Probe] = []
    server = HealthServer(health_app(probes, Metrics("planner")))
    await server.start()
    try:
        assert (await ask(server, "/ready")).status == 200
        probes.append(Probe("log", lambda: trouble[0] if trouble else None))
        assert (await ask(server, "/ready")).status == 503
        trouble.clear()
        assert (await ask(server, "/ready")).status == 200
    finally:
        await server.stop()


async def test_metrics_are_prometheus_text_with_the_loops_lag() -> None:
    async with serving() as server:
        plain = await ask(server, "/metrics")
        opened = await ask(server, "/metrics", accept="application/openmetrics-text;version=1.0.0")
    assert plain.headers["content-type"].startswith("text/plain")
    assert 'orchestrator_service_info{service="planner"' in plain.text
    assert "orchestrator_loop_lag_seconds 0" in plain.text
    assert opened.headers["content-type"].startswith("application/openmetrics-text")


async def test_head_gives_the_headers_only() -> None:
    async with serving() as server:
        answer = await ask(server, "/ready", "HEAD")
    assert (answer.status, answer.text) == (200, "")
    assert int(answer.headers["content-length"]) > 0


async def test_other_paths_and_methods_are_refused() -> None:
    async with serving() as server:
        unknown = await ask(server, "/metrics/")
        posted = await ask(server, "/health", "POST")
    assert unknown.status == 404
    assert unknown.json["pages"] == ["/health", "/ready", "/metrics"]
    assert posted.status == 405
    assert posted.headers["allow"] == "get, head"


async def test_the_pages_say_nothing_about_the_server() -> None:
    async with serving() as server:
        answer = await ask(server, "/health")
    assert answer.headers.keys() == {
        "cache-control",
        "content-type",
        "content-length",
        "connection",
    }


async def test_each_server_finds_a_port_of_its_own_and_reports_it() -> None:
    async with serving() as one, serving() as two:
        assert one.port != two.port
        assert one.url == f"http://127.0.0.1:{one.port}"
        assert (await ask(two, "/health")).status == 200


async def test_a_taken_port_is_named() -> None:
    app = health_app([], Metrics("planner"))
    async with serving() as server:
        with pytest.raises(HealthPortTaken, match=f"127.0.0.1:{server.port}") as caught:
            await HealthServer(app, port=server.port).start()
    assert caught.value.retryable
    with pytest.raises(HealthPortTaken, match="203"):
        await HealthServer(app, "203.0.113.1").start()


async def test_the_port_is_unknown_before_the_start() -> None:
    server = HealthServer(health_app([], Metrics("planner")))
    with pytest.raises(RuntimeError, match="start"):
        _ = server.port
    await server.stop()


async def test_starting_and_stopping_twice_is_harmless_and_frees_the_port() -> None:
    app = health_app([], Metrics("planner"))
    server = HealthServer(app)
    await server.start()
    port = server.port
    await server.start()
    assert server.port == port
    await server.stop()
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    again = HealthServer(app, port=port)
    await again.start()
    assert (await ask(again, "/health")).status == 200
    await again.stop()


async def test_stopping_does_not_wait_for_an_idle_connection() -> None:
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"}\n")
        begun = time.monotonic()
        await server.stop()
        assert time.monotonic() - begun < 0.9
        assert await reader.read() == b""
        writer.close()


async def test_signals_stay_with_the_service() -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    async with serving():
        assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


async def test_a_start_that_is_cancelled_leaves_nothing_behind() -> None:
    server = HealthServer(health_app([], Metrics("planner")))
    starting = asyncio.create_task(server.start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "health-pages"]


async def test_the_loops_lag_shows_a_block_while_it_lasts_and_after() -> None:
    lag = LoopLag(timedelta(milliseconds=20))
    lag.start()
    lag.start()
    time.sleep(0.2)  # noqa: ASYNC251 - blocking the loop is the point.
    assert lag.seconds > 0.15
    rang = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, rang.set)
    await rang.wait()
    assert lag.seconds < 0.15 < lag.worst_seconds
    lag.stop()
    lag.stop()


async def test_the_bundle_starts_and_stops_all_of_it() -> None:
    stream = StringIO()
    settings = TelemetrySettings(log_level="debug", log_format="text")
    telemetry = Telemetry.start("policy", settings, stream=stream)
    try:
        server = await telemetry.serve_health([Probe("log", lambda: None)])
        assert (await ask(server, "/ready")).json["service"] == "policy"
        telemetry.metrics.task("completed")
        assert (
            'orchestrator_tasks_total{status="completed"} 1.0'
            in (await ask(server, "/metrics")).text
        )
        assert not telemetry.tracer.recording
        await telemetry.stop()
        await telemetry.stop()
        with pytest.raises(ConnectionRefusedError):
            await ask(server, "/ready")
    finally:
        telemetry.logs.close()
    assert "ERROR" not in stream.getvalue()


def test_a_bad_setting_leaves_no_logs_configured() -> None:
    with pytest.raises(BadSetting):
        Telemetry.start("policy", TelemetrySettings(traces="jaeger"))
    with pytest.raises(BadSetting):
        Telemetry.start("policy", TelemetrySettings(log_format="xml"))


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run a program that may warn about nothing."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_heavy_parts_are_loaded_only_when_asked_for() -> None:
    done = run_python("""
        import sys
        from smartops.telemetry.bundle import Telemetry
        Telemetry.start("planner")
        heavy = ("opentelemetry", "uvicorn", "pydantic", "h11", "smartops.contracts")
        print([name for name in heavy if name in sys.modules])
    """)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_process_ends_without_a_word_of_complaint(loop: str) -> None:
    done = run_python(f"""
        import asyncio, {loop}
        from smartops.telemetry.bundle import Telemetry
        from smartops.telemetry.settings import TelemetrySettings

        async def main():
            telemetry = Telemetry.start("planner", TelemetrySettings(log_level="INFO"))
            server = await telemetry.serve_health([])
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /metrics HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n")
            print((await reader.readline()).decode().strip())
            writer.close()
            await telemetry.stop()

        {loop}.run(main())
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "HTTP/1.1 200 OK\n", "")
