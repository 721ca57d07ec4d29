"""Levels: they fall by what happens, as often as it happens, and rise by a person alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from smartops.contracts.autonomy import ANY
from smartops.contracts.canonical import digest
from smartops.contracts.commands import AutonomyLower, AutonomyRaise
from smartops.contracts.events import AutonomyChanged, AutonomyDefaultSet
from smartops.contracts.folds import (
    AutonomyDefault,
    AutonomyScope,
    AutonomyView,
    effective_level,
    evolve_autonomy,
    evolve_autonomy_default,
    plan_level,
)
from smartops.contracts.wire import Environment
from smartops.policy.agents.autonomy import (
    Why,
    drifted,
    fall,
    lower,
    lower_all,
    raise_level,
    step_down,
)
from smartops.runtime.decision import Decision
from support.given import Given, given

DEFAULT = AutonomyDefault(production=1, elsewhere=2)
TOOL = digest(b"the tool")
OTHER = digest(b"the tool, changed")
VERSIONS, TOOLS = ("1.0.0", "2.0.0"), ("restart", "patch")
ENVIRONMENTS = ("production", "staging")
EVENT, TASK = uuid4(), uuid4()
BACK = Why("rollback", "unhealthy", EVENT, TASK)
ANA = Why("raised", "it has earned it", command=uuid4(), principal="ana", actor=uuid4())


def scope(
    version: str = "1.0.0", tool: str = "restart", environment: str = "staging"
) -> AutonomyScope:
    return AutonomyScope(version, tool, environment)


def said(
    where: AutonomyScope, level: int, before: int | None = None, **more: Any
) -> AutonomyChanged:
    return AutonomyChanged(
        agent="drift",
        agent_version=where.version,
        tool=where.tool,
        environment=where.environment,
        level=level,
        before=before,
        rule=more.pop("rule", "lowered"),
        reason="so it was",
        **more,
    )


def levels(*history: AutonomyChanged) -> Given[AutonomyView]:
    return given(AutonomyView(), evolve_autonomy, *history)


def ask(command: type[Any], where: AutonomyScope, level: int) -> Any:
    return command(
        agent="drift",
        agent_version=where.version,
        tool=where.tool,
        environment=where.environment,
        level=level,
        reason="because",
    )


def raising(where: AutonomyScope, level: int, tool: str | None = TOOL) -> Any:
    return lambda view: raise_level(view, DEFAULT, ask(AutonomyRaise, where, level), tool, ANA)


def lowering(where: AutonomyScope, level: int) -> Any:
    return lambda view: lower(view, DEFAULT, ask(AutonomyLower, where, level), ANA)


def stepping(*tools: str, environment: Environment = Environment.STAGING) -> Any:
    return lambda view: Decision(
        step_down(view, DEFAULT, "drift", "1.0.0", tools, environment, BACK)
    )


# --- What holds -----------------------------------------------------------------------------


def test_without_a_word_the_default_of_the_environment_holds() -> None:
    view = AutonomyView()
    assert effective_level(view, DEFAULT, scope(environment="production")) == 1
    assert effective_level(view, DEFAULT, scope(environment="sandbox")) == 2


def test_an_exact_level_holds_before_all_caps() -> None:
    view = levels(said(scope(ANY, ANY, ANY), 0), said(scope(), 2)).state
    assert effective_level(view, DEFAULT, scope()) == 2
    assert effective_level(view, DEFAULT, scope(tool="patch")) == 0


def test_a_narrower_cap_replaces_a_wider_one() -> None:
    view = levels(said(scope(ANY, ANY, ANY), 0), said(scope(ANY, ANY, "staging"), 2)).state
    assert effective_level(view, DEFAULT, scope()) == 2
    assert effective_level(view, DEFAULT, scope(environment="sandbox")) == 0


def test_of_caps_that_do_not_lie_within_each_other_the_lowest_holds() -> None:
    view = levels(said(scope("1.0.0", ANY, ANY), 2), said(scope(ANY, "restart", ANY), 0)).state
    assert effective_level(view, DEFAULT, scope()) == 0


def test_a_cap_gives_no_more_than_the_default() -> None:
    view = levels(said(scope(ANY, ANY, ANY), 2)).state
    assert effective_level(view, DEFAULT, scope(environment="production")) == 1


def test_a_plan_has_the_lowest_level_of_its_write_tools() -> None:
    view = levels(said(scope(tool="patch"), 1)).state
    assert plan_level(view, DEFAULT, "1.0.0", {"restart", "patch"}, "staging") == 1
    assert plan_level(view, DEFAULT, "1.0.0", {"restart"}, "staging") == 2
    assert plan_level(view, DEFAULT, "1.0.0", (), "staging") == 2


def test_the_default_is_what_was_said_last() -> None:
    default = evolve_autonomy_default(DEFAULT, AutonomyDefaultSet(production=0, elsewhere=1))
    assert (default.of("production"), default.of("staging"), default.of(ANY)) == (0, 1, 1)
    assert default.said
    assert evolve_autonomy_default(default, said(scope(), 1)) == default


# --- Falls ----------------------------------------------------------------------------------


def test_a_rollback_costs_each_tool_of_the_plan_a_level() -> None:
    levels().when(stepping("restart", "patch")).then(
        said(scope(tool="patch"), 1, 2, rule="rollback", event=EVENT, task=TASK).model_copy(
            update={"reason": "unhealthy"}
        ),
        said(scope(), 1, 2, rule="rollback", event=EVENT, task=TASK).model_copy(
            update={"reason": "unhealthy"}
        ),
    )


def test_what_falls_by_itself_stops_at_suggesting() -> None:
    levels(said(scope(), 1)).when(stepping("restart")).then_nothing()
    levels().when(stepping("restart", environment=Environment.PRODUCTION)).then_nothing()


def test_a_breach_takes_all_there_is_of_the_version_in_its_environment() -> None:
    why = Why("breach", "it went beyond its grant", EVENT, TASK)
    before = levels(said(scope(), 3, rule="raised", tool_digest=TOOL))
    after = before.when(
        lambda view: Decision(fall(view, DEFAULT, "drift", "1.0.0", Environment.STAGING, why))
    ).after.state
    assert plan_level(after, DEFAULT, "1.0.0", {"restart"}, "staging") == 0
    assert plan_level(after, DEFAULT, "1.0.0", {"patch"}, "staging") == 0
    assert plan_level(after, DEFAULT, "1.0.0", {"restart"}, "production") == 1
    assert plan_level(after, DEFAULT, "2.0.0", {"restart"}, "staging") == 2


def test_a_raised_level_falls_when_the_tool_has_become_another() -> None:
    before = levels(said(scope(), 3, rule="raised", tool_digest=TOOL))

    def meet(tool: str) -> Any:
        return lambda view: Decision(
            drifted(view, DEFAULT, "drift", "1.0.0", {"restart": tool}, Environment.STAGING)
        )

    before.when(meet(TOOL)).then_nothing()
    fallen = before.when(meet(OTHER))
    assert [(e.level, e.before, e.rule) for e in fallen.events] == [(2, 3, "drift")]  # type: ignore[attr-defined]
    fallen.after.when(meet(OTHER)).then_nothing()


def test_a_level_that_was_never_raised_does_not_drift() -> None:
    view = levels(said(scope(), 2)).state
    assert not drifted(view, DEFAULT, "drift", "1.0.0", {"restart": OTHER}, Environment.STAGING)


def test_what_is_left_of_a_raised_level_still_drifts() -> None:
    highest = AutonomyDefault(production=0, elsewhere=0)
    view = levels(said(scope(), 3, rule="raised", tool_digest=TOOL)).state
    [fallen] = step_down(view, highest, "drift", "1.0.0", ["restart"], Environment.STAGING, BACK)
    assert fallen.tool_digest == TOOL
    after = evolve_autonomy(view, fallen)
    [again] = drifted(after, highest, "drift", "1.0.0", {"restart": OTHER}, Environment.STAGING)
    assert (again.level, again.tool_digest) == (1, OTHER)


# --- People ---------------------------------------------------------------------------------


def test_a_person_raises_by_one_level_for_the_tool_as_it_is() -> None:
    raised = levels().when(raising(scope(), 3))
    [event] = raised.events
    assert isinstance(event, AutonomyChanged)
    assert (event.level, event.before, event.tool_digest) == (3, 2, TOOL)
    assert (event.rule, event.principal, event.actor) == ("raised", "ana", ANA.actor)


@pytest.mark.parametrize(
    ("where", "level", "code", "field"),
    [
        (scope(), 4, "switched_off", "level"),
        (scope(environment="production"), 3, "too_high", "level"),
        (scope(), 1, "not_higher", "level"),
        (scope(version=ANY), 3, "too_wide", "agent_version"),
        (scope(tool=ANY), 3, "too_wide", "tool"),
        (scope(environment=ANY), 3, "too_wide", "environment"),
    ],
)
def test_a_raise_that_may_not_be_is_refused(
    where: AutonomyScope, level: int, code: str, field: str
) -> None:
    levels().when(raising(where, level)).then_refused(code, field)


def test_nobody_skips_a_level() -> None:
    levels(said(scope(), 0)).when(raising(scope(), 2)).then_refused("too_far", "level")


def test_a_tool_that_is_not_there_is_not_raised() -> None:
    levels().when(raising(scope(), 3, tool=None)).then_refused("not_found", "tool")


def test_a_cap_is_raised_as_far_as_the_default() -> None:
    wide = scope(ANY, ANY, "staging")
    once = levels(said(wide, 0)).when(raising(wide, 1, tool=None)).then(AutonomyChanged)
    twice = once.after.when(raising(wide, 2, tool=None)).then(AutonomyChanged)
    twice.after.when(raising(wide, 3, tool=None)).then_refused("too_wide", "agent_version")


def test_what_is_so_already_is_answered() -> None:
    decision = levels().when(raising(scope(), 2)).decision
    assert decision.answer is not None
    assert decision.answer.outcome == "unchanged"
    decision = levels(said(scope(), 1)).when(lowering(scope(), 1)).decision
    assert decision.answer is not None


def test_who_lowers_a_scope_lowers_what_lies_within_it() -> None:
    before = levels(said(scope(), 3), said(scope(environment="production"), 2))
    after = before.when(lowering(scope(ANY, ANY, "staging"), 0))
    assert [(e.tool, e.environment, e.level, e.rule) for e in after.events] == [  # type: ignore[attr-defined]
        (ANY, "staging", 0, "raised"),
        ("restart", "staging", 0, "covered"),
    ]


def test_a_cap_that_crosses_the_lowered_scope_does_not_pass_it_by() -> None:
    """Found by the machine below: the scope as a whole was as low already, a part of it was not."""
    before = levels(said(scope("1.0.0", ANY, ANY), 0), said(scope("1.0.0", "restart", ANY), 1))
    cell = scope(environment="production")
    assert effective_level(before.state, DEFAULT, cell) == 1
    after = before.when(lowering(scope("1.0.0", ANY, "production"), 0)).after.state
    assert effective_level(after, DEFAULT, cell) == 0


def test_lowering_goes_down_at_once_and_never_up() -> None:
    levels().when(lowering(scope(), 0)).then(AutonomyChanged)
    levels(said(scope(), 0)).when(lowering(scope(), 1)).then_refused("not_lower", "level")
    levels().when(lowering(scope(), 4)).then_refused("switched_off", "level")


# --- Whatever happens -----------------------------------------------------------------------

CELLS = [
    AutonomyScope(version, tool, environment)
    for version in VERSIONS
    for tool in TOOLS
    for environment in ENVIRONMENTS
]
SCOPES = st.builds(
    AutonomyScope,
    st.sampled_from((*VERSIONS, ANY)),
    st.sampled_from((*TOOLS, ANY)),
    st.sampled_from((*ENVIRONMENTS, ANY)),
)
LEVELS = st.integers(0, 4)
ACTS = st.one_of(
    st.tuples(st.just("raise"), SCOPES, LEVELS),
    st.tuples(st.just("lower"), SCOPES, LEVELS),
    st.tuples(st.just("fall"), st.sampled_from(CELLS), st.just(0)),
    st.tuples(st.just("step"), st.sampled_from(CELLS), st.just(0)),
    st.tuples(st.just("drift"), st.sampled_from(CELLS), st.integers(0, 1)),
)
Act = tuple[str, AutonomyScope, int]


def act(view: AutonomyView, what: Act) -> Sequence[Any]:
    kind, where, level = what
    environment = Environment(where.environment) if where.exact else Environment.STAGING
    match kind:
        case "raise":
            return raising(where, level)(view).events  # type: ignore[no-any-return]
        case "lower":
            return lowering(where, level)(view).events  # type: ignore[no-any-return]
        case "fall":
            return fall(view, DEFAULT, "drift", where.version, environment, BACK)
        case "step":
            return step_down(view, DEFAULT, "drift", where.version, [where.tool], environment, BACK)
        case _:
            tools = {where.tool: (TOOL, OTHER)[level]}
            return drifted(view, DEFAULT, "drift", where.version, tools, environment)


def holds(view: AutonomyView) -> dict[AutonomyScope, int]:
    return {cell: effective_level(view, DEFAULT, cell) for cell in CELLS}


@drawn(st.lists(ACTS, max_size=25))
def test_levels_rise_by_a_person_alone_one_at_a_time_and_no_higher_than_they_may(
    acts: list[Act],
) -> None:
    view = AutonomyView()
    for what in acts:
        before, events = holds(view), act(view, what)
        for event in events:
            view = evolve_autonomy(view, event)
        after = holds(view)
        for cell in CELLS:
            if what[0] != "raise":
                assert after[cell] <= before[cell]
            elif after[cell] > before[cell]:
                assert what[1].covers(cell)
                assert after[cell] == before[cell] + 1
            assert after[cell] <= (2 if cell.environment == "production" else 3)
            if after[cell] > DEFAULT.of(cell.environment):
                assert view.said[cell].tool_digest in (TOOL, OTHER)


@drawn(st.lists(ACTS, max_size=20), SCOPES, st.integers(0, 3))
def test_after_a_lowering_nothing_within_is_higher(
    acts: list[Act], where: AutonomyScope, level: int
) -> None:
    view = AutonomyView()
    for what in acts:
        for event in act(view, what):
            view = evolve_autonomy(view, event)
    for change in lower_all(view, DEFAULT, "drift", where, level, BACK):
        view = evolve_autonomy(view, change)
    assert all(level_ <= level for cell, level_ in holds(view).items() if where.covers(cell))
    assert not lower_all(view, DEFAULT, "drift", where, level, BACK), "twice is once"


@drawn(st.lists(ACTS, max_size=20))
def test_what_an_event_says_was_before_was_so(acts: list[Act]) -> None:
    """So `show --at` can tell from any prefix of the log what held, and what took it away."""
    view = AutonomyView()
    for what in acts:
        events = act(view, what)
        for event in events:
            cell = AutonomyScope(event.agent_version, event.tool, event.environment)
            assert event.before == effective_level(view, DEFAULT, cell)
        for event in events:
            view = evolve_autonomy(view, event)
