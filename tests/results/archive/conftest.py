"""Frozen runs in a store, and keys of ssh-keygen."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bnnbench.results.archive.pack import pack
from bnnbench.results.store.calibration import Calibration
from bnnbench.results.store.runs import Store

FROZEN = Path(__file__).parents[2] / "docs/frozen/0.2.0"
COMPARISON = "20261129-144442-93948e"


CALIBRATION = Calibration(
    device="local",
    created="2026-11-01T00:00:00.000+00:00",
    version="0.2.0",
    suite="quick",
    kernel="Linux 6.18.44",
    floor=0.01,
    margin=0.02,
    comparisons=10,
    false_alarms=0,
    false_alarm_low=0.0,
    false_alarm_high=0.3,
    unstable=0,
    conclusive=1.0,
    sigma=0.01,
    mde=0.02,
    invocation_ms=100.0,
)


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
    return pack(store.run(COMPARISON), tmp_path / "run.bnn", calibrations=[CALIBRATION]).path


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
