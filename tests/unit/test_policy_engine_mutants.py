"""The bundle's cases notice every rule that is taken out of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from smartops.policy_engine import Bundle, BundleRefused, RegorusEngine, default_bundle_path

BUNDLE = Bundle.read(default_bundle_path())
MODULES = [path for path in BUNDLE.files if path.endswith(".rego")]


def mutants(text: str) -> Iterator[tuple[str, str]]:
    """Each rule of a module, and the module without it."""
    for block in text.split("\n\n"):
        code = [line for line in block.splitlines() if line and not line.startswith("#")]
        if code and not code[0].startswith(("package ", "import ")):
            assert text.count(block) == 1, f"two rules are written alike: {block}"
            yield "\n".join(code), text.replace(block, "")


def refused(path: str, mutant: str) -> bool:
    """Whether the bundle is not put in force: by the module's own cases, which is quick, or all."""
    others = {f"{name}.cases.json" for name in ("bases", path.removesuffix(".rego"))}
    changed = {**BUNDLE.files, path: mutant.encode()}
    few = {
        name: content
        for name, content in changed.items()
        if not name.endswith(".cases.json") or name in others
    }
    for files in (few, changed):
        try:
            RegorusEngine(Bundle(files))
        except BundleRefused:
            return True
    return False


@pytest.mark.parametrize("path", MODULES)
def test_no_rule_can_be_taken_out_unnoticed(path: str) -> None:
    """One at a time: the bundle is refused at load, by a case or by what refers to the rule."""
    unnoticed = [rule for rule, mutant in mutants(BUNDLE.text(path)) if not refused(path, mutant)]
    assert unnoticed == []
