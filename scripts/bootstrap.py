# ruff: noqa: INP001 - a script, not a package
"""Make `.venv` what the lock says: `python3 scripts/bootstrap.py [setup | lock | clean]`.

Needs nothing but a Python with `venv`, and a package index. Everything that is installed is named,
with its hashes, in `requirements.lock`, the installer and the build backend included; our own
packages are installed from here, editable. A second run that finds nothing changed ends at once.

This file is read by whatever `python3` happens to be: until its version is checked it uses nothing
newer than 3.7.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

OLDEST = (3, 11)
NEWER = ("python3.13", "python3.12", "python3.11", "python3.14")

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
STAMP = VENV / "smartops-setup"
LOCK = ROOT / "requirements.lock"
BUILD_BACKEND = ROOT / "scripts" / "build-backend.in"

CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache")


def main(arguments: list[str]) -> int:
    """Do what is asked; problems are said in a sentence, without a traceback."""
    task = arguments[0] if arguments else "setup"
    try:
        with Path(__file__).open() as script:
            # Two terminals may ask at once: the second waits, and finds all done.
            fcntl.flock(script, fcntl.LOCK_EX)
            {"setup": setup, "lock": lock, "clean": clean}[task]()
    except Problem as problem:
        sys.stderr.write(f"\n{problem}\n")
        return 1
    return 0


class Problem(Exception):
    """What stands in the way, and what to do about it."""


def setup() -> None:
    """Bring `.venv` up to date with the lock and with our packages."""
    if not LOCK.exists():
        raise Problem("requirements.lock is missing. Restore it, or make it: make lock")
    stamp = wanted_stamp()
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == stamp:
        return
    make_venv()
    STAMP.unlink(missing_ok=True)
    environment = tool_environment()
    install_uv(environment)
    say("installing what requirements.lock names")
    locked = ["--require-hashes", "--no-deps", "--requirement", str(LOCK)]
    with_uv = UV.exists() and run([*uv("install"), *locked], environment)
    if not with_uv:
        say("once more with pip, which also knows local and private indexes")
        must([*pip("install"), *locked], environment, "The packages could not be installed.")
    say("installing our own packages, editable")
    ours = [part for member in members() for part in ("--editable", str(member))]
    # The build backend is in the lock: nothing further is fetched to build with.
    ours += ["--no-deps", "--no-build-isolation"]
    installer = uv("install") if with_uv else pip("install")
    must([*installer, *ours], environment, "Our own packages could not be installed.")
    STAMP.write_text(stamp)
    say("ready")


def lock() -> None:
    """Write requirements.lock anew; what it pins already stays, unless UPGRADE is set."""
    if not UV.exists():
        make_venv()
        install_uv(tool_environment())
    options = [
        *("--universal", "--python-version", ".".join(map(str, OLDEST)), "--group", "dev"),
        *("--generate-hashes", "--no-annotate", "--no-header", "--no-emit-index-url"),
        *("--output-file", str(LOCK)),
        *(part for member in members() for part in ("--no-emit-package", name_of(member))),
    ]
    if os.environ.get("UPGRADE"):
        options.append("--upgrade")
    sources = [str(ROOT / "pyproject.toml"), str(BUILD_BACKEND)]
    command = [str(UV), "pip", "compile", "--quiet", *sources, *options]
    must(command, tool_environment(), "The dependencies could not be resolved.")


def clean() -> None:
    """Remove what can be made again. Data directories are not touched."""
    for name in (".venv", *CACHES):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for directory in list(ROOT.rglob("__pycache__")):
        shutil.rmtree(directory, ignore_errors=True)


def wanted_stamp() -> str:
    """Say what an up-to-date `.venv` was made from. Moving it breaks its scripts: so, where too."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in (LOCK, ROOT / "pyproject.toml", *(m / "pyproject.toml" for m in members())):
        digest.update(b"\0" + str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def members() -> list[Path]:
    """Return our packages' directories, as the workspace names them."""
    workspace = toml(ROOT / "pyproject.toml")["tool"]["uv"]["workspace"]
    found = {d for pattern in workspace["members"] for d in ROOT.glob(pattern)}
    return sorted(d for d in found if (d / "pyproject.toml").exists())


def name_of(member: Path) -> str:
    """Return a package's name."""
    return str(toml(member / "pyproject.toml")["project"]["name"])


def toml(path: Path) -> dict:  # type: ignore[type-arg]
    """Read a TOML file."""
    import tomllib  # noqa: PLC0415 - exists only after the version check

    return tomllib.loads(path.read_text(encoding="utf-8"))


def make_venv() -> None:
    """Make `.venv` with pip in it, unless a usable one is there."""
    usable = f"import sys, pip; sys.exit(sys.version_info < {OLDEST})"
    if PYTHON.exists() and run([str(PYTHON), "-c", usable], None, quiet=True):
        return
    say("making .venv with Python " + sys.version.split()[0])
    base = getattr(sys, "_base_executable", None) or sys.executable
    venv = [base, "-m", "venv", "--clear", str(VENV)]
    if run([base, "-c", "import venv, ensurepip"], None, quiet=True) and run(venv, None):
        return
    # Debian splits ensurepip off. A pip of the system's can fill an empty environment, too.
    without_pip = [base, "-m", "venv", "--clear", "--without-pip", str(VENV)]
    filling = [base, "-m", "pip", "--python", str(PYTHON), "install", "--quiet", "pip"]
    if not (run(without_pip, None, quiet=True) and run(filling, None, quiet=True)):
        raise Problem(
            f"This Python ({base}) cannot make virtual environments with pip in them.\n"
            "Install that part of it (Debian, Ubuntu: apt install python3-venv; Fedora, Alpine: "
            "python3-pip),\nor name another one: make setup PYTHON=/path/to/python3.12"
        )


def install_uv(environment: dict[str, str]) -> None:
    """Install uv, as the lock pins it; without it pip does the work, more slowly."""
    pinned = block_of("uv")
    if not pinned:
        must([*pip("install"), "uv"], environment, "uv could not be installed.")
        return
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(pinned)
        file.flush()
        run([*pip("install"), "--require-hashes", "--no-deps", "-r", file.name], environment)


def block_of(package: str) -> str:
    """Return one package's lines of the lock."""
    block = []
    inside = False
    text = LOCK.read_text(encoding="utf-8") if LOCK.exists() else ""
    for line in text.splitlines():
        if not line.startswith((" ", "#")):
            inside = line.startswith(package + "==")
        if inside:
            block.append(line)
    return "\n".join(block)


def uv(command: str) -> list[str]:
    """Return the start of a uv command line."""
    return [str(UV), "pip", command, "--python", str(PYTHON), "--quiet"]


def pip(command: str) -> list[str]:
    """Return the start of a pip command line."""
    return [str(PYTHON), "-m", "pip", command, "--quiet", "--disable-pip-version-check"]


def tool_environment() -> dict[str, str]:
    """Return our environment with pip's settings said in uv's words, which does not read them.

    What is already said to uv itself stands.
    """
    environment = dict(os.environ, PIP_USER="0", UV_PYTHON_DOWNLOADS="never", UV_NO_PROGRESS="1")
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONHOME", "PYTHONPATH"):
        environment.pop(name, None)
    settings = pip_settings(environment)
    main_index = web_addresses(settings.get("index-url", ""))
    extra = web_addresses(settings.get("extra-index-url", ""))
    if main_index and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & environment.keys():
        environment["UV_DEFAULT_INDEX"] = main_index[0]
    if extra and not {"UV_INDEX", "UV_EXTRA_INDEX_URL"} & environment.keys():
        environment["UV_INDEX"] = " ".join(extra)
        # pip takes a release from any index. The hashes make that safe.
        environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    if "trusted-host" in settings:
        environment.setdefault("UV_INSECURE_HOST", settings["trusted-host"])
    if "cert" in settings and Path(settings["cert"]).is_file():
        environment.setdefault("SSL_CERT_FILE", settings["cert"])
    if "proxy" in settings:
        environment.setdefault("HTTPS_PROXY", settings["proxy"])
        environment.setdefault("HTTP_PROXY", settings["proxy"])
    if "UV_CACHE_DIR" not in environment and not cache_is_writable(environment):
        environment["UV_NO_CACHE"] = "1"
    return environment


def pip_settings(environment: dict[str, str]) -> dict[str, str]:
    """Return pip's settings for installing; the environment's win, then `[install]`'s."""
    listed = subprocess.run(  # noqa: S603
        [str(PYTHON), "-m", "pip", "config", "list"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listed.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in sections and value:
            sections[section][name] = str(ast.literal_eval(value))
    return {k: v for section in sections.values() for k, v in section.items()}


def web_addresses(text: str) -> list[str]:
    """Return the web addresses of a list; uv lays out local indexes differently from pip."""
    return [part for part in text.split() if part.startswith(("https://", "http://"))]


def cache_is_writable(environment: dict[str, str]) -> bool:
    """Return whether uv can use its default cache: an account may have no home."""
    home = environment.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    cache = Path(home) / "uv"
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(str(cache), os.W_OK)


def run(command: list[str], environment: dict[str, str] | None, *, quiet: bool = False) -> bool:
    """Run a command; returns whether it succeeded."""
    where = subprocess.DEVNULL if quiet else None
    done = subprocess.run(  # noqa: S603
        command, env=environment, cwd=str(ROOT), stdout=where, stderr=where, check=False
    )
    return done.returncode == 0


def must(command: list[str], environment: dict[str, str], otherwise: str) -> None:
    """Run a command that has to succeed."""
    if not run(command, environment):
        raise Problem(
            otherwise + " What went wrong is said above.\nIf the package index was not reached: "
            "name yours with `pip config set global.index-url URL`, then run `make setup` again."
        )


def say(what: str) -> None:
    """Tell what is going on."""
    sys.stderr.write(f"setup: {what}\n")


def change_to_a_newer_python() -> None:
    """Go on under a Python that is new enough, or say that there is none."""
    for name in NEWER:
        found = shutil.which(name)
        if found and run([found, "-c", "import venv"], None, quiet=True):
            os.execv(found, [found, *sys.argv])  # noqa: S606
    oldest, ours = (".".join(map(str, version)) for version in (OLDEST, sys.version_info[:2]))
    sys.stderr.write(
        f"SmartOps needs Python {oldest} or newer; {sys.executable} is {ours}.\n"
        "Install one, or name it: make setup PYTHON=/path/to/python3.12\n"
    )
    sys.exit(1)


if __name__ == "__main__":
    if sys.version_info < OLDEST:
        change_to_a_newer_python()
    sys.exit(main(sys.argv[1:]))
