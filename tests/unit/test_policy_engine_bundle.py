"""Bundles: what names them, and what is never put in force."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from smartops.contracts.canonical import canonical
from smartops.policy_engine import (
    Bundle,
    BundleNotFound,
    BundleRefused,
    PolicyEngineError,
    RegorusEngine,
    default_bundle_path,
)
from smartops.policy_engine.bundle import MAX_BUNDLE_BYTES, MAX_FILES
from smartops.policy_engine.cases import questions
from smartops.policy_engine.inputs import INPUTS
from support.policy_documents import bundle_with


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_bundle_path(), tmp_path / "bundle"))


def test_the_digest_is_that_of_the_files_and_nothing_else(copied: Path) -> None:
    original = Bundle.read(default_bundle_path())
    (copied / "README.md").write_text("changed")
    (copied / "notes.txt").write_text("new")
    (copied / ".hidden").mkdir()
    (copied / ".hidden" / "plan.rego").write_text("package other")
    assert Bundle.read(copied).digest == original.digest
    assert Bundle(dict(reversed(list(original.files.items())))).digest == original.digest


@pytest.mark.parametrize("file", ["plan.rego", "data.json", "plan.cases.json"])
def test_any_change_of_a_file_changes_the_digest(copied: Path, file: str) -> None:
    before = Bundle.read(copied).digest
    (copied / file).write_bytes((copied / file).read_bytes() + b"\n")
    after = Bundle.read(copied).digest
    assert after != before
    (copied / file).rename(copied / f"renamed.{file.partition('.')[2]}")
    assert Bundle.read(copied).digest not in {before, after}


def test_the_digest_is_stable_for_ever() -> None:
    bundle = Bundle({"b.rego": b"package b\n", "a/data.json": b"{}"})
    assert list(bundle.files) == ["a/data.json", "b.rego"]
    data, module = (hashlib.sha256(content).hexdigest() for content in (b"{}", b"package b\n"))
    manifest = f'{{"a/data.json":"{data}","b.rego":"{module}"}}'
    assert bundle.digest == f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    assert bundle.digest == (
        "sha256:a6f2e236a511c38c3bc2dd739f13f300339f3f2ce79fe53241d1f33fb4489af2"
    )


def test_a_bundle_survives_being_stored_as_a_document() -> None:
    bundle = Bundle.read(default_bundle_path())
    again = Bundle.from_document(bundle.document())
    assert again.digest == bundle.digest
    assert RegorusEngine(again).bundle_digest == bundle.digest


@pytest.mark.parametrize(
    "document", [b"", b"[]", b'{"a.rego": 1}', b'{"a.rego": "\\ud800"}', b"{}"]
)
def test_what_is_no_bundle_document_is_refused(document: bytes) -> None:
    with pytest.raises(BundleRefused):
        Bundle.from_document(document)


def test_a_bundle_must_exist_and_have_modules(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound, match=r"point to a directory of \.rego files"):
        Bundle.read(tmp_path / "none")
    (tmp_path / "data.json").write_text("{}")
    with pytest.raises(BundleRefused, match=r"no \.rego file"):
        Bundle.read(tmp_path)


def test_a_bundle_is_bounded() -> None:
    with pytest.raises(BundleRefused, match="files, at most"):
        Bundle({f"{n}.rego": b"" for n in range(MAX_FILES + 1)})
    with pytest.raises(BundleRefused, match="bytes, at most"):
        Bundle({"a.rego": b" " * (MAX_BUNDLE_BYTES + 1)})


def test_errors_tell_file_code_and_that_a_retry_is_no_use() -> None:
    with pytest.raises(PolicyEngineError) as caught:
        RegorusEngine(bundle_with(extra__rego="package x\ny if { http.send({}) }"))
    assert isinstance(caught.value, BundleRefused)
    assert (caught.value.file, caught.value.code) == ("extra.rego", "bundle_refused")
    assert caught.value.retryable is False


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/extra.rego",
        "../extra.rego",
        "a/../../extra.rego",
        "a//extra.rego",
        "a/.hidden.rego",
        "a b.rego",
        "a?x=1.rego",
        "a#b.rego",
        "a%2fb.rego",
        "a\r\nHost: x.rego",
        "\u0430.rego",
        f"{'a' * 200}.rego",
    ],
)
def test_a_path_in_a_bundle_means_the_same_everywhere(path: str) -> None:
    """In a folder, in a message, and in the address under which an OPA server is given it."""
    files = {"plan.rego": b"package plan\n", path: b"package extra\n"}
    with pytest.raises(BundleRefused, match="no path of plain names"):
        Bundle(files)
    document = canonical({name: text.decode() for name, text in files.items()})
    with pytest.raises(BundleRefused, match="no path of plain names"):
        Bundle.from_document(document)


FORBIDDEN = {
    "http.send": 'x := http.send({"method": "get", "url": "http://127.0.0.1"})',
    "http.send by another spelling": 'x := http["send"]({"method": "get"})',
    "opa.runtime": "x := opa.runtime()",
    "io.jwt": 'x := io.jwt.decode("a.b.c")',
    "rego.metadata": "x := rego.metadata.rule()",
    "the clock": "x := time.now_ns()",
    "chance": 'x := rand.intn("a", 3)',
    "random ids": 'x := uuid.rfc4122("a")',
    "the log": 'x if print("seen", input.tenant)',
    "names": 'x := net.lookup_ip_addr("example.org")',
    "%d": 'x := sprintf("%d", [1])',
    "%d in a raw string": "x := sprintf(`n=%d`, [1])",
    "deep inside": 'x if { some y in [1]; not y == [z | z := http.send({"y": y})] }',
}


@pytest.mark.parametrize("line", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_constructs_that_leave_the_pure_function_are_refused(line: str) -> None:
    with pytest.raises(BundleRefused, match=r"not allowed|%d"):
        RegorusEngine(bundle_with(extra__rego=f"package extra\n\n{line}\n"))


@pytest.mark.parametrize(
    "line",
    [
        "# http.send is not called here, nor is opa.runtime",
        'x := "http.send(1) and %d"',
        'x := sprintf("%v%%done", [1])',
        'x := time.parse_rfc3339_ns("2024-01-01T00:00:00Z")',
    ],
)
def test_mentioning_them_is_not_calling_them(line: str) -> None:
    RegorusEngine(bundle_with(extra__rego=f"package extra\n\n{line}\n"))


def test_v0_files_are_known_by_their_marker() -> None:
    v0 = 'package extra\n\ndeny[x] { x := sprintf("%d", [1]) }\n'
    RegorusEngine(bundle_with(extra__rego=f"# Theirs.\n# rego: v0\n{v0}"))
    with pytest.raises(BundleRefused, match="`if` keyword"):
        RegorusEngine(bundle_with(extra__rego=v0))
    with pytest.raises(BundleRefused, match="`if` keyword"):
        RegorusEngine(bundle_with(extra__rego=f"{v0}# rego: v0\n"))


DANGLING = {
    "a package": "x if not data.smartops.comon.production",
    "an import": "import data.smartops.comon\n\nx if not comon.production",
    "an import by another name": "import data.smartops.comon as c\n\nx if not c.production",
    "a rule": "import data.smartops.common\n\nx if not common.prod",
    "a data key": "x if data.limits.fase_max_percent > 3",
    "a computed key": "x := data[input.tenant]",
    "an input field": "x if input.enviroment == 1",
    "a nested input field": "x if input.grant.valud",
}


@pytest.mark.parametrize("line", DANGLING.values(), ids=DANGLING.keys())
def test_a_reference_to_nothing_is_refused(line: str) -> None:
    with pytest.raises(BundleRefused, match=r"does not exist|do not compute|no input has"):
        RegorusEngine(bundle_with(extra__rego=f"package extra\n\n{line}\n"))


def test_a_module_reads_only_what_its_own_entrypoint_is_given() -> None:
    line = 'denials contains {"rule": "r", "path": "", "message": "m"} if input.halted'
    RegorusEngine(bundle_with(extra__rego=f"package smartops.tool_call\n\n{line}\n"))
    with pytest.raises(BundleRefused, match=r"no input has input\.halted"):
        RegorusEngine(bundle_with(extra__rego=f"package smartops.plan\n\n{line}\n"))


@pytest.mark.parametrize(
    "lines",
    [
        "f(n) := f(n - 1)",
        "f(n) := g(n)\n\ng(n) := data.extra.f(n)",
        'import data.extra as me\n\nf(n) := me["f"](n)',
        "a if b\n\nb if not a",
        "a := data.extra",
    ],
)
def test_what_refers_to_itself_is_refused_before_it_runs(lines: str) -> None:
    with pytest.raises(BundleRefused, match="refers to itself"):
        RegorusEngine(bundle_with(extra__rego=f"package extra\n\n{lines}\n"))


def test_data_cannot_take_the_place_of_a_rule() -> None:
    coup = json.dumps({"smartops": {"plan": {"decision": {"allow": True}}}})
    with pytest.raises(BundleRefused, match="rename the key"):
        RegorusEngine(bundle_with(coup__json=coup))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ('{"limits": {}}', "another data file"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": NaN}', "NaN"),
        ("[]", "JSON object"),
        ("{", "not JSON"),
        (b"\xff", "UTF-8"),
    ],
)
def test_data_files_are_read_strictly(data: str | bytes, words: str) -> None:
    with pytest.raises(BundleRefused, match=words):
        RegorusEngine(bundle_with(more__json=data))


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        "package",
        "package x\n\ny if {",
        "package x\n\ny if unknown_function(1)",
        "package x\n\ny if z",
        "package x\n\ny := " + "[" * 11 + "]" * 11,
        "package x\n\ny := " + "{" * 60 + "}" * 60,
    ],
    ids=lambda text: repr(text)[:30],
)
def test_modules_that_do_not_compile_are_refused(text: str | bytes) -> None:
    with pytest.raises(BundleRefused):
        RegorusEngine(bundle_with(extra__rego=text))


LIMITS = sorted(json.loads((default_bundle_path() / "data.json").read_text())["limits"])
DEFAULT = "default allow := false\n"
WELLFORMED = "\twellformed\n"
MALFORMED = "denials contains denial if some denial in malformed\n"


@pytest.mark.parametrize("entrypoint", ["plan", "tool_call", "approval"])
@pytest.mark.parametrize(
    ("guards", "instead", "words"),
    [
        ([DEFAULT], "", "no answer to an empty document"),
        ([DEFAULT], "default allow := true\n", "no answer to an empty document"),
        ([MALFORMED], "", "no answer to an empty document|malformed"),
        ([MALFORMED, WELLFORMED], "", "malformed|allows an empty document"),
    ],
    ids=["no default", "a default that allows", "silent about shapes", "blind to shapes"],
)
def test_a_bundle_without_its_guard_is_refused(
    copied: Path, entrypoint: str, guards: list[str], instead: str, words: str
) -> None:
    module = copied / f"{entrypoint}.rego"
    text = module.read_text()
    for guard in guards:
        assert guard in text
        text = text.replace(guard, instead)
    module.write_text(text)
    with pytest.raises(BundleRefused, match=words):
        RegorusEngine.load(copied)


def test_a_bundle_that_allows_an_empty_document_is_refused() -> None:
    module = (
        "package smartops.approval\n\n"
        'decision := {"allow": true, "requires_approval": false, "denials": [],'
        ' "reasons": [{"rule": "r", "message": "m"}]}\n'
    )
    with pytest.raises(BundleRefused, match="allows an empty document"):
        RegorusEngine(bundle_with(approval__rego=module, without=".cases.json"))


@pytest.mark.parametrize("entrypoint", ["plan", "gate", "tool_call", "approval"])
def test_a_bundle_answers_every_question(entrypoint: str) -> None:
    with pytest.raises(BundleRefused, match=f"{entrypoint} cannot be evaluated"):
        RegorusEngine(bundle_with(without=f"{entrypoint}.rego"))


def test_a_bundle_that_disagrees_with_its_cases_is_refused(copied: Path) -> None:
    data = copied / "data.json"
    data.write_text(data.read_text().replace('"phase_max_percent": 20', '"phase_max_percent": 50'))
    with pytest.raises(BundleRefused, match="three of ten at once are refused") as caught:
        RegorusEngine.load(copied)
    assert caught.value.file == "plan.cases.json"


SETTINGS = [
    (section, key, value)
    for section, entries in json.loads((default_bundle_path() / "data.json").read_text()).items()
    for key, value in entries.items()
]


@pytest.mark.parametrize(("section", "key"), [each[:2] for each in SETTINGS])
def test_a_setting_that_is_missing_is_noticed_at_load(copied: Path, section: str, key: str) -> None:
    data = json.loads((copied / "data.json").read_text())
    del data[section][key]
    (copied / "data.json").write_text(json.dumps(data))
    with pytest.raises(BundleRefused):
        RegorusEngine.load(copied)


@pytest.mark.parametrize(
    ("section", "key"), [each[:2] for each in SETTINGS if isinstance(each[2], int)]
)
def test_a_threshold_that_is_no_number_is_noticed_at_load(
    copied: Path, section: str, key: str
) -> None:
    """Every number is less than any text: such a threshold would silence its rule."""
    data = json.loads((copied / "data.json").read_text())
    data[section][key] = str(data[section][key])
    (copied / "data.json").write_text(json.dumps(data))
    with pytest.raises(BundleRefused):
        RegorusEngine.load(copied)


@pytest.mark.parametrize(
    "cases",
    ["{}", '{"cases": [{"name": "n"}]}', '{"cases": [], "more": 1}', "[]"],
)
def test_cases_are_read_strictly(cases: str) -> None:
    with pytest.raises(BundleRefused):
        RegorusEngine(bundle_with(plan__cases__json=cases))


def test_our_cases_are_documents_of_the_models() -> None:
    """But for some that no model would let pass; a policy must not rely on that."""
    free = {
        "an environment that nobody listed is production",
        "drift that will be compared",
        "a tool of an unknown category is refused",
        "a tool of an unknown category is not called",
        "a mode that is none",
    }
    seen: set[tuple[str, str]] = set()
    for asked in questions(Bundle.read(default_bundle_path())):
        assert (asked.file, asked.name) not in seen
        seen.add((asked.file, asked.name))
        if asked.name in free or any(rule.endswith(".malformed") for rule in asked.expect.rules):
            continue
        document = INPUTS[asked.entrypoint].model_validate_json(asked.document)
        assert document.canonical_bytes() == asked.document, asked.name


def test_every_rule_of_ours_has_a_case_or_a_table_row() -> None:
    """Each id that a module can emit is expected somewhere, so none can rot unseen."""
    bundle = Bundle.read(default_bundle_path())
    emitted = {
        piece.split('"')[1]
        for _, text, _ in bundle.modules()
        for piece in text.split('"rule": ')[1:]
        if piece.startswith('"')
    }
    tables = (Path(__file__).parent / "test_policy_engine_rules.py").read_text()
    cases = "".join(json.dumps(content) for _, content in bundle.cases())
    unseen = {rule for rule in emitted if rule not in tables and rule not in cases}
    assert unseen == set()


def test_the_default_bundle_is_found_in_a_checkout_and_in_a_wheel(tmp_path: Path) -> None:
    assert default_bundle_path().parts[-2:] == ("infra", "policies")
    package = tmp_path / "site-packages" / "smartops" / "policy_engine"
    shutil.copytree(default_bundle_path(), package / "default_bundle")
    assert default_bundle_path(package) == package / "default_bundle"
    RegorusEngine.load(default_bundle_path(package))
    with pytest.raises(BundleNotFound):
        default_bundle_path(tmp_path)


@pytest.mark.parametrize(
    "condition",
    [
        "not input.mode in data.tools.modes",
        "not is_string(input.summary)",
        "not input.total_assets <= 3",
        "not f(input.mode)",
        "[path, value] := walk(input.steps)\n\tpath == value",
    ],
)
def test_what_engines_read_differently_is_refused(condition: str) -> None:
    """OPA evaluates the arguments of a negated call before the negation; see `negation`."""
    rule = '{"rule": "x", "path": "", "message": "x"}'
    head = "package smartops.plan\n\nf(x) if x == 1\n\n"
    module = f"{head}denials contains {rule} if {{\n\t{condition}\n}}\n"
    with pytest.raises(BundleRefused, match=r"extra.rego: (.* may be undefined|write walk)"):
        RegorusEngine(bundle_with(extra__rego=module))
