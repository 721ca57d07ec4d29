"""Coverage-guided fuzzing of everything that reads bytes from outside.

    .venv/bin/python tests/fuzz/fuzz_contracts.py --seconds 60
    .venv/bin/python tests/fuzz/fuzz_contracts.py --replay findings/crash-...

Starts from the golden events, a message per command, a plan, and a subject of each kind. Ends with
0 and a line of figures when the time is over; at the first finding with 1, after writing the input
to a file and telling which reader it was for. Needs atheris, which is there for Linux on x86-64.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
FINDINGS = Path("fuzz-findings")
"""Where inputs are kept that broke something; below the working directory."""

_SECONDS_FOR_ONE_INPUT = 10
_MEGABYTES = 2048
_LONGEST = 8192
"""Bytes of an input; a golden event has about 1,500."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz for a while, or replay one input.

    The search runs in a child process: libFuzzer ends the process that it runs in.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="how long to search")
    parser.add_argument("--findings", type=Path, default=FINDINGS, help="where to keep findings")
    parser.add_argument("--replay", type=Path, help="read this input once, and nothing else")
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.replay is not None:
        return _replay(asked.replay)
    if asked.search is not None:
        return _search(asked.search, asked.findings, asked.seconds)
    with tempfile.TemporaryDirectory(prefix="fuzz-contracts-") as work:
        child = [sys.executable, __file__, "--seconds", str(asked.seconds)]
        child += ["--findings", str(asked.findings), "--search", work]
        ended = subprocess.run(child, stderr=subprocess.PIPE, text=True, check=False)
    return _report(ended.returncode, ended.stderr)


def _report(code: int, log: str) -> int:
    if code != 0:
        sys.stderr.write(log)
        sys.stderr.write("a finding: see the last input above; --replay reads it again\n")
        return 1
    done = re.search(r"Done (\d+) runs in (\d+) second", log)
    if done is None:
        sys.stderr.write(f"{log}\nthe search ended without saying how\n")
        return 2
    covered = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", log)[-1]
    sys.stdout.write(
        f"{done[1]} inputs in {done[2]} s, no finding; "
        f"{covered[0]} edges, {covered[1]} features, {covered[2]} inputs kept\n"
    )
    return 0


def _replay(path: Path) -> int:
    sys.path.insert(0, str(TESTS))
    from fuzz.readers import read_tagged  # noqa: PLC0415 - the path is set just above.

    sys.stdout.write("let through\n" if read_tagged(path.read_bytes()) else "refused\n")
    return 0


def _search(work: Path, findings: Path, seconds: int) -> int:
    import atheris  # type: ignore[import-untyped] # noqa: PLC0415 - not on every platform.

    sys.path.insert(0, str(TESTS))
    # Only what is imported here for the first time is watched for new ways through it.
    with atheris.instrument_imports(include=["smartops.contracts"]):
        from fuzz.readers import READERS, read_tagged, tagged  # noqa: PLC0415
    from fuzz.seeds import seeds, words  # noqa: PLC0415 - after what it would import unwatched.

    corpus = work / "corpus"
    corpus.mkdir()
    for number, (name, raw) in enumerate(seeds()):
        (corpus / f"seed-{number:03}").write_bytes(tagged(name, raw))
    dictionary = work / "words"
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in words() if len(word) <= 64))
    findings.mkdir(parents=True, exist_ok=True)

    def one_input(raw: bytes) -> None:
        try:
            read_tagged(raw)
        except Exception:
            name = list(READERS)[raw[0] % len(READERS)]
            sys.stderr.write(f"reader {name!r} broke on {raw[1:]!r}\n")
            raise

    options = [
        f"-max_total_time={seconds}",
        f"-timeout={_SECONDS_FOR_ONE_INPUT}",
        f"-rss_limit_mb={_MEGABYTES}",
        f"-max_len={_LONGEST}",
        f"-dict={dictionary}",
        f"-artifact_prefix={findings}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one_input)
    atheris.Fuzz()
    return 0


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    raise SystemExit(main())
