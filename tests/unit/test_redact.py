"""What is taken for a secret, what is not, and what happens to it."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from smartops import redact as library
from smartops.redact import (
    Finding,
    RedactError,
    Redactor,
    ReservedKey,
    SecretInArgument,
    SecretRef,
    UnknownSecret,
    Unscannable,
    find,
    redact,
    refuse_secrets,
    resolve,
    secret_refs,
)
from smartops.redact.patterns import PATTERNS
from support.secret_samples import SAMPLES

TOKEN = SAMPLES["github_token"]


@pytest.mark.parametrize(("kind", "sample"), SAMPLES.items(), ids=SAMPLES.keys())
def test_every_kind_is_found_and_named(kind: str, sample: str) -> None:
    value = {"note": ["see", f"before {sample} after"]}
    if "yaml" in kind:
        value = {"note": ["see", sample]}
    assert {finding.path for finding in find(value)} == {"/note/1"}
    assert kind.split(" ", maxsplit=1)[0] in {finding.kind for finding in find(value)}
    cleaned = redact(value)
    assert "[secret:" in cleaned["note"][1]
    assert "hunter2" not in json.dumps(cleaned)
    with pytest.raises(SecretInArgument):
        refuse_secrets(value)


def test_every_pattern_has_a_sample() -> None:
    kinds = {kind.split(" ")[0] for kind in SAMPLES} | {"assignment"}
    assert {pattern.kind for pattern in PATTERNS} <= kinds


@pytest.mark.parametrize(
    "key",
    [
        "password", "PASSWORD", "db_password", "dbPassword", "DB-PASSWORD", "dbpassword", "passwd",
        "userPwd", "password2", "old_password", "passwordOld", "passphrase", "token", "accessToken",
        "access_token", "authtoken", "secret", "client_secret", "clientSecret", "secret_value",
        "Authorization", "X-Authorization", "proxy-authorization", "Cookie", "Set-Cookie",
        "sessionCookie", "api_key", "apikey", "apiKey", "API_KEY", "X-Api-Key", "private_key",
        "privateKey", "ssh_key", "secretKey", "aws_secret_access_key", "accountKey", "signing-key",
        "encryption_key", "credential", "credentials", "jwt", "otp", "password_hash", "secret_id",
        "secrets", "passwords", "tokens", "token_value", "ÄPassword",
    ],
)  # fmt: skip
def test_keys_that_name_a_secret(key: str) -> None:
    assert find({key: "x"})[0].path == f"/{key}"
    assert redact({key: "x"})[key].startswith("[secret:")


@pytest.mark.parametrize(
    "key",
    [
        "token_count", "tokenCount", "max_tokens_total", "token_budget", "tokens_used",
        "tokens_in", "secret_name", "secretRef", "secretKeyRef", "password_policy",
        "passwordLength", "password_changed_at", "token_type", "token_url", "tokenTTL",
        "cookie_domain", "key", "keys", "public_key", "primary_key", "idempotency_key",
        "keyboard", "author", "monkey", "secretary", "nextPageToken", "page_token",
        "continuation_token", "access_key_id", "credential_id", "passage", "compass", "tokenizer",
        "secrets_enabled", "", "123", "description",
    ],
)  # fmt: skip
def test_keys_that_do_not(key: str) -> None:
    assert find({key: "x"}) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Fix drift on production web servers",
        "Bearer authentication is required; authorization: required",
        "Reset the password: see the runbook",
        "the token: expired yesterday",
        "max_tokens=4096 token_count=50000",
        "secret_name=db-password",
        "postgres://app@db.internal:5432/app",
        "postgres://app:${DB_PASSWORD}@db.internal/app",
        "PASSWORD=$DB_PASSWORD",
        "password: <password>",
        "password=********",
        "https://acme.example/a:b@c",
        "http://[::1]:8080/x",
        "risk-0123456789abcdefghijklmnop",
        "11111111-1111-5111-8111-111111111111",
        "sha256:" + "0123456789abcdef" * 4,
        "2024-01-01T10:00:00Z 10.0.0.1:5432",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
        "eyJ is how base64 of JSON begins",
        "pk_live_" + "a1B2c3D4e5F6g7H8",
        "error_rate > 1%",
    ],
)
def test_texts_that_hold_no_secret(text: str) -> None:
    assert find({"text": text}) == ()
    assert redact(text) == text


@pytest.mark.parametrize(
    "value",
    [None, True, "", 0.5, {}, [], "[secret:token]", "${TOKEN}", "***", {"$secret": "ci/token"}],
)
def test_what_holds_nothing_is_let_alone(value: object) -> None:
    allowed = value if value != 0.5 else None
    assert find({"token": allowed}) == ()
    assert redact({"token": allowed}) == {"token": allowed}


def test_numbers_are_secrets_unless_they_count() -> None:
    assert redact({"otp": 123456, "password": 1.5}) == {
        "otp": "[secret:password]",
        "password": "[secret:password]",
    }
    counts = {"tokens": 4096, "max_tokens": 1, "prompt_tokens": 2.5, "total_tokens": "4096"}
    assert redact(counts) == counts


def test_all_below_a_key_is_secret_but_what_describes_it() -> None:
    value = {"credentials": {"name": "db", "user": "ana", "pair": ["x", 1], "rotated_at": "today"}}
    assert redact(value) == {
        "credentials": {
            "name": "db",
            "user": "[secret:credential]",
            "pair": ["[secret:credential]", 1],
            "rotated_at": "today",
        }
    }
    assert redact({"password": {"enabled": True, "value": "x"}})["password"] == {
        "enabled": True,
        "value": "[secret:password]",
    }


def test_names_and_values_that_lie_side_by_side_belong_together() -> None:
    env = [
        {"name": "DB_PASSWORD", "value": "hunter2"},
        {"name": "REPLICAS", "value": "3"},
        {"Key": "api-key", "Value": "abc"},
        {"name": "API_TOKEN", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}},
    ]
    assert redact(env) == [
        {"name": "DB_PASSWORD", "value": "[secret:password]"},
        {"name": "REPLICAS", "value": "3"},
        {"Key": "api-key", "Value": "[secret:api_key]"},
        env[3],
    ]


def test_only_the_secret_is_replaced_in_a_text() -> None:
    text = f"clone https://bot:{TOKEN}@git.acme.example/x with {TOKEN}, then retry"
    assert redact(text) == (
        "clone https://bot:[secret:url_password]@git.acme.example/x"
        " with [secret:github_token], then retry"
    )


def test_overlapping_secrets_go_together() -> None:
    assert redact(f"password={TOKEN}!tail") == "password=[secret:password]"
    assert (
        redact(f"Authorization: Bearer {TOKEN}\n")
        == "Authorization: Bearer [secret:authorization]\n"
    )


def test_places_are_json_pointers() -> None:
    value = {"a/b": [{"c~d": {"password": "x"}}], "": {"token": "y"}}
    assert find(value) == (
        Finding("/a~1b/0/c~0d/password", "password"),
        Finding("//token", "token"),
    )
    assert find(TOKEN) == (Finding("", "github_token"),)


def test_one_finding_per_kind_and_place() -> None:
    both = f"{TOKEN} {TOKEN} {SAMPLES['npm_token']}"
    assert find([both]) == (Finding("/0", "github_token"), Finding("/0", "npm_token"))


def test_secrets_in_keys_are_found_and_never_shown() -> None:
    other = TOKEN[:-4] + "zzzz"
    value = {TOKEN: 1, other: {"password": "x"}, "[secret:github_token]": 2}
    assert redact(value) == {
        "[secret:github_token]": 1,
        "[secret:github_token] (2)": {"password": "[secret:password]"},
        "[secret:unclassified] (3)": 2,
    }
    assert [finding.path for finding in find(value)] == [
        "/[secret:github_token]",
        "/[secret:github_token] (2)",
        "/[secret:github_token] (2)/password",
    ]


def test_a_copy_is_returned_and_the_original_left() -> None:
    value = {"a": [1, {"token": "x"}], "b": (1, 2)}
    kept = json.loads(json.dumps(value))
    assert redact(value) == {"a": [1, {"token": "[secret:token]"}], "b": [1, 2]}
    assert json.loads(json.dumps(value)) == kept
    assert redact(value)["a"] is not value["a"]


def test_text_enums_are_text() -> None:
    class Color(StrEnum):
        RED = "red"

    assert redact({"color": Color.RED, Color.RED: 1}) == {"color": "red", "red": 1}
    assert find({"password": Color.RED}) == (Finding("/password", "password"),)


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        {1: 2},
        {"a": {None: 1}},
        {1, 2},
        pytest.param(object(), id="an object"),  # Its repr is another in each process.
        Decimal(1),
        math.nan,
        math.inf,
        1j,
    ],
    ids=repr,
)
def test_what_is_no_json_is_replaced_and_refused(value: object) -> None:
    assert "[secret:not_json]" in json.dumps(redact([value]))
    assert find([value])[0].kind == "not_json"
    for refusing in (refuse_secrets, secret_refs, lambda v: resolve(v, str)):
        with pytest.raises(Unscannable, match="no JSON"):
            refusing([value])


def test_large_integers_are_numbers() -> None:
    assert redact(10**5000) == 10**5000


def nested(depth: int) -> object:
    value: object = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (nested(33), "nested deeper than 32"),
        (nested(5000), "nested deeper than 32"),
        (["x"] * 100_001, "too many values"),
        ("x" * (1024 * 1024 + 1), "too much text"),
        ({"k" * (1024 * 1024): "yy"}, "too much text"),
    ],
    ids=["deep", "very deep", "wide", "long", "long key"],
)
def test_what_is_too_large_to_search_is_replaced_and_refused(value: object, reason: str) -> None:
    assert redact(value) == "[secret:unscannable]"
    assert find(value) == (Finding("", "unscannable"),)
    for refusing in (refuse_secrets, secret_refs, lambda v: resolve(v, str)):
        with pytest.raises(Unscannable, match=reason):
            refusing(value)


def test_the_bounds_are_the_callers_to_set() -> None:
    small = Redactor(max_depth=1, max_nodes=3, max_chars=10)
    assert small.redact(["a", "b"]) == ["a", "b"]
    assert small.redact([["a"]]) == "[secret:unscannable]"
    assert small.redact(["a", "b", "c"]) == "[secret:unscannable]"
    assert small.redact("x" * 11) == "[secret:unscannable]"


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    assert redact(value) == "[secret:unscannable]"


def test_a_defect_of_ours_lets_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_text: str) -> None:
        raise ZeroDivisionError(TOKEN)

    monkeypatch.setattr("smartops.redact.walk.hits", broken)
    assert redact({"a": TOKEN}) == "[secret:unscannable]"
    assert find({"a": TOKEN}) == (Finding("", "unscannable"),)
    with pytest.raises(Unscannable, match="internal ZeroDivisionError") as caught:
        refuse_secrets({"a": TOKEN})
    assert TOKEN not in str(caught.value)


def test_refusing_names_the_field_and_the_way_out_but_not_the_secret() -> None:
    value = {"host": "db", "auth": {"db_password": "hunter2", "token": "other"}}
    with pytest.raises(SecretInArgument) as caught:
        refuse_secrets(value)
    assert str(caught.value) == (
        "/auth/db_password: looks like a secret (password); keep the secret in the tool gateway"
        ' and write {"$secret": "<name>"} here'
    )
    assert (caught.value.path, caught.value.kind) == ("/auth/db_password", "password")
    assert (caught.value.code, caught.value.retryable) == ("secret_in_argument", False)


def test_errors_cannot_forge_lines_of_a_log() -> None:
    with pytest.raises(SecretInArgument) as caught:
        refuse_secrets({"a\nERROR password": "x"})
    assert "\n" not in str(caught.value)


def test_references_are_legal_and_left_alone() -> None:
    value = {
        "password": {"$secret": "prod/db.password"},
        "nested": [{"$secret": "a"}, {"x": {"$secret": "a1-_./" + "z" * 122}}],
    }
    refuse_secrets(value)
    assert find(value) == ()
    assert redact(value) == value
    assert secret_refs(value) == (
        SecretRef("/password", "prod/db.password"),
        SecretRef("/nested/0", "a"),
        SecretRef("/nested/1/x", "a1-_./" + "z" * 122),
    )
    assert secret_refs({"$secret": "whole"}) == (SecretRef("", "whole"),)


@pytest.mark.parametrize(
    "value",
    [
        {"$secret": "Upper"},
        {"$secret": ""},
        {"$secret": "1a"},
        {"$secret": "a" * 129},
        {"$secret": "a\n"},
        {"$secret": "a b"},
        {"$secret": None},
        {"$secret": {"$secret": "a"}},
        {"$secret": "a", "more": 1},
        {"$Secret": "a"},
        {"$pii": "email", "token": "x"},
        {"$before": "version"},
        {"$": 1},
        {"a": [{"$ref": "#/x"}]},
    ],
)
def test_other_dollar_keys_are_reserved(value: object) -> None:
    for refusing in (refuse_secrets, secret_refs, lambda v: resolve(v, str)):
        with pytest.raises(ReservedKey, match="begins with") as caught:
            refusing({"field": value})
        assert caught.value.path.startswith("/field")


def test_a_malformed_reference_may_be_the_secret_itself() -> None:
    with pytest.raises(ReservedKey) as caught:
        refuse_secrets({"$secret": "Hunter2!"})
    assert "Hunter2" not in str(caught.value)
    assert redact({"$secret": "Hunter2!"}) == {"$secret": "[secret:secret]"}
    lower = SAMPLES["gitlab_token"].lower()
    assert secret_refs({"$secret": lower}), "it passes for a name"
    with pytest.raises(SecretInArgument, match="gitlab_token"):
        refuse_secrets({"$secret": lower})


def test_markers_of_the_caller_are_let_through() -> None:
    template = {"version": {"$before": "version"}, "token": {"$secret": "ci"}}
    refuse_secrets(template, markers={"$before"})
    assert secret_refs(template, markers={"$before"}) == (SecretRef("/token", "ci"),)
    assert resolve(template, lambda _: "s3", markers={"$before"}) == {
        "version": {"$before": "version"},
        "token": "s3",
    }


def test_resolving_fills_each_reference() -> None:
    store = {"a": TOKEN, "b": '{"$secret": "a"}'}
    value = {"x": {"$secret": "a"}, "y": [1, {"$secret": "b"}, None], "z": {"deep": "kept"}}
    assert resolve(value, store.__getitem__) == {
        "x": TOKEN,
        "y": [1, '{"$secret": "a"}', None],
        "z": {"deep": "kept"},
    }
    assert value["x"] == {"$secret": "a"}


def test_a_reference_from_outside_names_nothing() -> None:
    output = {"version": {"$secret": "prod/db"}, "more": [{"$secret": "a", "b": 1}, "fine"]}
    inert = redact(output, keep_references=False)
    assert inert["version"] == "[secret:reference]"
    assert inert["more"] == [{"$secret": "[secret:secret]", "b": 1}, "fine"]
    assert find(inert) == ()
    assert redact(inert) == inert


@pytest.mark.parametrize("lookup", [{}.__getitem__, {}.get, lambda _: 5])
def test_a_secret_that_is_not_there_is_named(lookup: Any) -> None:
    with pytest.raises(UnknownSecret, match="there is no secret 'ci/token'") as caught:
        resolve({"a": [{"$secret": "ci/token"}]}, lookup)
    assert (caught.value.path, caught.value.name) == ("/a/0", "ci/token")


def test_one_root_for_all_errors() -> None:
    for name in library.__all__:
        exported = getattr(library, name)
        if isinstance(exported, type) and issubclass(exported, Exception):
            assert issubclass(exported, RedactError)
            assert exported.retryable is False
