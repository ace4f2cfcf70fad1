"""A generated store of 60 runs, made once; each test has a copy of its own."""

import shutil
from pathlib import Path

import pytest

from bnnbench.results.store.runs import Store
from tests.results.generated_store import Team

RUNS = 60


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without an index; never written to."""
    path = tmp_path_factory.mktemp("generated")
    Team(RUNS).write(path)
    return path


@pytest.fixture
def years(generated: Path, tmp_path: Path) -> Store:
    """The same runs, to do anything with."""
    shutil.copytree(generated / "runs", tmp_path / "runs")
    return Store(tmp_path)
