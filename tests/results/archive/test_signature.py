"""Signatures by the real ssh-keygen: whose they are, and of what."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bnnbench.harness.tasks.archives import checked_signer
from bnnbench.results.archive.container import opened
from bnnbench.results.archive.error import ArchiveError
from bnnbench.results.archive.manifest import MANIFEST, SIGNATURE
from bnnbench.results.archive.pack import pack
from bnnbench.results.archive.signature import signature_of
from bnnbench.results.store.runs import Store
from tests.results.archive.conftest import COMPARISON
from tests.results.archive.hostile_zip import rewritten

pytestmark = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen (Debian: openssh-client) missing"
)
MakeKey = Callable[[str], Path]


def signer(archive: Path, signers: Path) -> str | None:
    with opened(archive) as content:
        return checked_signer(content, signers)


def test_the_signer_is_named(signed: Path, signers: Path) -> None:
    assert signer(signed, signers) == "ann@example.org"


def test_the_file_of_signers_is_found_beside_the_user_s_devices(
    signed: Path, signers: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with opened(signed) as content:
        with pytest.raises(ArchiveError, match=r"there is no file .*/bnnbench/allowed_signers"):
            checked_signer(content, None)
        (tmp_path / "bnnbench").mkdir()
        shutil.copy(signers, tmp_path / "bnnbench/allowed_signers")
        assert checked_signer(content, None) == "ann@example.org"


def test_packing_and_signing_twice_makes_the_same_bytes(store: Store, signed: Path, make_key: MakeKey) -> None:
    again = pack(store.run(COMPARISON), signed.with_name("again.bnn"), key=make_key("ann"))
    assert again.path.read_bytes() == signed.read_bytes()


def test_another_s_key_is_refused_by_its_fingerprint(store: Store, signers: Path, make_key: MakeKey) -> None:
    path = pack(store.run(COMPARISON), signers.with_name("bob.bnn"), key=make_key("bob")).path
    words = ["ssh-keygen", "-l", "-f", str(make_key("bob"))]
    fingerprint = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout.split()[1]
    with pytest.raises(ArchiveError, match="is not an allowed signer") as refused:
        signer(path, signers)
    assert fingerprint in str(refused.value)


def test_a_signature_of_something_else_is_refused(
    store: Store, signed: Path, signers: Path, make_key: MakeKey, tmp_path: Path
) -> None:
    """Of another manifest, for another purpose, or no signature at all."""
    other = signature_of(b"another manifest", make_key("ann"))
    git = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-q", "-n", "git", "-f", str(make_key("ann"))],
        input=zipfile.ZipFile(signed).read(MANIFEST),
        capture_output=True,
        check=True,
        timeout=30,
    ).stdout
    for number, signature in enumerate((other, git, b"", b"\x00" * 1000, signed.read_bytes()[:1000])):
        path = rewritten(signed, tmp_path / f"{number}.bnn", {SIGNATURE: signature})
        with pytest.raises(ArchiveError, match="signature is broken, or not of this manifest"):
            signer(path, signers)


def test_a_changed_manifest_is_refused(signed: Path, signers: Path, tmp_path: Path) -> None:
    """Also where everything in it is right: digests alone can be made by everybody."""
    with zipfile.ZipFile(signed) as file:
        manifest = file.read(MANIFEST)
    changed = manifest.replace(b'"redacted": false', b'"redacted": true')
    assert changed != manifest
    path = rewritten(signed, tmp_path / "x.bnn", {MANIFEST: changed})
    with pytest.raises(ArchiveError, match="signature is broken, or not of this manifest"):
        signer(path, signers)


def test_any_changed_letter_of_the_signature_is_refused(signed: Path, signers: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(signed) as file:
        signature = bytearray(file.read(SIGNATURE))
    for place in range(40, len(signature) - 40, 37):
        changed = signature.copy()
        changed[place] = ord("A") if changed[place] != ord("A") else ord("B")
        path = rewritten(signed, tmp_path / "x.bnn", {SIGNATURE: bytes(changed)})
        with pytest.raises(ArchiveError):
            signer(path, signers)


def test_a_signature_that_was_taken_off_is_missed(signed: Path, signers: Path, tmp_path: Path) -> None:
    path = rewritten(signed, tmp_path / "x.bnn", {SIGNATURE: None})
    with pytest.raises(ArchiveError, match="is not signed: ask its author"):
        signer(path, signers)
    with opened(path) as content:
        assert checked_signer(content, None) is None
        with pytest.raises(ArchiveError, match="is not signed"):
            checked_signer(content, None, required=True)


@pytest.mark.parametrize("options", ['namespaces="git"', 'valid-before="20200101"'])
def test_a_key_that_may_not_sign_this_is_refused(signed: Path, signers: Path, make_key: MakeKey, options: str) -> None:
    signers.write_text(f"ann@example.org {options} {make_key('ann').with_suffix('.pub').read_text()}")
    with pytest.raises(ArchiveError, match="is not an allowed signer"):
        signer(signed, signers)


def test_without_ssh_keygen(
    store: Store, signed: Path, signers: Path, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "PATH", str(signers.parent))
    with pytest.raises(ArchiveError, match="ssh-keygen, which is not installed: install OpenSSH"):
        signer(signed, signers)
    with pytest.raises(ArchiveError, match="ssh-keygen, which is not installed: install OpenSSH"):
        pack(store.run(COMPARISON), signers.with_name("x.bnn"), key=make_key("ann"))
    assert not signers.with_name("x.bnn").exists()


def test_a_key_that_is_none(store: Store, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("not a key")
    for name, said in {"key": "cannot sign with", "nothing": "is not a file"}.items():
        with pytest.raises(ArchiveError, match=said):
            pack(store.run(COMPARISON), tmp_path / "x.bnn", key=tmp_path / name)
    assert not (tmp_path / "x.bnn").exists()
