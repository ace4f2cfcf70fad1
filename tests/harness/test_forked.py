"""Forked commands, which most tests of the command line use, do what whole processes do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.harness.bench import BNNBENCH, Bench, fork_server


@pytest.mark.parametrize(
    ("words", "status"),
    [(["--version"], 0), (["runs", "--store", "none"], 2), (["run", "--no-such-option"], 2), (["model", "list"], 0)],
)
def test_a_forked_command_says_and_returns_the_same(bench: Bench, words: list[str], status: int) -> None:
    forked = bench.run(*words)
    process = bench.start(*words)
    out, err = process.communicate(timeout=60)
    assert (forked.returncode, forked.stdout, forked.stderr) == (process.returncode, out, err)
    assert forked.returncode == status
    assert out or err


def test_it_has_its_own_folder_environment_and_empty_input(bench: Bench) -> None:
    def widest() -> int:
        return max(map(len, bench.run("model", "list").stdout.splitlines()))

    whole = widest()
    bench.environment["COLUMNS"] = "50"
    assert widest() <= 50 < whole
    assert bench.run("init").returncode == 0
    assert (bench.folder / "suite.toml").is_file()


def test_one_that_takes_too_long_is_killed_and_the_next_one_works(bench: Bench) -> None:
    words = [BNNBENCH, "run", "long.toml", "--invocations", "1000", "--store", "store"]
    with pytest.raises(subprocess.TimeoutExpired):
        fork_server().run(words, bench.folder, bench.environment, 2)
    assert bench.run("--version").returncode == 0


@pytest.mark.parametrize("waits_for", ["its pid", "its end"])
def test_a_test_that_is_cut_off_leaves_no_answer_to_the_next_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, waits_for: str
) -> None:
    """As a test's own time limit does, whatever the test waits for."""

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        place = {"its pid": "ForkServer._answer", "its end": "select.select"}[waits_for]
        patch.setattr(f"tests.harness.forked.{place}", cut_off)
        with pytest.raises(KeyboardInterrupt):
            bench.run("run", "--no-such-option")  # 2
    assert bench.run("--version").returncode == 0
    assert bench.run("runs", "--store", "none").returncode == 2


def test_what_python_reads_when_it_starts_is_not_forked(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('this Python has just started')")
    assert "just started" not in bench.run("--version").stdout
    bench.environment["PYTHONPATH"] = str(tmp_path)
    assert "just started" in bench.run("--version").stdout
