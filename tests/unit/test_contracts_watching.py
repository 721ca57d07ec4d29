"""What people write about watching and waiting, and what is stored of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.contracts.errors import Malformed
from smartops.contracts.maintenance import MaintenanceWindow, is_open, opens_at
from smartops.contracts.plan import HOUR_MS, Phase, Plan, seal
from smartops.contracts.quantities import milliseconds, read_limit, write_duration
from smartops.contracts.watching import condition_of, problems_of, watches_of, window_ms
from smartops.contracts.wire import Check
from smartops.contracts.written import read_phase
from support.plans import CHECKS, phase, plan, step

GOLDEN = Path(__file__).parents[1] / "contract" / "golden_plans"


# ---- durations and limits ----------------------------------------------------------------------


@given(st.integers(0, 999_999_999))
def test_a_duration_is_read_as_it_was_written(length: int) -> None:
    assert milliseconds(write_duration(length)) == length


@given(st.integers(0, 99_999), st.sampled_from([("s", 1000), ("m", 60_000), ("h", HOUR_MS)]))
def test_durations_are_stored_in_milliseconds(number: int, unit: tuple[str, int]) -> None:
    assert milliseconds(f"{number}{unit[0]}") == number * unit[1]


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "5d", "1.5h", "-5m", "5m5s", "5M", "٣m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="no duration"):
        milliseconds(text)


@given(
    st.sampled_from(("<", "<=", ">", ">=")),
    st.decimals(-999, 999, places=2),
    st.sampled_from(("%", "ms", "s", "")),
)
def test_a_limit_is_read_as_it_was_written(operator: str, number: object, unit: str) -> None:
    text = f"{operator} {number}{unit}"
    assert str(read_limit(text)) == text
    assert read_limit(text.replace(" ", "")) == read_limit(text)


@pytest.mark.parametrize(
    ("text", "value"), [("< 1%", 0.01), ("<= 500ms", 500.0), ("< 0.5s", 500.0), ("> -3", -3.0)]
)
def test_limits_are_compared_in_the_units_of_what_is_measured(text: str, value: float) -> None:
    assert read_limit(text).value == value


# ---- phases as they are written ----------------------------------------------------------------


def test_a_phase_in_the_words_of_the_specification_is_stored_in_milliseconds() -> None:
    fields = read_phase(
        {
            "name": "Canary",
            "wait_time": "30m",
            "batch": 5,
            "health_checks": [
                {"type": "http_200", "target": "/health", "timeout": "30s"},
                {"type": "error_rate", "threshold": "< 1%", "timeout": "5m", "window": "10m"},
                {"type": "latency_p99", "threshold": "< 500ms"},
                {"type": "custom_metric", "name": "queue", "query": "q", "threshold": "< 10"},
            ],
            "rollback_if": "error_rate > 1% or queue > 100",
            "maintenance_window": {"start": "22:00", "end": "04:00", "timezone": "Europe/Berlin"},
        }
    )
    made = Phase(steps=(step("web-01").hash(),), **fields)
    assert (made.wait_ms, made.batch) == (1_800_000, 5)
    assert [check.timeout_ms for check in made.checks] == [30_000, 300_000, None, None]
    assert made.checks[1].window_ms == 600_000
    condition = condition_of(made)
    assert [watch.metric for watch in watches_of(made, condition)] == [
        "http_200",
        "error_rate",
        "latency_p99",
        "queue",
    ]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"wait_time": "30 minutes"}, "wait_time"),
        ({"waittime": "30m"}, "waittime"),
        ({"health_checks": [{"type": "tcp"}]}, "health_checks.0.type"),
        ({"health_checks": [{"type": "error_rate", "threshold": "< 500ms"}]}, "error_rate needs"),
        ({"health_checks": [{"type": "latency_p99", "threshold": "< 1%"}]}, "latency_p99 needs"),
        ({"health_checks": [{"type": "custom_metric", "threshold": "< 1"}]}, "needs a query"),
        ({"maintenance_window": {"start": "25:00", "end": "1:00", "timezone": "UTC"}}, "start"),
    ],
)
def test_what_is_written_wrongly_is_refused_by_its_name(
    wrong: dict[str, object], field: str
) -> None:
    with pytest.raises(Malformed, match=field):
        read_phase({"name": "Canary", **wrong})


def test_a_phase_is_watched_by_what_its_condition_names_beside_its_checks() -> None:
    made, _ = phase(step("a"), checks=CHECKS, rollback_if="latency_p99 > 1s or error_rate > 5%")
    watches = watches_of(made, condition_of(made))
    assert [(w.number, w.metric, w.check is None) for w in watches] == [
        (0, "http_200", False),
        (1, "error_rate", False),
        (2, "latency_p99", True),
    ]


def test_a_phase_with_a_condition_alone_is_watched_for_its_own_window() -> None:
    alone, _ = phase(step("a"), rollback_if="error_rate > 1%")
    assert window_ms(alone) == 3000
    assert window_ms(alone.model_copy(update={"watch_ms": 60_000})) == 60_000
    unwatched, _ = phase(step("a"))
    assert (window_ms(unwatched), watches_of(unwatched, None)) == (0, ())


def test_a_check_with_a_longer_interval_is_sampled_more_rarely() -> None:
    slow = Check(type="http_200", interval_ms=1200)
    made, _ = phase(step("a"), checks=(slow, CHECKS[1]), rollback_if="")
    assert [watch.every for watch in watches_of(made, None)] == [3, 1]


# ---- what is refused at the door ---------------------------------------------------------------


def problems(**fields: object) -> list[str]:
    return [path for path, _ in problems_of(plan(phase(step("a"), **fields)))]  # type: ignore[arg-type]


def test_a_sound_plan_has_no_problems() -> None:
    assert problems(checks=CHECKS) == []


def test_a_condition_that_nobody_can_follow_is_named() -> None:
    assert problems(rollback_if="when people say so") == ["/header/phases/0/rollback_if"]
    assert problems(rollback_if="queue_depth > 5") == ["/header/phases/0/rollback_if"]


def test_metrics_of_ones_own_have_names_of_their_own() -> None:
    def named(*names: str) -> tuple[Check, ...]:
        return tuple(
            Check(type="custom_metric", name=name, query="q", threshold="< 1") for name in names
        )

    assert problems(checks=named("queue"), rollback_if="queue > 5") == []
    for taken in (("error_rate",), ("or",), ("queue", "queue")):
        assert "/header/phases/0/checks" in problems(checks=named(*taken), rollback_if="")


def test_a_time_zone_that_there_is_not_is_named() -> None:
    nowhere = MaintenanceWindow(start="01:00", end="02:00", timezone="Nowhere/Atlantis")
    assert problems(maintenance=nowhere) == ["/header/phases/0/maintenance/timezone"]
    whole = plan(phase(step("a")), maintenance=nowhere)
    assert [path for path, _ in problems_of(whole)] == ["/header/maintenance/timezone"]


# ---- maintenance windows -----------------------------------------------------------------------

BERLIN = MaintenanceWindow(start="22:00", end="04:00", timezone="Europe/Berlin")
MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
TIMES = st.times().map(lambda time: time.strftime("%H:%M"))
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati"])


def test_a_window_over_midnight_is_one_window() -> None:
    for hour, expected in ((21, False), (22, True), (23, True), (0, True), (3, True), (4, False)):
        there = datetime(
            2026, 3, 10, hour, 30 if hour != 4 else 0, tzinfo=ZoneInfo("Europe/Berlin")
        )
        assert is_open(BERLIN, there.astimezone(UTC)) is expected, hour


@given(TIMES, TIMES, ZONES, MOMENTS)
def test_when_a_window_opens_it_is_open_and_was_not_before(
    start: str, end: str, zone: str, now: datetime
) -> None:
    window = MaintenanceWindow(start=start, end=end, timezone=zone)
    opens = opens_at(window, now)
    assert now < opens <= now + timedelta(hours=49)
    assert is_open(window, opens)
    if start != end and not is_open(window, now):
        assert not is_open(window, opens - timedelta(seconds=1))


# ---- what was stored before --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "plan_hash"),
    [
        ("plan.v1.json", "6a967a782660bfd101999c21f2d8eaea7d44c633c9b64ad198572a68d58bf91d"),
        ("plan.v1.words.json", "6e8bee0708b75d1d67a3eb48cc19a4055dcb70af6e0a5b8c8e6ccad59c303967"),
    ],
)
def test_a_plan_of_a_time_before_the_new_fields_keeps_its_bytes_and_its_hash(
    name: str, plan_hash: str
) -> None:
    document = (GOLDEN / name).read_bytes()
    read = Plan.read(document, plan_hash=f"sha256:{plan_hash}")
    assert read.document() == document
    assert seal(read)[0] == f"sha256:{plan_hash}"


def test_what_says_nothing_new_is_written_as_ever_and_what_does_is_written() -> None:
    old = {"steps", "name", "order", "parallelism", "wait_ms", "checks", "rollback_if"}
    plain, _ = phase(step("a"), checks=CHECKS)
    assert set(plain.model_dump(mode="json")) == old
    assert all(
        set(check.model_dump(mode="json"))
        <= {"type", "target", "threshold", "window_ms", "interval_ms", "failure_limit"}
        for check in plain.checks
    )
    for field, value in (("batch", 3), ("timeout_ms", 60_000), ("on_timeout", "roll_back")):
        made, _ = phase(step("a"), checks=CHECKS, **{field: value})  # type: ignore[arg-type]
        assert set(made.model_dump(mode="json")) == old | {field}
        whole = plan((made, (step("a"),)))
        assert Plan.read(whole.document(), plan_hash=whole.hash()) == whole


def test_a_field_that_nobody_here_knows_is_refused_wherever_it_stands() -> None:
    """So does an older service with a plan that uses what came after it."""
    whole = plan(phase(step("a"), checks=CHECKS))
    for place in (b'"number":1,', b'"parallelism":1,', b'"failure_limit":0,'):
        later = whole.document().replace(place, b'"newer":1,' + place, 1)
        assert later != whole.document()
        with pytest.raises(Malformed, match="is no plan"):
            Plan.read(later, plan_hash=whole.hash())


def test_a_new_field_spelled_out_at_its_default_is_not_canonical() -> None:
    whole = plan(phase(step("a")))
    spelled = whole.document().replace(b'"number":1,', b'"max_run_ms":14400000,"number":1,')
    assert spelled != whole.document()
    with pytest.raises(Malformed, match="not in canonical form"):
        Plan.read(spelled, plan_hash=whole.hash())
