"""What holds for every value: nothing is left, nothing missed, nothing crashes, time is linear."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from smartops.redact import RedactError, find, redact, refuse_secrets, resolve, secret_refs
from smartops.redact.plain import NotPlain, plain_copy
from support.secret_samples import SAMPLES

FRAGMENTS = st.sampled_from(
    [
        "password", "token", "secret", "=", ":", ": ", '"', "'", "\\", '\\"', " ", "\n", "--", "://",
        "@", "[secret:token]", "[secret:", "]", "${X}", "$X", "<password>", "***", "bearer ", "eyJ",
        "Authorization", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "abcd1234",
        "_count", "name", "value", "$secret", "a", ".", "/", "sk-", "0", "(2)",
    ]
)  # fmt: skip
"""Pieces that patterns are made of: text that almost is, or overlaps, a secret."""

HOSTILE = st.lists(FRAGMENTS | st.sampled_from(list(SAMPLES.values())), max_size=8).map("".join)
TEXT = st.text(max_size=30) | HOSTILE
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
TOKENS = st.sampled_from([sample for kind, sample in SAMPLES.items() if "yaml" not in kind])
PLAIN = st.text(max_size=20)

thorough = settings(max_examples=200, deadline=None)


@thorough
@given(JSON)
@example({"password=abcd": 1, "password=wxyz": 2})
@example({'"password": "ab': {"a": 1}, '"password": "cd': "x"})
@example({"name": "x" * 600 + " password [secret:token]", "value": "y"})
@example({"password": "${" + SAMPLES["github_token"] + "}"})
@example("password='[secret:password]x")
def test_nothing_is_left_and_redacting_twice_changes_nothing(value: Any) -> None:
    once = redact(value)
    assert find(once) == ()
    assert redact(once) == once
    json.dumps(once, allow_nan=False)


@thorough
@given(JSON)
def test_what_is_found_is_what_is_replaced(value: Any) -> None:
    """Lists and numbers aside, a value without findings comes back as it was, any other differs."""
    assert (redact(value) == value) is (find(value) == ())


@thorough
@given(JSON, TOKENS, PLAIN, PLAIN, st.randoms(use_true_random=False))
def test_a_planted_secret_is_found_wherever_it_is(
    value: Any, token: str, before: str, after: str, random: Any
) -> None:
    planted = plant(value, f"{before} {token} {after}", random)
    assert find(planted) != ()
    assert f" {token} " not in texts(redact(planted))
    with pytest.raises(RedactError):
        refuse_secrets(planted)


@thorough
@given(JSON | st.binary() | st.sets(st.integers()))
@example({"a": [{"$secret": "ci/token"}]})
@example([[[[[[[[[[1]]]]]]]]]])
@example({"a": "x" * 70_000})
def test_a_quick_look_copies_only_what_a_long_one_would_copy_as_it_is(value: Any) -> None:
    try:
        copied = plain_copy(value)
    except NotPlain:
        return
    assert copied == value
    assert secret_refs(value) == ()
    if isinstance(value, dict | list):
        assert copied is not value


@thorough
@given(JSON | st.binary() | st.sets(st.integers()) | st.dictionaries(st.integers(), st.text()))
def test_no_value_raises_anything_but_our_own(value: Any) -> None:
    find(value)
    redact(value)
    for call in (refuse_secrets, secret_refs, lambda v: resolve(v, lambda _: "s")):
        try:
            call(value)
        except RedactError as error:
            assert error.code  # noqa: PT017 - whatever is refused has a code, whether or not it is.


@thorough
@given(JSON)
def test_what_is_accepted_holds_no_secret(value: Any) -> None:
    try:
        refuse_secrets(value)
    except RedactError:
        return
    assert find(value) == ()
    assert redact(value) == value


@thorough
@given(st.text(alphabet=st.characters(), max_size=200))
@example("\ud800" * 20 + "password=abcd")
@example("İ" * 30 + "BEARER abcdefgh1234")
def test_any_text_is_searched(text: str) -> None:
    assert find(redact(text)) == ()


HARD = [
    "a", "A", "1", "S", "SA", " ", "\n", "\\", '"', "'", "=", ":", "-", "--", "- ", "<",
    "[secret:a]", "eyJ", "eyJaaaaaaaa.", "eyJ-", "sk-", "SG.", "SG.aaaaaaaaaaaaaaaa", "ghp_",
    "xoxb-", "://", "://a:", "://a:b", "a://:::", "bearer ", "bearer a", "authorization:",
    "authorization: a ", "password=", "password:", "password: ", "password='", 'password="',
    'password=\\"', "token=abcd;", "x='", 'a:"', "--a b ", "sig=", "&sig=", "123456789:AA",
    "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "-----BEGIN PRIVATE KEY----------END ", "a.b-c",
    "a=\n", "${", "$(", "{{", "hooks.slack.com/", ".atlasv1.", "aaaaaaaaaaaaaaaaaaaa.atlasv1.",
    "AccountKey=", "aB", "_", "key", "pASSWORD",
]  # fmt: skip


@pytest.mark.parametrize("piece", HARD)
def test_64_kb_of_the_worst_are_done_in_time(piece: str) -> None:
    """Quadratic work on 64 KB is billions of steps, a minute and more; linear work is far from the
    bound, however busy the machine."""
    size = 64 * 1024
    text = (piece * (size // len(piece) + 1))[:size]
    started = time.perf_counter()
    for value in (text, f"{text}!", {text: text}, {"password": [text]}):
        cleaned = redact(value)
        assert find(cleaned) == ()
    assert time.perf_counter() - started < 20


def test_many_keys_of_one_kind_are_done_in_time() -> None:
    base = SAMPLES["github_token"]
    value = {f"{base}{n}": n for n in range(15_000)}
    started = time.perf_counter()
    cleaned = redact(value)
    assert len(cleaned) == len(value)
    assert find(cleaned) == ()
    assert time.perf_counter() - started < 20


def plant(value: Any, text: str, random: Any) -> Any:
    """The value with one leaf, element or key replaced by the text."""
    if isinstance(value, dict) and value:
        key = random.choice(list(value))
        rest = {k: v for k, v in value.items() if k != key}
        if random.random() < 0.3:
            return {**rest, text: value[key]}
        return {**rest, key: plant(value[key], text, random)}
    if isinstance(value, list) and value:
        index = random.randrange(len(value))
        return [*value[:index], plant(value[index], text, random), *value[index + 1 :]]
    return text


def texts(value: Any) -> str:
    """All strings of a value, keys included, one after the other."""
    if isinstance(value, dict):
        return "\n".join(f"{key}\n{texts(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "\n".join(texts(item) for item in value)
    return value if isinstance(value, str) else ""
