"""The scripts of docs/howto/ci-policy.md, run as a CI would: a repository, two branches, an emulated CPU."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.results.store.baselines import Baselines
from tests.harness.bench import Bench
from tests.harness.test_qemu import needs_qemu

SCRIPTS = Path(__file__).parents[2] / "examples" / "ci"
SUITE = 'name = "product"\n[[model]]\nfile = "model.tflite"\n'
ALLOWANCES = "".join(
    f'\n[[verdict.allow]]\nmetric = "{metric}"\nreason = "a larger model"\nuntil = 2999-01-01\n'
    for metric in ("instructions", "size")
)


@pytest.fixture
def repository(bench: Bench) -> Bench:
    bench.write("suite.toml", SUITE)
    commit(bench, "quicknet_xs")
    bench.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{bench.environment['PATH']}"
    return bench


def commit(bench: Bench, model: str) -> None:
    """The repository's model as of a commit."""
    shutil.copy(shipped_models()[model], bench.folder / "model.tflite")


def job(bench: Bench, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**bench.environment, "SUITE": "suite.toml", "STORE": "store", **variables}
    return subprocess.run(
        [SCRIPTS / script],
        cwd=bench.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


@needs_qemu
def test_merges_pull_requests_branches_and_nights(repository: Bench) -> None:
    device = {"DEVICE": "qemu://cortex-a72"}
    merged = job(repository, "merged.sh", BRANCH="main", **device)
    assert merged.returncode == 0, merged.stderr
    # A pull request that changes nothing passes; one with a larger model fails by its instructions and its size.
    same = job(repository, "pull-request.sh", TARGET="main", **device)
    assert same.returncode == 0, same.stdout + same.stderr
    commit(repository, "quicknet_s")
    larger = job(repository, "pull-request.sh", TARGET="main", **device)
    assert larger.returncode == 1, larger.stdout + larger.stderr
    comment = (repository.folder / "comment.md").read_text()
    assert "regression" in comment
    assert "instructions" in comment
    assert "size" in comment
    # With an allowance it passes, is merged, and becomes the baseline of its branch alone.
    (repository.folder / "suite.toml").write_text(SUITE + ALLOWANCES)
    allowed = job(repository, "pull-request.sh", TARGET="release/1.2", **device)  # has no baseline yet
    assert allowed.returncode == 0, allowed.stdout + allowed.stderr
    assert "Allowed until 2999-01-01: a larger model" in (repository.folder / "comment.md").read_text()
    assert job(repository, "merged.sh", BRANCH="release/1.2", **device).returncode == 0
    names = [item.name for item in Baselines(repository.folder / "store").all()]
    assert sorted(names) == ["main", "release-1.2"]
    (repository.folder / "suite.toml").write_text(SUITE)
    later = job(repository, "pull-request.sh", TARGET="release/1.2", **device)
    assert later.returncode == 0, later.stdout + later.stderr
    drifted = job(repository, "pull-request.sh", TARGET="release/1.2", RELEASES="main", **device)
    assert drifted.returncode == 1  # against the last release it is still a change
    night = job(repository, "nightly.sh")
    assert night.returncode == 0, night.stderr
    again = job(repository, "pull-request.sh", TARGET="main", **device)
    assert again.returncode == 1  # the baselines are still there


def test_what_is_inconclusive_gets_more_time_once(repository: Bench, tmp_path: Path) -> None:
    """With a stand-in for the command: which calls the script makes, and what it ends with."""
    calls = tmp_path / "calls"
    for statuses, status in (("0", 0), ("1", 1), ("3 0", 0), ("3 3", 3), ("3 1", 1), ("2", 2)):
        calls.write_text("")
        wanted = tmp_path / "wanted"
        wanted.write_text(statuses.replace(" ", "\n") + "\n")
        fake = tmp_path / "bin" / "bnnbench"
        fake.parent.mkdir(exist_ok=True)
        fake.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nn=$(wc -l < {calls})\nexit "$(sed -n "${{n}}p" {wanted})"\n')
        fake.chmod(0o755)
        path = f"{fake.parent}{os.pathsep}{repository.environment['PATH']}"
        done = job(repository, "pull-request.sh", TARGET="main", PATH=path)
        made = calls.read_text().splitlines()
        assert done.returncode == status, statuses
        assert len(made) == len(statuses.split())
        assert all(("--budget 10min" in call) == (number == 1) for number, call in enumerate(made))
