"""Fixtures: a bucket, and hosts that share a store in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from bnnbench.results.store.remote import bucket
from bnnbench.results.store.remote.address import parse
from bnnbench.results.store.runs import Store
from tests.s3 import Storage, credentials, s3_port, storage

__all__ = ["s3_port", "storage"]
Host = Callable[[str], AbstractContextManager[Callable[[], Store]]]


@pytest.fixture
def host(tmp_path: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Host:
    """`with host("a") as store:` is on one of several hosts; `store()` opens the store there, as a new process does."""
    for name, value in credentials(tmp_path, storage.line.url).items():
        monkeypatch.setenv(name, value)
    session = bucket._session(parse(storage.url))  # making one for each store would take most of the time
    monkeypatch.setattr(bucket, "_session", lambda address: session)

    @contextmanager
    def on(name: str) -> Iterator[Callable[[], Store]]:
        with monkeypatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(tmp_path / name / "cache"))
            patch.setenv("XDG_STATE_HOME", str(tmp_path / name / "state"))
            yield lambda: Store(storage.url)

    return on
