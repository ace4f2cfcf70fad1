"""Where the store is, from every folder of a project, and that reading one that is not there says so."""

from __future__ import annotations

import os
import subprocess
import warnings
from pathlib import Path

import pytest

from bnnbench.results import Store, StoreError, load, load_invocations
from bnnbench.results.columns import CASE_COLUMNS, INVOCATION_COLUMNS
from bnnbench.results.errors import StoreNotice
from bnnbench.results.store.place import default_path, project_folder
from bnnbench.results.store.stored_run import StoredRun


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with the user's data folder in it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home" / "data"))
    (tmp_path / "home").mkdir(mode=0o755)
    return tmp_path / "home"


def placed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """The default store of a folder, and what is said of it."""
    monkeypatch.chdir(folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", StoreNotice)
        path = default_path()
    return path, " ".join(str(one.message) for one in caught)


@pytest.mark.parametrize("mark", ["runs/", ".git/", ".git", "pyproject.toml", "devices.toml"])
@pytest.mark.parametrize("below", ["", "bench", "bench/deeper/still"])
def test_a_project_has_one_store_from_each_of_its_folders(
    home: Path, monkeypatch: pytest.MonkeyPatch, mark: str, below: str
) -> None:
    project = home / "repo"
    (project / below).mkdir(parents=True, mode=0o755)
    (project / mark).mkdir() if mark.endswith("/") else (project / mark).touch()
    path, said = placed(project / below, monkeypatch)
    assert path == project / "runs"
    assert (str(path) in said) == bool(below)
    assert project_folder() == project


def test_the_nearest_project_counts_as_with_git(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = home / "outer" / "inner"
    (inner / "src").mkdir(parents=True)
    for folder in (home / "outer", inner):
        subprocess.run(["git", "init", "-q", folder], check=True)
    for folder in (inner / "src", inner, home / "outer"):
        path, _ = placed(folder, monkeypatch)
        top = subprocess.run(["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=True).stdout
        assert path == Path(top.strip()) / "runs"


def test_elsewhere_the_user_s_folder_is_the_store_and_it_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "plain").mkdir()
    path, said = placed(home / "plain", monkeypatch)
    assert path == home / "data" / "bnnbench"
    assert said == f"the store is {path}, because this folder is in no project: name another with --store"


def test_a_home_with_dotfiles_in_git_is_no_project_of_all_that_is_in_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".git").mkdir()
    (home / "plain").mkdir()
    assert placed(home / "plain", monkeypatch)[0] == home / "data" / "bnnbench"
    assert placed(home, monkeypatch)[0] == home / "runs"


@pytest.mark.parametrize("how", ["world", "group", "owner"])
def test_a_parent_that_another_user_could_change_is_not_taken(
    home: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    project = home / "shared"
    (project / "mine").mkdir(parents=True)
    (project / ".git").mkdir()
    _open_to_others(project, how)
    path, said = placed(project / "mine", monkeypatch)
    assert path == home / "data" / "bnnbench"
    assert f"the project {project} can be changed by another user" in said
    assert project_folder() is None
    assert placed(project, monkeypatch)[0] == project / "runs", "one's own working folder counts as before"


def test_beyond_another_s_folder_nothing_is_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".." / "outer" / "open" / "mine").mkdir(parents=True)
    outer = home.parent / "outer"
    (outer / ".git").mkdir()
    (outer / "open").chmod(0o777)
    assert placed(outer / "open" / "mine", monkeypatch)[0] == home / "data" / "bnnbench"


def test_a_group_of_the_user_s_own_number_is_nobody_else(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = home / "repo"
    (project / "bench").mkdir(parents=True)
    (project / ".git").mkdir()
    if project.stat().st_gid != os.geteuid():
        pytest.skip("this user's group has another number")
    project.chmod(0o775)  # as umask 002 makes it
    assert placed(project / "bench", monkeypatch)[0] == project / "runs"


def _open_to_others(folder: Path, how: str) -> None:
    if how != "world" and os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    if how == "world":
        folder.chmod(0o777)
    elif how == "group":
        os.chown(folder, 0, 12345)
        folder.chmod(0o775)
    else:
        os.chown(folder, 12345, 12345)


class TestReading:
    @pytest.mark.parametrize("reader", [load, load_invocations])
    def test_what_is_no_store_is_an_error(self, tmp_path: Path, reader: object) -> None:
        assert callable(reader)
        (tmp_path / "a file").write_text("x")
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "notes.txt").write_text("x")
        (tmp_path / "empty").mkdir()
        before = sorted(tmp_path.rglob("*"))
        cases = (("nowhere", "there is no such folder"), ("a file", "is a file"), ("other", "no folder runs"))
        for name, said in (*cases, ("empty", "no folder runs"), ("a file/below", "there is no such folder")):
            for source in (tmp_path / name, str(tmp_path / name), Store(tmp_path / name)):
                with pytest.raises(StoreError, match=rf"{name}.*{said}|{said}.*{name}"):
                    reader(source)
        assert sorted(tmp_path.rglob("*")) == before, "reading makes nothing"

    @pytest.mark.parametrize("folder", ["runs", "store/runs", "store/baselines"])
    def test_an_empty_store_has_no_rows_and_every_column(self, tmp_path: Path, folder: str) -> None:
        (tmp_path / folder).mkdir(parents=True)
        store = tmp_path / folder.split("/")[0]
        assert list(load(store).columns) == list(CASE_COLUMNS)
        assert list(load_invocations(store).columns) == list(INVOCATION_COLUMNS)
        assert load(store).empty

    def test_a_folder_of_a_run_is_one_run(self, synthetic: StoredRun) -> None:
        assert synthetic.path is not None
        assert load(synthetic.path).equals(load(synthetic))
        assert load(str(synthetic.path)).equals(load(synthetic))

    @pytest.mark.parametrize("selector", ["latest", "2026", "nowhere/run"])
    def test_a_run_of_a_store_that_is_not_there(self, tmp_path: Path, selector: str) -> None:
        for read in (Store(tmp_path / "nowhere").run, Store(tmp_path / "nowhere").reopen):
            with pytest.raises(StoreError, match="there is no such folder"):
                read(selector)
        assert not (tmp_path / "nowhere").exists()
