# ruff: noqa: INP001, S603 - a script, not a package; it runs what it names itself
"""Run each service's unit tests where nothing but its own dependencies exists.

`.venv/bin/python scripts/isolated.py [service ...]`: for each service an environment of its own is
made below `.venv/isolated`, with what its `pyproject.toml` names, what that needs in turn, in the
versions of `requirements.lock`, and the test runner. A forgotten dependency, or an import of a
neighbour, shows there and nowhere else. Needs `make setup`; exits with 1 if any test fails.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import bootstrap

TESTS = {
    "planner": "test_planner_*.py",
    "policy": "test_policy_[abdgmpst]*.py",
    "runner": "test_runner_[dopw]*.py",
    "tool_gateway": "test_gateway_*.py",
    "audit": "test_audit_*.py",
}
"""Of each service, below `tests/unit`."""

RUNNER = ("pytest", "pytest-asyncio", "pytest-timeout", "hypothesis")
"""What any test needs."""

HOME = bootstrap.VENV / "isolated"


def main(services: list[str]) -> int:
    """Make the environments, and run the tests; says per service how that went."""
    unknown = set(services) - set(TESTS)
    if unknown:
        sys.stderr.write(f"no such service: {', '.join(sorted(unknown))}\n")
        return 2
    outcomes = []
    for service in services or TESTS:
        began = time.monotonic()
        works = run_in(service, make(service))
        outcomes.append((service, works, time.monotonic() - began))
    for service, works, seconds in outcomes:
        sys.stdout.write(f"{service:<14}{'ok' if works else 'FAILED':<8}{seconds:5.1f} s\n")
    return 0 if all(works for _, works, _ in outcomes) else 1


def make(service: str) -> Path:
    """Make a service's environment anew; returns its interpreter."""
    place = HOME / service
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run(
        [bootstrap.UV, "venv", "--quiet", "--python", bootstrap.PYTHON, place],
        env=bootstrap.tool_environment(),
        check=True,
    )
    python = place / "bin" / "python"
    ours, theirs = closure(bootstrap.ROOT / "services" / service)
    install(python, [*sorted(theirs), *RUNNER], "--constraint", str(constraints()))
    editable = [part for member in ours for part in ("--editable", str(member))]
    backend = ["--requirement", str(bootstrap.BUILD_BACKEND)]
    install(python, backend, "--constraint", str(constraints()))
    install(python, editable, "--no-deps", "--no-build-isolation")
    return python


def closure(member: Path) -> tuple[list[Path], set[str]]:
    """A package with those of ours that it needs, and what all of them need of others."""
    by_name = {bootstrap.name_of(other): other for other in bootstrap.members()}
    ours, theirs, open_ends = [], set(), [member]
    while open_ends:
        current = open_ends.pop()
        if current in ours:
            continue
        ours.append(current)
        for wanted in bootstrap.toml(current / "pyproject.toml")["project"]["dependencies"]:
            name = re.split(r"[^A-Za-z0-9._-]", wanted, maxsplit=1)[0]
            if name in by_name:
                open_ends.append(by_name[name])
            else:
                theirs.add(wanted)
    return ours, theirs


def constraints() -> Path:
    """The lock's versions without its hashes, which a constraint may not carry for a part."""
    HOME.mkdir(exist_ok=True)
    path = HOME / "constraints.txt"
    pins = re.findall(r"^[A-Za-z0-9][^ ]*==[^\\\n]*", bootstrap.LOCK.read_text(), re.MULTILINE)
    path.write_text("\n".join(pins) + "\n")
    return path


def install(python: Path, what: list[str], *options: str) -> None:
    """Install into an environment, from the same index as everything else."""
    command = [bootstrap.UV, "pip", "install", "--quiet", "--python", python, *options, *what]
    subprocess.run(command, env=bootstrap.tool_environment(), check=True)


def run_in(service: str, python: Path) -> bool:
    """Run the unit tests of a service; whether all passed, and there were some."""
    files = sorted((bootstrap.ROOT / "tests" / "unit").glob(TESTS[service]))
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    return subprocess.run(command, cwd=bootstrap.ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
