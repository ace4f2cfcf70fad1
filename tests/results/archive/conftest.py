"""Frozen runs in a store, and keys of ssh-keygen."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bnnbench.results.archive.pack import pack
from bnnbench.results.store.runs import Store

FROZEN = Path(__file__).parents[2] / "docs/frozen/0.2.0"
COMPARISON = "20261129-144442-93948e"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The runs of 0.2.0, without the signatures of who made them."""
    for folder in FROZEN.glob("2*"):
        target = tmp_path / "store/runs" / folder.name
        target.mkdir(parents=True)
        for name in ("run.json", "journal.jsonl", "journal.end", "measurements.parquet"):
            shutil.copy(folder / name, target / name)
    return Store(tmp_path / "store")


@pytest.fixture
def packed(store: Store, tmp_path: Path) -> Path:
    """An archive of a comparison, not signed."""
    return pack(store.run(COMPARISON), tmp_path / "run.bnn").path


@pytest.fixture(scope="session")
def make_key(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A private key by its name; the public one is beside it."""
    folder = tmp_path_factory.mktemp("keys")

    def make(name: str) -> Path:
        key = folder / name
        if not key.exists():
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
            subprocess.run(words, check=True, timeout=30)
        return key

    return make


@pytest.fixture
def signed(store: Store, tmp_path: Path, make_key: Callable[[str], Path]) -> Path:
    """The same archive, signed by ann."""
    return pack(store.run(COMPARISON), tmp_path / "signed.bnn", key=make_key("ann")).path


@pytest.fixture
def signers(tmp_path: Path, make_key: Callable[[str], Path]) -> Path:
    """Who may sign: ann, for archives."""
    public = make_key("ann").with_suffix(".pub").read_text()
    file = tmp_path / "allowed_signers"
    file.write_text(f'ann@example.org namespaces="bnnbench" {public}')
    return file
