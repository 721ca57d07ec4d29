"""OPA as the engine: the same decisions, denials where it has none, and outages where it is away.

Against a server of ours that speaks OPA's documented API (`support.opa`). Set
`SMARTOPS_TEST_OPA_URL` to hold a real OPA server to the same decisions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from smartops.bus.errors import Outage
from smartops.policy_engine import (
    POLICY_ERROR,
    Bundle,
    BundleRefused,
    EngineDown,
    OpaAt,
    OpaEngine,
    OpaServer,
    RegorusEngine,
    Verdict,
    default_bundle_path,
    make_engine,
)
from smartops.policy_engine.cases import questions
from smartops.policy_engine.opa_server import MAX_ANSWER_BYTES
from smartops.runtime.listening import translate
from support.opa import Answer, Opa, opa_server, slowly
from support.policy_documents import SPECIFICATION, bundle_with, call, plan

BUNDLE = Bundle.read(default_bundle_path())
FEW = Bundle({path: text for path, text in BUNDLE.files.items() if ".cases." not in path})
"""Without its cases: quicker to load."""


@pytest.fixture
def opa() -> Iterator[Opa]:
    with opa_server() as running:
        yield running


def engine_on(opa: Opa, bundle: Bundle = FEW, **how: Any) -> OpaEngine:
    return OpaEngine(bundle, OpaServer(opa.url, **how))


def alike(one: Verdict, other: Verdict) -> bool:
    """Whether two engines say the same in all but their own names."""
    parts = ("allow", "requires_approval", "denials", "rules", "reasons", "quorum", "roles")
    same = ("bundle_digest", "input_digest")
    return all(getattr(one, part) == getattr(other, part) for part in (*parts, *same))


def assert_denied(verdict: Verdict, word: str) -> None:
    assert (verdict.allow, verdict.requires_approval) == (False, True)
    assert verdict.rules == (POLICY_ERROR,)
    assert word in verdict.denials[0].message


def test_it_decides_as_the_embedded_engine_does(opa: Opa) -> None:
    embedded = RegorusEngine(FEW)
    served = engine_on(opa)
    for asked in questions(BUNDLE):
        verdict = served.decide(asked.entrypoint, asked.document)
        assert alike(verdict, embedded.decide(asked.entrypoint, asked.document)), asked.name
    assert (verdict.engine, verdict.engine_version) == ("opa", "1.16.0-test")


@pytest.mark.skipif("SMARTOPS_TEST_OPA_URL" not in os.environ, reason="no OPA server is given")
def test_a_real_server_decides_so_too() -> None:
    embedded = RegorusEngine(FEW)
    served = make_engine(BUNDLE, OpaAt(os.environ["SMARTOPS_TEST_OPA_URL"]))
    for asked in questions(BUNDLE):
        verdict = served.decide(asked.entrypoint, asked.document)
        assert alike(verdict, embedded.decide(asked.entrypoint, asked.document)), asked.name


def test_a_bundle_whose_cases_disagree_is_refused(opa: Opa) -> None:
    cases = BUNDLE.text("gate.cases.json").replace('"gate.auto.reads_only"', '"gate.auto.other"')
    with pytest.raises(BundleRefused, match=r"gate.cases.json: reads go, whatever"):
        engine_on(opa, bundle_with(gate__cases__json=cases))


def test_one_connection_is_kept(opa: Opa) -> None:
    engine = engine_on(opa)
    for _ in range(3):
        engine.decide("plan", plan().canonical_bytes())
    assert opa.connections == 1


def test_two_bundles_on_one_server_do_not_mix(opa: Opa) -> None:
    strict = engine_on(
        opa,
        Bundle({**FEW.files, "x.rego": b'package smartops.plan\n\ndenials contains {"rule": "x",'
                b' "path": "", "message": "no"} if input.number == 1\n'}),
    )  # fmt: skip
    ours = engine_on(opa)
    raw = plan().canonical_bytes()
    assert not strict.decide("plan", raw).allow
    assert ours.decide("plan", raw).allow
    assert not strict.decide("plan", raw).allow


def test_a_restarted_server_gets_the_bundle_again(opa: Opa) -> None:
    engine = engine_on(opa)
    before = engine.decide("tool_call", call().canonical_bytes())
    opa.forget()
    assert engine.decide("tool_call", call().canonical_bytes()) == before


def test_a_bundle_that_lies_there_in_part_decides_nothing(opa: Opa) -> None:
    engine = engine_on(opa)
    opa.data.clear()  # The mark is pushed last, with the data.
    raw = plan().canonical_bytes()
    assert engine.decide("plan", raw).allow, "pushed again"

    def keep_nothing(opa: Opa, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if method == "PUT":
            return 200, b"{}"
        return opa.behave(method, path, "", body)

    opa.forget()
    opa.misbehave = keep_nothing
    with pytest.raises(EngineDown, match="does not keep"):
        engine.decide("plan", raw)


def say(status: int, body: object) -> Answer:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda _opa, _method, _path, _body: (status, text)


def result(decisions: object, bundle: str = FEW.digest) -> object:
    return {"result": {"bundle": bundle, "decisions": decisions}}


ALLOWED = {
    "allow": True,
    "requires_approval": False,
    "denials": [],
    "reasons": [{"rule": "test.yes", "message": "yes"}],
}


def test_the_puppet_allows(opa: Opa) -> None:
    engine = engine_on(opa)
    opa.misbehave = say(200, result([ALLOWED]))
    assert engine.decide("plan", plan().canonical_bytes()).rules == ("test.yes",)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (say(200, b"{"), "no JSON"),
        (say(200, b"true"), "no object"),
        (say(200, b'{"result": NaN}'), "no JSON"),
        (say(200, b'{"result": {}, "result": {}}'), "no JSON"),
        (say(200, {"result": ALLOWED}), "bundle, decisions"),
        (say(200, {"result": True}), "bundle, decisions"),
        (say(200, result([])), "undefined"),
        (say(200, result([True])), "not {allow"),
        (say(200, result([{**ALLOWED, "allow": 1}])), "true or false"),
        (say(200, result([ALLOWED, ALLOWED])), "more than one"),
        (say(200, result({"0": ALLOWED})), "more than one"),
        (say(200, result([{**ALLOWED, "more": 1}])), "not {allow"),
        (say(200, result([{**ALLOWED, "denials": [{}]}])), "entry"),
        (say(400, {"code": "invalid_parameter", "message": "bad"}), "bad"),
        (say(500, {"code": "internal_error", "errors": [{"code": "eval_conflict_error"}]}),
         "could not evaluate"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_a_denial(opa: Opa, answer: Answer, word: str) -> None:
    engine = engine_on(opa)
    opa.misbehave = answer
    assert_denied(engine.decide("plan", plan().canonical_bytes()), word)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (say(500, b"oh"), "500"),
        (say(500, {"code": "internal_error", "errors": []}), "500"),
        (say(503, b""), "503"),
        (say(429, b""), "429"),
        (say(401, {"code": "unauthorized", "message": "no"}), "401: no"),
        (say(302, b""), "302"),
        (say(404, b""), "404"),
        (say(200, result([ALLOWED], bundle="sha256:0")), "it holds 'sha256:0'"),
        (say(200, result([ALLOWED], bundle="")), "it holds"),
        (say(200, {}), "does not keep"),
        (lambda *_: None, "127.0.0.1"),
        (say(200, b" " * (MAX_ANSWER_BYTES + 1)), "more than"),
    ],
)
def test_a_server_that_is_away_denies_nothing_and_allows_nothing(
    opa: Opa, answer: Answer, word: str
) -> None:
    engine = engine_on(opa)
    opa.misbehave = answer
    with pytest.raises(EngineDown, match=word) as down:
        engine.decide("plan", plan().canonical_bytes())
    outage = translate(down.value)
    assert isinstance(outage, Outage), "work waits, and spends no try"
    opa.misbehave = None
    assert engine.decide("plan", plan().canonical_bytes()).allow


def test_a_server_that_nobody_started_is_an_outage() -> None:
    with opa_server() as gone:
        pass
    with pytest.raises(EngineDown):
        engine_on(gone)


def test_an_input_that_takes_too_long_is_denied_while_the_server_is_healthy(opa: Opa) -> None:
    engine = engine_on(opa, timeout_s=0.3)
    opa.misbehave = slowly(2)
    assert_denied(engine.decide("plan", plan().canonical_bytes()), "no end in time")
    opa.healthy = False
    with pytest.raises(EngineDown, match=r"does not answer in 0.3 s"):
        engine.decide("plan", plan().canonical_bytes())


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff", None])
def test_what_is_no_document_is_a_denial(opa: Opa, raw: Any) -> None:
    engine = engine_on(opa)
    verdict = engine.decide("plan", raw)
    assert not verdict.allow
    assert verdict.denials


def test_too_large_a_document_and_an_unknown_question_are_not_even_asked(opa: Opa) -> None:
    engine = OpaEngine(FEW, OpaServer(opa.url), max_input_bytes=100)
    opa.asked.clear()
    assert_denied(engine.decide("plan", plan().canonical_bytes()), "at most 100")
    assert_denied(engine.decide("plans", b"{}"), "no entrypoint")  # type: ignore[arg-type]
    assert opa.asked == []


@pytest.mark.parametrize("spoilt", [b"", b"\n", b"se\nsame", "s\u00e9same".encode()])
def test_a_token_that_is_none_is_an_outage_and_no_denial(
    opa: Opa, tmp_path: Path, spoilt: bytes
) -> None:
    opa.token = "sesame"
    place = tmp_path / "token"
    place.write_text("sesame")
    engine = engine_on(opa, token_file=place)
    engine._server.close()  # The file is read anew for each connection.
    place.write_bytes(spoilt)
    with pytest.raises(EngineDown, match="holds no token"):
        engine.decide("plan", plan().canonical_bytes())


def test_the_server_is_shown_the_token_and_is_away_without_it(opa: Opa, tmp_path: Path) -> None:
    opa.token = "sesame"
    with pytest.raises(EngineDown, match="401"):
        engine_on(opa)
    (tmp_path / "token").write_text("sesame\n")
    engine = engine_on(opa, token_file=tmp_path / "token")
    assert engine.decide("plan", plan().canonical_bytes()).allow


def test_another_version_of_rego_is_refused(opa: Opa) -> None:
    v0 = (SPECIFICATION / "ql_safety.rego").read_bytes()
    with pytest.raises(BundleRefused, match=r"ql_safety.rego: marked as Rego v0"):
        engine_on(opa, bundle_with(ql_safety__rego=v0))


@pytest.mark.parametrize("url", ["opa:8181", "ftp://opa", "http://"])
def test_a_url_must_be_one(url: str) -> None:
    with pytest.raises(ValueError, match="no http"):
        OpaServer(url)
