"""Every command that reads a store says so where there is none, and makes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnnbench.harness.cli.main import main

READERS = (
    ("report",),
    ("report", "latest", "20260101"),
    ("report", "--history"),
    ("chart", "latency"),
    ("chart", "history", "all"),
    ("export", "--format", "csv"),
    ("compare", "20260101"),
    ("pick",),
    ("run", "--resume", "latest"),
    ("baseline", "list"),
    ("baseline", "save", "main"),
    ("check", "--baseline", "main"),
    ("ab", "--base", "native@main", "--head", "native"),
)


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_a_store_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([*words, "--store", "nowhere"])
    said = capsys.readouterr().err
    assert ended.value.code == 2, said
    assert "nowhere" in said
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_the_project_reads_its_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "bench").mkdir()
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path / "bench")
    with pytest.raises(SystemExit):
        main(["report"])
    said = capsys.readouterr().err
    assert f"the store is {tmp_path / 'runs'}, of the project above this folder\n" in said
    assert "holds no runs" in said
