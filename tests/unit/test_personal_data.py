"""Personal data found in text, and put behind tokens."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smartops.redact import (
    Finder,
    MissingPersonal,
    Personal,
    Pseudonyms,
    Unscannable,
    blanked,
    find,
    placeholders,
    redact,
    refuse_secrets,
    resolve,
    tenant_key,
)

EVERYTHING = Finder(region="DE", with_addresses=True)
PLAIN = Finder()
KEY = tenant_key(b"k" * 32, "acme")

FOUND = [
    ("ana.lopez+ops@example.com", "email"),
    ("o'brien@mail.example.co.uk", "email"),
    ("jörg@müller.de", "email"),
    ("+49 30 901820", "phone"),
    ("+1 (415) 555-2671", "phone"),
    ("+442079460958", "phone"),
    ("4111 1111 1111 1111", "card"),
    ("5500-0000-0000-0004", "card"),
    ("378282246310005", "card"),
    ("DE89 3704 0044 0532 0130 00", "iban"),
    ("GB82WEST12345698765432", "iban"),
]

ORDINARY = [
    "2026-11-21T17:21:08.123456Z and 2026-11-21 17:21:08+02:00 and 20261121172108",
    "1763745668 1763745668123 1763745668123456789",
    "10.0.0.1:8080, 192.168.178.255/24, 2001:db8::ff00:42:8329, 127.0.0.1",
    "version 2.4.1, v1.27.3-gke.1700, 3.11.0rc1, 20.04.6, 1.2.840.113549.1.1.11",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "d41d8cd98f00b204e9800998ecf8427e da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479 12345678-1234-1234-1234-123456789012",
    "$1,234,567.89 and 12.345,67 € and 1 000 000 and 0.00000012345 and 99.99%",
    "cpu=0.8512 mem=1073741824 requests=4294967296 bytes=9007199254740991",
    "git@github.com:acme/repo.git getty@tty1.service pkg@1.2.3 user@host",
    "web-01 on port 443, build 20261121.3, job 48151623, ticket OPS-12345, 24/7",
    "order 4111111111111112 and counter 12345678901234567890 and 0000000000000000",
    "AB12 IS A CODE; GB82WEST12345698765433; X509 RSA2048 SHA256",
    "Tue, 21 Nov 2026 17:21:08 GMT; uptime 12 days, 3:04; 21.11.2026; 11/21/2026 17:21",
    "postgresql://db.internal:5432/app and http://10.0.0.1:8080/healthz?x=1700000000",
    "+49 1 and +999 123 456 789 and +1 000 000 0000 and diff +1234567 -7654321 lines",
    "restart the 3 web servers in rack 12, then wait 300 s for 99.95 % of 200 OK",
]


@pytest.mark.parametrize(("value", "kind"), FOUND)
def test_a_value_is_found_alone_and_in_a_sentence(value: str, kind: str) -> None:
    for text in (value, f"Call ({value}), please.", f"from: {value}\nto: nobody", f'"{value}"'):
        hits = PLAIN.hits(text)
        assert [(text[h.start : h.end], h.kind) for h in hits] == [(value, kind)]


def test_national_numbers_and_addresses_are_found_where_that_is_asked_for() -> None:
    text = "Frau Sommer, Hauptstraße 12, 10115 Berlin, Tel. 030 901820, 1600 Amphitheatre Road"
    kinds = [(text[h.start : h.end], h.kind) for h in EVERYTHING.hits(text)]
    assert kinds == [
        ("Hauptstraße 12, 10115 Berlin", "address"),
        ("030 901820", "phone"),
        ("1600 Amphitheatre Road", "address"),
    ]
    assert PLAIN.hits(text) == ()


@pytest.mark.parametrize(
    "finder", [PLAIN, EVERYTHING, Finder(region="US")], ids=["all", "de", "us"]
)
@pytest.mark.parametrize("text", ORDINARY)
def test_what_telemetry_is_made_of_is_not_taken_for_a_person(finder: Finder, text: str) -> None:
    assert [(text[h.start : h.end], h.kind) for h in finder.hits(text)] == []


def test_an_unknown_region_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="'XX'"):
        Finder(region="XX")


# ---- tokens --------------------------------------------------------------------------------


def pseudonyms(key: bytes = KEY, **options: Any) -> Pseudonyms:
    return Pseudonyms(PLAIN, key, **options)


def test_a_whole_value_becomes_a_reference_and_text_has_placeholders() -> None:
    made = pseudonyms()
    replaced = made.value(
        {"to": "ana@example.com", "note": "mail ana@example.com, twice", "ana@example.com": [7]}
    )
    [found] = made.found.values()
    token = found.token
    assert (found.kind, found.value) == ("email", "ana@example.com")
    assert replaced == {
        "to": {"$pii": "email", "token": token},
        "note": f"mail [email:{token}], twice",
        f"[email:{token}]": [7],
    }
    assert list(placeholders(replaced)) == [token] * 3
    assert "ana@example.com" not in repr(found)


def test_a_card_as_a_number_comes_back_as_a_number() -> None:
    made = pseudonyms()
    replaced = made.value({"card": 4111111111111111, "count": 4111111111111112, "ok": True})
    token = replaced["card"]["token"]
    assert replaced["count"] == 4111111111111112
    values = {one.token: one.value for one in made.found.values()}
    assert resolve(replaced, str, personal=values.get)["card"] == 4111111111111111
    assert token in values


def test_equal_values_have_one_token_within_a_tenant_and_none_in_common_with_another() -> None:
    ours, again = pseudonyms(), pseudonyms()
    theirs = pseudonyms(tenant_key(b"k" * 32, "globex"))
    text = "ana@example.com"
    assert ours.value(text) == again.value(text)
    assert ours.value(text) != theirs.value(text)
    assert ours.value(text) != pseudonyms(tenant_key(b"x" * 32, "acme")).value(text)


def test_references_pass_the_search_for_secrets_and_foreign_ones_do_not() -> None:
    reference = {"$pii": "email", "token": "ab" * 16}
    refuse_secrets({"to": reference})
    assert redact({"to": reference}) == {"to": reference}
    assert redact({"to": reference}, keep_references=False) == {"to": "[secret:reference]"}
    foreign = pseudonyms(foreign=True)
    assert foreign.value(f"see [email:{'ab' * 16}]") == "see [email:reference]"


def test_what_a_tool_was_told_is_recognised_whatever_it_looks_like() -> None:
    told = [Personal("cd" * 16, "person", "Ana López"), Personal("ef" * 16, "card", 17)]
    made = pseudonyms(foreign=True, told=told)
    assert made.value({"who": "Ana López", "n": 17, "said": "no Ana López here"}) == {
        "who": {"$pii": "person", "token": "cd" * 16},
        "n": {"$pii": "card", "token": "ef" * 16},
        "said": f"no [person:{'cd' * 16}] here",
    }


def test_a_token_without_a_value_stops_everything() -> None:
    token = "ab" * 16
    for value in ({"to": {"$pii": "email", "token": token}}, [f"x [email:{token}]"]):
        with pytest.raises(MissingPersonal, match=token) as caught:
            resolve(value, str, personal={}.get)
        assert caught.value.code == "missing_pii"
        with pytest.raises(MissingPersonal):
            resolve(value, str)


# ---- for every value -----------------------------------------------------------------------

PIECES = st.sampled_from(
    [value for value, _ in FOUND] + ["@", "+", "+49", "[email:", "]", "[email:" + "a" * 32 + "]",
     " ", "-", "4111", "1111", "DE89", "3704", "x", ".", "example.com", "0", "/"]
)  # fmt: skip
TEXT = st.text(max_size=20) | st.lists(PIECES, max_size=6).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(min_value=-(2**53), max_value=2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
thorough = settings(max_examples=300, deadline=None)


def _no_dollar(value: Any) -> bool:
    return '"$' not in json.dumps(value)


@thorough
@given(JSON.filter(_no_dollar))
def test_replacing_twice_changes_nothing_and_resolving_brings_all_back(value: Any) -> None:
    made = Pseudonyms(EVERYTHING, KEY)
    once = made.value(value)
    again = Pseudonyms(EVERYTHING, KEY)
    assert again.value(once) == once
    assert again.found == {}
    # Placeholders that stood there before are nobody's.
    others = {token: f"[email:{token}]" for token in placeholders(value)}
    values = {**others, **{one.token: one.value for one in made.found.values()}}
    assert resolve(once, str, personal=values.get) == value


@thorough
@given(JSON)
def test_tokens_do_not_look_like_secrets(value: Any) -> None:
    cleaned = redact(value)
    assert find(Pseudonyms(PLAIN, KEY).value(cleaned)) == ()


@pytest.mark.parametrize(
    "piece",
    ["@", "a@", "a@a.", "+4", "+49 ", "1 ", "4111 ", "DE89", "A1 ", "Aa ", "Main 1 ", "1 Ab "],
)
def test_time_is_linear_in_the_text(piece: str) -> None:
    def seconds(count: int) -> float:
        text = piece * count
        began = time.process_time()
        EVERYTHING.hits(text)
        return time.process_time() - began

    seconds(100)
    small = min(seconds(4_000) for _ in range(3))
    large = min(seconds(32_000) for _ in range(2))
    assert large < 8 * 4 * small + 0.05, "eight times the text, within four times of eight"


def test_an_error_of_our_own_lets_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_text: str) -> object:
        raise KeyError("ana@example.com")

    monkeypatch.setattr("smartops.redact.personal._emails", broken)
    with pytest.raises(Unscannable, match="KeyError") as caught:
        PLAIN.hits("ana@example.com")
    assert "ana" not in str(caught.value)


@thorough
@given(TEXT)
def test_what_is_blanked_holds_nothing_any_more(text: str) -> None:
    once = blanked(text)
    assert find(once) == ()
    assert PLAIN.hits(once) == ()
    assert blanked(once) == once


def test_blanks_say_what_stood_there() -> None:
    secret = "ghp_" + "a1B2" * 9
    assert blanked(f"by ana@example.com with {secret}") == "by [email] with [secret:github_token]"
