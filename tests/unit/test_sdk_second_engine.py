"""The engine beside the command line: what it says, and that it is not waited for without end."""

from __future__ import annotations

from pathlib import Path

import pytest
from smartops.sdk import second_engine
from smartops.sdk.second_engine import BundleRefused, EngineMissing, SecondEngine

POLICIES = Path(__file__).resolve().parents[2] / "infra" / "policies"


async def test_the_bundle_of_the_release_is_the_one_of_its_folder() -> None:
    async with SecondEngine() as engine:
        shipped = await engine.load(shipped=True)
        loaded = await engine.load(directory=str(POLICIES))
    assert shipped.digest == loaded.digest
    assert loaded.failures == ()
    assert loaded.cases > 250


async def test_what_is_no_bundle_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.rego").write_text("package smartops.plan\nx :=", encoding="utf-8")
    async with SecondEngine() as engine:
        with pytest.raises(BundleRefused, match=r"a\.rego"):
            await engine.load(directory=str(tmp_path))


@pytest.mark.parametrize(
    ("name", "value", "told"), [("_PATIENCE_S", 0.001, "no answer in"), ("_LONGEST_LINE", 10, "")]
)
async def test_an_engine_that_gives_no_fit_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, name: str, value: float, told: str
) -> None:
    monkeypatch.setattr(second_engine, name, value)
    async with SecondEngine() as engine:
        with pytest.raises(BundleRefused, match=f"not fit to decide anything: {told}"):
            await engine.load(directory=str(POLICIES))


async def test_without_an_engine_it_is_said_what_is_missing() -> None:
    with pytest.raises(EngineMissing, match="Install smartops-policy"):
        await SecondEngine().load(directory=str(POLICIES))
