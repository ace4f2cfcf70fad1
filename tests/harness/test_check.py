"""Baselines and `bnnbench check`, as the CI script of a sample repository calls them."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys

import pytest

from bnnbench.results.errors import StoreError
from bnnbench.results.store.baselines import Baselines
from tests.harness.bench import Bench, one_sentence
from tests.harness.replaying import NOISE, RECORDING, write_engine

SLOWER = """#!PYTHON
import subprocess, sys
engine = subprocess.Popen(["ENGINE", *sys.argv[1:]], stdin=subprocess.PIPE)
for line in sys.stdin:
    if line.startswith("run ") and "samples=10" in line:
        line = line.rstrip("\\n") + " extra_ppm=PPM\\n"
        if CRASHES:
            engine.kill()
            sys.exit("segmentation fault in the new kernel")
    engine.stdin.write(line.encode())
    engine.stdin.flush()
engine.stdin.close()
sys.exit(engine.wait())
"""


def head(bench: Bench, ppm: int, crashes: bool = False) -> str:
    """An engine that is the baseline's, slowed down for real, or crashing."""
    (engine,) = (bench.folder / "store/baselines/main/engines").iterdir()
    text = SLOWER.replace("PYTHON", sys.executable).replace("ENGINE", str(engine))
    path = bench.write("new-engine", text.replace("PPM", str(ppm)).replace("CRASHES", str(crashes)))
    path.chmod(0o755)
    return f"native@{path}"


def replay(bench: Bench, **head: float) -> str:
    """The baseline's engine and a head that replay recorded noise: what is decided does not hang on who else uses this
    machine."""
    shared = bench.folder / "replay"
    shared.mkdir()
    paths = []
    for name, settings in (("base.py", {}), ("head.py", head)):
        engine = write_engine(bench, name, noise=NOISE, **settings)
        text = f"#!/bin/sh\nexec {engine} {shared} {RECORDING}\n"
        path = bench.write(f"{name}.sh", text)
        path.chmod(0o755)
        paths.append(path)
    baseline = bench.folder / "store/baselines/main"
    (kept,) = (baseline / "engines").iterdir()
    sha = hashlib.sha256(paths[0].read_bytes()).hexdigest()
    document = baseline / "capsule.json"
    document.write_text(document.read_text().replace(kept.name, sha))
    shutil.copy(paths[0], kept.with_name(sha))
    bench.trust_again(document)
    return f"native@{paths[1]}"


def ci(bench: Bench, head: str = "native", *words: str) -> int:
    done = subprocess.run(
        ["./ci.sh", *words],
        cwd=bench.folder,
        env={**bench.environment, "HEAD": head},
        timeout=110,
        check=False,
        capture_output=True,
        text=True,
    )
    print(done.stdout, done.stderr)
    return done.returncode


def latency(bench: Bench) -> dict[str, object]:
    done = bench.run("check", "--baseline", "main", "--store", "store", "--format", "json")
    found: dict[str, object] = json.loads(done.stdout)["verdicts"][0]
    return found


def test_a_commit_that_changes_nothing_passes(repository: Bench) -> None:
    from junitparser import JUnitXml

    assert ci(repository, replay(repository)) == 0
    (suite,) = JUnitXml.fromfile(str(repository.folder / "bnnbench.xml"))
    assert (suite.failures, suite.errors) == (0, 0)
    assert suite.tests >= 1


def test_a_slow_down_fails(repository: Bench) -> None:
    from junitparser import Failure, JUnitXml

    assert ci(repository, replay(repository, factor=1.04)) == 1
    (suite,) = JUnitXml.fromfile(str(repository.folder / "bnnbench.xml"))
    assert any(isinstance(result, Failure) for case in suite for result in case.result)


@pytest.mark.slow
def test_for_real_a_commit_that_changes_nothing_passes(repository: Bench) -> None:
    """Alone on the machine: under load every pair's clock differs, and a verdict on that there must not be."""
    assert ci(repository) == 0


@pytest.mark.slow
def test_a_real_slow_down_of_three_mde_fails(repository: Bench) -> None:
    from junitparser import Failure, JUnitXml

    mde = latency(repository)["mde"]
    assert isinstance(mde, float)
    assert ci(repository, head(repository, ppm=round(3e6 * max(mde, 0.1)))) == 1
    (suite,) = JUnitXml.fromfile(str(repository.folder / "bnnbench.xml"))
    assert any(isinstance(result, Failure) for case in suite for result in case.result)


def test_a_head_that_crashes_fails_with_its_last_words(repository: Bench) -> None:
    assert ci(repository, head(repository, ppm=0, crashes=True)) == 1
    assert "segmentation fault in the new kernel" in (repository.folder / "bnnbench.xml").read_text()


def test_a_device_that_is_away_is_no_regression(repository: Bench) -> None:
    (repository.folder / "devices.toml").write_text(
        '[device.pi4]\ntransport = "ssh"\nhost = "127.0.0.1"\nport = 1\nuser = "pi"\n'
    )
    assert ci(repository, "native", "-d", "pi4") == 3


@pytest.mark.slow
def test_strict_wants_a_verdict_on_all(repository: Bench) -> None:
    words = ["check", "--baseline", "main", "--store", "store", "--budget", "1s"]
    assert repository.run(*words).returncode == 0
    assert repository.run(*words, "--strict").returncode == 3
    assert repository.run(*words, "--max-inconclusive", "20%").returncode == 3


@pytest.mark.slow
def test_several_baselines_are_checked_one_after_another(repository: Bench) -> None:
    repository.run("baseline", "save", "v1", "--pin", "--store", "store")
    again = repository.run("baseline", "save", "main", "--store", "store")
    assert "latency since v1, the oldest pinned baseline" in again.stdout
    words = ["check", "--baseline", "main", "--baseline", "v1", "--store", "store", "--budget", "3s"]
    done = repository.run(*words, "--format", "json")
    assert [one["base"] for one in json.loads(done.stdout)["verdicts"] if one["metric"] == "latency"] == [
        "native@main",
        "native@v1",
    ]
    listed = repository.run("baseline", "list", "--store", "store")
    assert "v1" in listed.stdout
    assert "pinned" in listed.stdout


@pytest.mark.slow
def test_a_model_s_accuracy_and_size_are_gated(bench: Bench) -> None:
    """The baseline keeps the model: a smaller, less accurate one in its place is a regression in accuracy."""
    from bnnbench.kernels.models.shipped import shipped_models

    models = shipped_models()
    model = bench.folder / "model.tflite"
    shutil.copy(models["quicknet_s"], model)
    bench.write(
        "suite.toml",
        'name = "m"\ninvocations = 1\nwarmup_ms = 5\nmin_sample_ms = 1\n'
        '[[model]]\nfile = "model.tflite"\ndataset = "fashion-mnist"\nimages = 500\n',
    )
    bench.measure("suite.toml")
    assert bench.run("baseline", "save", "main", "--store", "store").returncode == 0
    shutil.copy(models["quicknet_xs"], model)
    done = bench.run("check", "suite.toml", "--baseline", "main", "--store", "store", "--format", "json", timeout=110)
    assert done.returncode == 1, done.stderr
    found = {one["metric"]: one for one in json.loads(done.stdout)["verdicts"]}
    assert found["accuracy"]["verdict"] == "regression"
    assert found["size"]["verdict"] == "improvement"
    assert found["latency"]["verdict"] == "improvement"
    assert found["latency"]["base_ns"] > found["latency"]["head_ns"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "--baseline", "gone"], "there is no baseline 'gone'"),
        (["check", "--baseline", "main", "--format", "pdf"], "there is no format 'pdf'"),
        (
            ["check", "--baseline", "main", "-o", "x.md"],
            "--output takes the other formats, the table is printed: add --f",
        ),
        (["check", "--baseline", "main", "-o", "no/x", "--format", "json"], "--output no/x cannot be written: name a"),
        (["check", "--baseline", "main", "-o", ".", "--format", "json"], "--output . cannot be written: name a file"),
        (["check", "--baseline", "main", "--head", "numba"], "holds no engine 'numba', only native"),
        (["check", "--baseline", "main", "--max-inconclusive", "many"], "is not a share"),
        (["baseline", "save", "../main"], "is not a name for a baseline"),
    ],
)
def test_a_wrong_call_is_one_sentence(repository: Bench, words: list[str], said: str) -> None:
    done = repository.run(*words, "--store", "store")
    assert done.returncode == 2
    assert said in one_sentence(done.stderr)


def test_a_changed_baseline_is_refused(repository: Bench) -> None:
    (engine,) = (repository.folder / "store/baselines/main/engines").iterdir()
    engine.write_bytes(engine.read_bytes() + b"x")
    with pytest.raises(StoreError, match="is not what was saved"):
        Baselines(repository.folder / "store").binaries("main", "native")
    done = repository.run("check", "--baseline", "main", "--store", "store")
    assert done.returncode == 2
    assert "is not what was saved" in one_sentence(done.stderr)


def test_a_comparison_is_no_baseline(repository: Bench) -> None:
    repository.run("check", "--baseline", "main", "--store", "store", "--budget", "1s")
    done = repository.run("baseline", "save", "x", "--store", "store")
    assert done.returncode == 2
    assert "is a comparison" in one_sentence(done.stderr)
