"""Addresses of stores in object storage: what is one, and what is refused in a sentence without the secret."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bnnbench.results.errors import StoreError
from bnnbench.results.store.remote.address import Address, is_address, parse
from bnnbench.results.store.runs import Store
from tests.s3 import SECRET_KEY, credentials


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("s3://bucket", Address("bucket", "")),
        ("s3://bucket/", Address("bucket", "")),
        ("s3://my-bucket.x/a/b/", Address("my-bucket.x", "a/b")),
        (Path("s3://bucket/a"), Address("bucket", "a")),
    ],
)
def test_an_address(text: str | Path, address: Address) -> None:
    assert is_address(text)
    assert parse(text) == address
    assert parse(str(address)) == address


@pytest.mark.parametrize("text", ["runs", "./s3", "/s3/x", "s3", "s3:", "as3://bucket", "s3:///x"])
def test_a_folder(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "s3://B/x",
        "s3://a..b/x",
        "s3://bucket/../x",
        "s3://bucket/a//b",
        "s3://bucket/a?x=1",
        "s3://bucket/a#x",
        "s3://bucket/a\\b",
        "s3://bucket/a\nb",
        "s3://bucket/" + "a/" * 400,
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(StoreError, match="is not"):
        Store(text)


@pytest.mark.parametrize("form", ["s3://user:{}@bucket/x", "s3://{}@bucket", "s3://bucket/x@{}"])
def test_a_password_is_refused_and_not_repeated(form: str) -> None:
    with pytest.raises(StoreError, match="no user and no password") as error:
        Store(form.format(SECRET_KEY))
    assert SECRET_KEY not in str(error.value)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(StoreError, match=r"pip install 'bnnbench\[s3\]'"):
        Store("s3://bucket/x")


def test_a_folder_imports_nothing_of_it(tmp_path: Path) -> None:
    code = (
        "import sys, bnnbench.results.store.runs as r; r.Store(sys.argv[1]).run_ids();"
        "print([m for m in sys.modules if m.split('.')[0] in ('boto3', 'botocore') or '.remote.' in m])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "['bnnbench.results.store.remote.address']"


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("boto3", reason="boto3 is not installed")
    for name, value in credentials(tmp_path, "http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_no_server_and_no_copy(user: Path) -> None:
    with pytest.raises(
        StoreError, match=r"s3://bucket/x can't be reached \(no connection\), and this machine has no copy"
    ):
        Store("s3://bucket/x")
    assert not (user / "cache").exists()


def test_no_credentials(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_") and ("KEY" in name or "TOKEN" in name)]:
        monkeypatch.delenv(name)
    with pytest.raises(StoreError, match="there are no credentials"):
        Store("s3://bucket/x")


def test_a_profile_that_is_not_there(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreError, match="check AWS_PROFILE"):
        Store("s3://bucket/x")


def test_a_password_in_the_endpoint(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:{SECRET_KEY[-8:]}@127.0.0.1:9")
    with pytest.raises(StoreError, match="the endpoint's URL holds") as error:
        Store("s3://bucket/x")
    assert SECRET_KEY[-8:] not in str(error.value)


def test_without_tls_only_where_the_user_says_so(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = user / "config"
    config.write_text("[default]\nendpoint_url = http://192.0.2.1:9\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    with pytest.raises(StoreError, match=r"192\.0\.2\.1 is used without TLS"):
        Store("s3://bucket/x")


def test_a_bucket_that_is_not_there(user: Path, s3_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3_port}")
    with pytest.raises(StoreError, match="there is no bucket nobody-made-this"):
        Store("s3://nobody-made-this/x")
