"""The small forms of `bench append`, `rebuild` and `growth`: that they measure right."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from benchmarks.bench.append import APPEND, not_slow
from benchmarks.bench.rebuild import REBUILD
from benchmarks.lib.commit_floors import bare_commits, commits_under_lock, slow_commits
from benchmarks.lib.growth_bars import judge_growth
from benchmarks.lib.growth_probes import probe
from benchmarks.lib.histories import mixed
from benchmarks.lib.log_filling import chain_problem, fill, prepare_filling, stored_tasks
from benchmarks.lib.log_reads import blocks_per_look_up, rows_read
from benchmarks.lib.scratch_log import scratch_log

DELAY_MS = 20.0


async def test_a_slow_commit_is_slow_while_it_holds_its_locks(tmp_path: Path) -> None:
    async with scratch_log(tmp_path) as log:
        dsn = log.server.dsn()
        await slow_commits(log.admin, DELAY_MS)
        _, p50_ms = await bare_commits(dsn, 0.4)
        assert p50_ms >= DELAY_MS
        assert await commits_under_lock(dsn, 2, 0.6) <= 1000 / DELAY_MS * 1.1
        await slow_commits(log.admin, 0)
        assert (await bare_commits(dsn, 0.4))[1] < DELAY_MS


def test_commits_that_do_not_wait_under_the_lock_make_a_run_void() -> None:
    slow: dict[str, float] = {"commit_p50_ms": 5.2, "commits_under_lock_per_s_by_two": 190}
    cells: dict[str, dict[str, float | None]] = {"16": {"commits_per_s": 195}}
    assert not_slow(5, slow, cells) is None
    assert not_slow(5, {**slow, "commits_under_lock_per_s_by_two": 380}, cells)
    assert not_slow(5, slow, {"16": {"commits_per_s": 380}})
    assert not_slow(5, {**slow, "commit_p50_ms": 0.6}, cells)


def test_a_log_that_costs_more_as_it_grows_is_told_and_a_busy_machine_is_not_to_blame() -> None:
    same = dict.fromkeys(("append_p50", "task_p50", "house_cpu_ms_per_task"), 1.1)
    quiet = {"other_cpus_busy": 0.1, "house_other_cpus_busy": 0.0}

    def judged(ratios: dict[str, float], busy: float = 0.0) -> tuple[int, int]:
        point = {**quiet, "house_other_cpus_busy": busy, "control": quiet, "stored_tasks": 9}
        broken: list[str] = []
        void: list[str] = []
        judge_growth(
            [{**point, "ratios": {**same, "rows_read_per_unit": 1, **ratios}}], broken, void
        )
        return len(broken), len(void)

    assert judged({}) == (0, 0)
    assert judged({"task_p50": 1.4}) == (1, 0)
    assert judged({"task_p50": 1.4}, busy=1.0) == (0, 1)
    assert judged({"rows_read_per_unit": 1.2}, busy=1.0) == (1, 0)


async def test_every_writer_is_counted() -> None:
    options = Namespace(
        processes=[1, 2], delays=[0.0, 2.0], in_flight=4, seconds=0.3, rounds=1, quiet=0.0
    )
    outcome = await APPEND.run(options)
    assert outcome is not None
    assert "slower under the lock" not in (outcome.void or "")  # Others may be at work.
    by_delay: Any = outcome.figures["by_delay_ms"]
    assert list(by_delay) == ["0", "2"]
    for found in by_delay.values():
        for cell in (found["1"], found["2"]):
            assert 1 <= cell["units_per_commit"] <= 4
            assert 0 < cell["lock_held"] <= 1
            assert cell["units_per_s"] > 0
            assert abs(cell["events_per_s"] - 2 * cell["units_per_s"]) <= 1  # Each is rounded.


async def test_a_rebuild_brings_back_what_was_projected() -> None:
    outcome = await REBUILD.run(Namespace(tasks=5, rounds=1, load=20.0, quiet=0.0))
    assert outcome is not None
    events = sum(len(said.events) for story in mixed(5) for said in story.said)
    assert outcome.figures["events"] == events
    assert not [each for each in outcome.violations if "rows" in each]
    under_load: Any = outcome.figures["under_load"]
    assert under_load["events"] > events


async def test_a_filled_log_is_a_valid_one_with_which_all_go_on(tmp_path: Path) -> None:
    async with scratch_log(tmp_path) as log:
        await prepare_filling(log)
        await fill(log, 130)
        await fill(log, 20)
        assert await chain_problem(log) is None
        assert (await log.head(), await stored_tasks(log)) == (151 * 23, 151)
        for table, rows in (("runs", 1), ("plans", 1), ("tool_calls", 3)):
            count = await log.admin.fetchval(f"select count(*) from smartops.{table}")
            assert count == 151 * rows, table
        before = await rows_read(log.admin)
        async with probe(log) as found:
            await found.look()
        assert found.units < await rows_read(log.admin) - before < 100 * found.units
        assert set((await blocks_per_look_up(log.admin)).values()) <= {1, 2, 3}
        assert found.tail["events"] == await log.head() - 151 * 23 - 115 * 23
        assert await chain_problem(log) is None
