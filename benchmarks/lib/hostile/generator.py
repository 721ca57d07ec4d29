"""Hostile calls by composition: an honest request, and one to three things wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from smartops.contracts.wire import Purpose

from benchmarks.lib.hostile.drafts import Case, Draft, Mutation
from benchmarks.lib.hostile.other_mutations import LOOKS, UNDOS
from benchmarks.lib.hostile.scenes import Kind, Scene
from benchmarks.lib.hostile.step_mutations import STEPS

__all__ = ["UNDER_ATTACK", "Generator"]

UNDER_ATTACK: dict[Kind, frozenset[str]] = {
    Kind.REVOKED: frozenset({"revoked"}),
    Kind.HALTED: frozenset({"halted"}),
    Kind.CANCELLED: frozenset({"cancelled"}),
    Kind.EXPIRED: frozenset({"expired"}),
    # The first call beyond the envelope makes policy revoke the grant.
    Kind.FEW_CALLS: frozenset({"outside_envelope", "revoked"}),
    Kind.FEW_TARGETS: frozenset({"outside_envelope", "revoked"}),
    Kind.UNMEASURED: frozenset({"not_measured"}),
    Kind.NOT_BEGUN: frozenset({"not_requested"}),
    Kind.MISGRANTED: frozenset({"grant_mismatch"}),
    Kind.ENDED: frozenset({"run_ended"}),
    Kind.REVIVED: frozenset({"run_ended"}),
    Kind.SKIPPED: frozenset({"phase_order"}),
    Kind.ROLLING_BACK: frozenset({"rolling_back"}),
}
"""How a step is denied that is as approved, in a run of such a kind."""

_NOTHING_IS_TAKEN_BACK = frozenset({Kind.HALTED, Kind.ENDED, Kind.REVIVED})
"""Runs that are owed no undo any more."""

_NUMBER_OF_WRONGS = (1, 1, 1, 2, 2, 3)
_UNDO_SHARE, _LOOK_SHARE, _REPEAT_SHARE, _AGAIN_SHARE = 0.15, 0.2, 0.06, 0.06
_TRIES = 20
_PLAIN_SHARE = 0.4
"""Of calls in a run that is not live: nothing is wrong with them but that."""


class Generator:
    """Makes cases for scenes; the same ones for the same seed and scenes.

    Args:
        random: of all choices.
        victim: a server that nobody has business with.
    """

    def __init__(self, random: Random, victim: str) -> None:
        self._random = random
        self._victim = victim

    def case(self, scene: Scene, others: Sequence[Scene]) -> Case | None:
        """The next hostile call of a run; None when nothing fits its state."""
        for _ in range(_TRIES):
            case = self._any(scene, others)
            # Of a call that was decided on nothing more is heard: those are repeats, on purpose.
            if case is not None and (not case.codes or case.request.call not in scene.burnt):
                return case
        return None

    def _any(self, scene: Scene, others: Sequence[Scene]) -> Case | None:
        if self._random.random() < _AGAIN_SHARE:
            return self._once_more(scene)
        lot = self._random.random()
        if lot < _REPEAT_SHARE and scene.asked:
            return self._repeat(scene)
        if lot < _REPEAT_SHARE + _UNDO_SHARE and scene.reversible():
            return self._undo(scene, others)
        if lot < _REPEAT_SHARE + _UNDO_SHARE + _LOOK_SHARE:
            fields = scene.looking(self._random.choice(scene.plan.targets()))
            begun = scene.kind is not Kind.NOT_BEGUN
            codes = frozenset[str]() if begun else UNDER_ATTACK[Kind.NOT_BEGUN]
            return self._wrong(self._draft(scene, fields, others), LOOKS, codes, ())
        return self._step(scene, others)

    def _step(self, scene: Scene, others: Sequence[Scene]) -> Case | None:
        step = scene.due() or self._random.choice(scene.steps(scene.phase))
        draft = self._draft(scene, scene.asking(step), others)
        codes = UNDER_ATTACK.get(scene.kind, frozenset())
        kinds = () if scene.kind is Kind.LIVE else (str(scene.kind),)
        if kinds and scene.due() is not None and self._random.random() < _PLAIN_SHARE:
            return Case(kinds, codes, draft.request(), draft.stream)
        if step.id in scene.done:
            # All of the phase is done: to ask for any of it is to ask once more.
            kinds, codes = (*kinds, "once more"), codes | {"attempt_not_due"}
        return self._wrong(draft, STEPS, codes, kinds)

    def _undo(self, scene: Scene, others: Sequence[Scene]) -> Case | None:
        fields = scene.taking_back(self._random.choice(scene.reversible()))
        codes, kinds = frozenset[str](), tuple[str, ...]()
        draft = self._draft(scene, fields, others)
        if scene.kind in _NOTHING_IS_TAKEN_BACK:
            codes, kinds = UNDER_ATTACK[scene.kind], (f"undo of the {scene.kind}",)
            if self._random.random() < _PLAIN_SHARE:
                return Case(kinds, codes, draft.request(), draft.stream)
        return self._wrong(draft, UNDOS, codes, kinds)

    def _once_more(self, scene: Scene) -> Case | None:
        """A step that was done, as the attempt behind those that were denied; nothing else."""
        done = [step for step in scene.steps(scene.phase) if step.id in scene.done]
        if not done:
            return None
        step = max(done, key=lambda one: scene.attempt(one.id, Purpose.DO))
        request = self._draft(scene, scene.asking(step), ()).request()
        codes = UNDER_ATTACK.get(scene.kind, frozenset()) | {"attempt_not_due"}
        return Case(("once more behind denials",), codes, request, scene.name)

    def _repeat(self, scene: Scene) -> Case:
        """The very call again, as it was or as another."""
        request = self._random.choice(scene.asked)
        kind = "the same again"
        if self._random.random() < 0.5:
            kind = "the same id for another call"
            request = request.model_copy(
                update={"target": self._victim, "attempt": request.attempt + 1}
            )
        return Case((kind,), frozenset(), request, scene.name)

    def _draft(self, scene: Scene, fields: dict[str, object], others: Sequence[Scene]) -> Draft:
        return Draft(scene, fields, self._random, tuple(others), self._victim, scene.name)

    def _wrong(
        self,
        draft: Draft,
        mutations: Sequence[Mutation],
        codes: frozenset[str],
        kinds: tuple[str, ...],
    ) -> Case | None:
        wanted = self._random.choice(_NUMBER_OF_WRONGS)
        touched: set[str] = set()
        done = 0
        for mutation in self._random.sample(mutations, len(mutations)):
            if done == wanted:
                break
            if touched.isdisjoint(mutation.touches) and mutation.apply(draft):
                touched |= mutation.touches
                codes |= mutation.codes
                kinds = (*kinds, mutation.name)
                done += 1
        if not done:
            return None
        return Case(kinds, codes, draft.request(), draft.stream)
