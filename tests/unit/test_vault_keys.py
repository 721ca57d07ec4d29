"""The vault's key files: made, rotated, and refused when they hold something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from smartops.vault import BadKeyFile, CannotOpen, Opener, Sealer, read_token_key
from smartops.vault.__main__ import main
from smartops.vault.making import PRIVATE, PUBLIC, TOKENS, make_keys


def test_what_is_sealed_with_the_public_file_opens_with_the_private_one(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    sealer, opener = Sealer.read(tmp_path / PUBLIC), Opener.read(tmp_path / PRIVATE)
    sealed = sealer.seal(b"ana")
    assert sealed != sealer.seal(b"ana"), "equal values cannot be told by their bytes"
    assert opener.open(sealer.key_id, sealed) == b"ana"
    with pytest.raises(CannotOpen):
        opener.open(sealer.key_id, sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_a_new_key_comes_in_front_and_the_key_of_tokens_stays(tmp_path: Path) -> None:
    make_keys(tmp_path)
    old, tokens = Sealer.read(tmp_path / PUBLIC), read_token_key(tmp_path / TOKENS)
    sealed = old.seal(b"ana")
    make_keys(tmp_path)
    opener = Opener.read(tmp_path / PRIVATE)
    new = Sealer.read(tmp_path / PUBLIC)
    assert opener.sealer.key_id == new.key_id != old.key_id
    assert opener.open(old.key_id, sealed) == b"ana"
    assert read_token_key(tmp_path / TOKENS) == tokens
    [current, _] = (tmp_path / PRIVATE).read_text().split()
    (tmp_path / PRIVATE).write_text(current)
    with pytest.raises(CannotOpen):
        Opener.read(tmp_path / PRIVATE).open(old.key_id, sealed)


def test_only_their_owner_may_read_them(tmp_path: Path) -> None:
    make_keys(tmp_path)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("text", ["", "zz", "ab" * 31, "ab" * 33, "ä"])
def test_a_file_with_something_else_is_refused_without_quoting_it(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    for read in (Sealer.read, Opener.read, read_token_key):
        with pytest.raises(BadKeyFile, match="key") as caught:
            read(path)
        assert not text or text not in str(caught.value)
    assert main([str(tmp_path / "nowhere")]) == 1
