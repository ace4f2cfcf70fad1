"""Data is no code: what a run or a baseline from elsewhere names is not executed or read without --trust."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from pathlib import Path

import pytest

from bnnbench.results.store import signature
from tests.harness.bench import Bench, one_sentence

MODEL = Path(__file__).parents[1] / "golden" / "tiny_larq.tflite"
SPY = '#!/bin/sh\ntouch "{marker}"\nexec "{engine}" "$@"\n'


def spied(path: Path, old: Path, document: Path, marker: Path) -> None:
    """Puts a program into a capsule that shows that it ran."""
    path.write_text(SPY.format(marker=marker, engine=old.with_name("real")))
    shutil.copy(old, old.with_name("real"))
    path.chmod(0o755)
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    document.write_text(document.read_text().replace(old.name, sha))
    shutil.copy(path, old.with_name(sha))


@pytest.mark.parametrize(
    "words",
    [
        ["check", "--baseline", "main"],
        ["check", "small.toml", "--baseline", "main"],
        ["check", "--baseline", "main", "--head", "native@main"],
        ["ab", "small.toml", "--base", "native@main", "--head", "native"],
        ["ab", "small.toml", "--base", "native", "--head", "native@main"],
    ],
)
def test_binaries_of_a_received_baseline_do_not_run(received: Bench, words: list[str]) -> None:
    baseline, marker = received.folder / "store/baselines/main", received.folder / "it-ran"
    (engine,) = (baseline / "engines").iterdir()
    spied(received.folder / "spy", engine, baseline / "capsule.json", marker)
    done = received.run(*words, "--store", "store")
    assert done.returncode == 2
    said = one_sentence(done.stderr)
    assert "the baseline 'main' was not saved here by you" in said
    assert "would run engines/" in said
    assert "--trust" in said
    assert not marker.exists()


def test_a_received_baseline_runs_with_the_word(received: Bench) -> None:
    words = ["check", "--baseline", "main", "--store", "store", "--budget", "1s", "--filter", "maxpool", "--trust"]
    done = received.run(*words)
    assert done.returncode in (0, 3), done.stderr
    assert "was not saved here" not in done.stderr


def cut_off(bench: Bench) -> Path:
    path = bench.store.run("latest").path
    assert path is not None
    lines = (path / "journal.jsonl").read_text().splitlines(keepends=True)
    (path / "journal.jsonl").write_text("".join(lines[:-2]))
    return path


def test_a_received_run_is_not_resumed(received: Bench) -> None:
    path, marker = cut_off(received), received.folder / "it-ran"
    program = received.write("engine.sh", f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    record = json.loads((path / "run.json").read_text())
    record["suite"]["engines"] = ["native", "theirs"]
    record["suite"]["suite"]["engine"] = {
        "theirs": {"command": ["{binary}"], "binary": {"x86_64": str(program), "aarch64": str(program)}}
    }
    (path / "run.json").write_text(json.dumps(record))
    done = received.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 2
    said = one_sentence(done.stderr)
    assert "was not made here by you" in said
    assert "it would run `'{binary}'` and use " in said
    assert str(program) in said
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "command", "says"),
    [
        ("theirs", ["sh", "-c", "touch it-ran"], "`sh -c 'touch it-ran'`; read "),
        ("theirs", ["sh", "-c", "x" * 300, "{binary}"], "x" * 300),
    ],
)
def test_what_a_received_run_would_start_is_shown_whole(
    received: Bench, name: str, command: list[str], says: str
) -> None:
    path = cut_off(received)
    record = json.loads((path / "run.json").read_text())
    tables = {f"other{number}": {"command": ["true"]} for number in range(6)}
    record["suite"]["suite"]["engine"] = {**tables, name: {"command": command}}
    (path / "run.json").write_text(json.dumps(record))
    done = received.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize(
    ("name", "command", "says"),
    [("x/../../../y", ["true"], "engine name 'x/../../../y' may hold"), ("x", [], "it must start with a program")],
)
def test_an_engine_that_no_suite_may_declare_is_refused_with_trust_too(
    received: Bench, name: str, command: list[str], says: str
) -> None:
    path = cut_off(received)
    record = json.loads((path / "run.json").read_text())
    record["suite"]["engines"] = ["native", name]
    record["suite"]["suite"]["engine"] = {name: {"command": command}}
    (path / "run.json").write_text(json.dumps(record))
    done = received.run("run", "--resume", "latest", "--store", "store", "--trust")
    assert done.returncode == 2
    assert says in one_sentence(done.stderr.splitlines()[-1] + "\n")


def test_a_run_of_ours_that_somebody_changed_is_not_resumed(ours: Bench) -> None:
    bench, path = ours, cut_off(ours)
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({k: v for k, v in record.items() if k not in ("sealed", "sum")}))
    done = bench.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 2
    assert "would connect to local" in one_sentence(done.stderr)
    trusted = bench.run("run", "--resume", "latest", "--store", "store", "--trust")
    assert trusted.returncode == 0, trusted.stderr


def test_a_baseline_of_a_received_run_is_not_saved(received: Bench) -> None:
    """It would copy any file that the run names, and mark its programs as ours."""
    secret = received.write("id_rsa", "a secret")
    path = received.store.run("latest").path
    assert path is not None
    record = json.loads((path / "run.json").read_text())
    record["suite"]["suite"]["model"] = [{"file": str(secret)}]
    (path / "run.json").write_text(json.dumps(record))
    done = received.run("baseline", "save", "theirs", "--store", "store")
    assert done.returncode == 2
    assert str(secret) in one_sentence(done.stderr)
    trusted = received.run("baseline", "save", "theirs", "--store", "store", "--trust")
    assert trusted.returncode == 2
    assert "is not a model file" in one_sentence(trusted.stderr)
    assert not (received.folder / "store/baselines/theirs").exists()


def test_models_of_a_received_baseline_are_its_own() -> None:
    """A path in it may be of any file here: with --trust too, its own copy is taken."""
    from bnnbench.harness.suite.tables import ModelTable, Suite
    from bnnbench.harness.tasks.baselines import with_files

    suite = Suite(name="s", engines=["native"], model=[ModelTable(file=str(MODEL), name="m")])
    (ours,) = with_files(suite, {"m": "/capsule/models/x.tflite"}, always=False).model
    (theirs,) = with_files(suite, {"m": "/capsule/models/x.tflite"}, always=True).model
    assert (ours.file, theirs.file) == (str(MODEL), "/capsule/models/x.tflite")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_signature_holds_for_this_content_name_and_user_only(state: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("a run")
    assert not signature.is_signed(path)
    signature.sign(path)
    assert signature.is_signed(path)
    assert stat.S_IMODE(signature.key_path().stat().st_mode) == 0o600
    other = tmp_path / "capsule.json"
    shutil.copy(path, other)
    shutil.copy(tmp_path / "run.json.signature", tmp_path / "capsule.json.signature")
    assert not signature.is_signed(other)
    path.write_text("another run")
    assert not signature.is_signed(path)
    signature.sign(path)
    (tmp_path / "run.json.signature").write_bytes(b"\xff" * 64)
    assert not signature.is_signed(path)


def test_a_key_that_others_may_read_is_none(state: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("a run")
    signature.sign(path)
    signature.key_path().chmod(0o644)
    assert not signature.is_signed(path)


def test_without_a_place_for_the_key_runs_are_made_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    path = tmp_path / "run.json"
    path.write_text("a run")
    signature.sign(path)
    assert not signature.is_signed(path)
