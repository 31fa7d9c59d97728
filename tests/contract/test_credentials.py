"""Secrets are read where a request is signed, and show nowhere."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from adapters.brokers.credentials import Credentials
from domain.brokers.credentials import CredentialReference
from domain.errors import CredentialsRefused

SECRET = "s3cr3t"
HEADERS = {"Authorization": "token {key}:{access_token}"}


def references(path: Path) -> dict[str, CredentialReference]:
    return {"key": CredentialReference.parse("env:TEST_KEY"), "access_token": CredentialReference.parse(f"file:{path}")}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_KEY", SECRET)
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text("abc\n")
    return path


def test_a_header_is_filled_in_with_what_the_references_name(path: Path) -> None:
    assert Credentials("toy", references(path)).filled_in(HEADERS) == {"Authorization": f"token {SECRET}:abc"}


def test_a_header_whose_credential_is_not_given_is_refused_with_its_name(path: Path) -> None:
    with pytest.raises(CredentialsRefused, match="the headers need a credential 'key', and none of that name is given"):
        Credentials("toy", {}).filled_in(HEADERS)


def test_a_secret_never_shows_and_never_travels(path: Path) -> None:
    credentials = Credentials("toy", references(path))
    credentials.filled_in(HEADERS)
    assert SECRET not in repr(credentials)
    assert SECRET.encode() not in pickle.dumps(credentials)
    assert pickle.loads(pickle.dumps(credentials)).filled_in(HEADERS) == credentials.filled_in(HEADERS)


def test_a_file_is_read_again_only_after_a_refusal(path: Path) -> None:
    credentials = Credentials("toy", references(path))
    before = credentials.filled_in(HEADERS)
    path.write_text("renewed")
    assert credentials.filled_in(HEADERS) == before
    assert credentials.have_changed()
    assert credentials.filled_in(HEADERS) == {"Authorization": f"token {SECRET}:renewed"}
    assert not credentials.have_changed()


def test_what_cannot_be_had_is_told_with_the_reference_and_the_node(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> str:
        with pytest.raises(CredentialsRefused) as caught:
            Credentials("toy", references(path)).filled_in(HEADERS)
        return str(caught.value)

    monkeypatch.setattr("socket.gethostname", lambda: "node-7")
    path.chmod(0o640)
    assert told() == f"toy: credentials: file:{path} must belong to this user alone: make it 0600 on node node-7"
    path.chmod(0o600)
    path.write_text("  \n")
    assert "is empty on node node-7" in told()
    path.unlink()
    assert "cannot be read (No such file or directory)" in told()
    monkeypatch.delenv("TEST_KEY")
    assert told() == "toy: credentials: env:TEST_KEY is not set on node node-7"


@pytest.mark.parametrize("text", [SECRET, "", "env:", "env:A B", "file:relative", "vault:x", "env"])
def test_a_secret_in_the_place_of_a_reference_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="this is no reference to a secret") as caught:
        CredentialReference.parse(text)
    assert SECRET not in str(caught.value)
