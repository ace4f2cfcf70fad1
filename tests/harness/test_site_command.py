"""`bnnbench site`: the commands of docs/site.md, and what goes wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from bnnbench.harness.cli.main import main
from bnnbench.results.report import html
from bnnbench.results.report.page_context import PageContext
from bnnbench.results.site.pages import run as run_pages
from bnnbench.results.store.stored_run import StoredRun
from tests.results.generated_store import Team

COMMANDS = Path(__file__).parents[2].joinpath("docs/site.md").read_text(encoding="utf-8").partition("```sh\n")[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose store has three runs."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(html, "render", lambda run, context: run.record.run_id)  # its charts take seconds
    monkeypatch.chdir(tmp_path)
    Team(3, every=24).write(tmp_path)
    return tmp_path


def status(*words: str) -> int:
    """What the command ends with."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    code = ended.value.code
    return code if isinstance(code, int) else int(code is not None)


def test_the_commands_of_the_docs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = COMMANDS.partition("```")[0].splitlines()
    assert len(lines) == 2
    for line in lines:
        assert status(*line.split()[1:], "--store", "runs") == 0
        said = capsys.readouterr().out.splitlines()
        assert said[-1] == "public/index.html"
        assert "written" in said[0]
    assert "0 runs" in said[0]  # all runs of the store are older than --since


def test_json_says_what_was_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("site", "--store", "runs", "--last", "0", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["runs"] == 3
    assert said["written"] == sum(1 for path in Path("public").rglob("*.html"))
    assert said["first"] == "public/index.html"


def test_charts_of_reports_are_drawn_where_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bool] = []

    def render(run: StoredRun, context: PageContext) -> str:
        drawn.append(context.charts)
        return run.record.run_id

    monkeypatch.setattr(run_pages, "html", SimpleNamespace(render=render))  # tests of the site change it, too
    assert status("site", "--store", "runs") == 0
    plain = len(drawn)
    assert plain
    assert status("site", "--store", "runs", "--report-charts") == 0
    assert drawn == [False] * plain + [True] * plain


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--since", "yesterday"], "--since 'yesterday' is no date or time"),
        (["--last", "-1"], "give 0 or more"),
        (["--lab", "tcp://desk:8786"], "would be talked to unencrypted"),
        (["-o", "runs/file/out"], "because a file is in its place"),
        (["-o", "foreign"], "index.html is there already and no page of bnnbench"),
    ],
)
def test_errors_are_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    (folder / "runs" / "file").write_text("")
    (folder / "foreign").mkdir()
    (folder / "foreign" / "index.html").write_text("mine")
    assert status("site", "--store", "runs", *words) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert "Traceback" not in said.err


def test_no_store(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("site", "--store", "nowhere") == 2
    assert "nowhere holds no runs, there is no such folder" in capsys.readouterr().err
    assert not (folder / "public").exists()
