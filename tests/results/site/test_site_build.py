"""Building a site: all pages and links, what is written again, and what a build never touches."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest

from bnnbench.results.errors import NoStoreError, StoreError, StoreWarning
from bnnbench.results.index.make import add_run, make_index
from bnnbench.results.report.page_context import PageContext
from bnnbench.results.site.build import Built, build
from bnnbench.results.site.pages import run as run_pages
from bnnbench.results.site.source import Asked
from bnnbench.results.site.state import STATE
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun
from tests.results.generated_store import write_run
from tests.results.site.conftest import NOW, limited

WITHOUT_RUNS = Asked(last_runs=0)


class Links(HTMLParser):
    """Ids of a page, and what it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.to: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.to += [value for name in ("href", "src") if (value := given.get(name)) is not None]


def built(store: Path, out: Path, asked: Asked = WITHOUT_RUNS) -> Built:
    return build(Store(store), out, asked, now=NOW)


def contents(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != STATE
    }


def without_links_to_runs(out: Path) -> dict[str, bytes]:
    """As `contents`, of a site whose pages of cases may link to other runs: those of when each was written."""
    links = re.compile(rb'<a href="\.\./run/[^"]*">([^<]*)</a>|,"href":"\.\./run/[^"]*"')
    return {path: links.sub(rb"\1", content) for path, content in contents(out).items() if not path.startswith("run/")}


def copied(store: Path, target: Path) -> Path:
    shutil.copytree(store, target)
    return target


def broken_links(out: Path) -> list[str]:
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in out.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for link in page.to:
            parts = urlsplit(link)
            if parts.scheme == "data":
                continue
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            inside = not parts.scheme and target.is_file() and out.resolve() in target.resolve().parents
            if not inside or (parts.fragment and parts.fragment not in pages[target].ids):
                broken.append(f"{path.name}: {link}")
    return broken


@pytest.fixture(scope="module")
def site(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "out"
    built(small, out)
    return out


def test_every_link_leads_to_a_page(site: Path) -> None:
    assert len(list(site.rglob("*.html"))) > 40
    assert broken_links(site) == []


def test_pages_are_whole(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        page = Links(text)
        assert page.tags.count("h1") == page.tags.count("main") == 1, path
        assert len(page.ids) == len(set(page.ids)), path
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
        assert policy is not None
        assert "unsafe" not in policy[1]
        assert "script-src 'self'" in policy[1]
        assert " style=" not in text
        assert not re.search(r"<script(?! defer src| type=\"application/json\")", text), path


def test_the_overview_loads_no_chart_library(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    assert "vendor" not in text
    assert len(text) < 200_000


def test_the_same_store_gives_the_same_bytes(small: Path, site: Path, tmp_path: Path) -> None:
    again = built(small, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(site)
    assert again.written == len(list(site.rglob("*.html")))


def test_a_second_build_writes_nothing(small: Path, site: Path, tmp_path: Path) -> None:
    out = copied(site, tmp_path / "out")
    found = built(small, out)
    assert (found.written, found.removed) == (0, 0)


def test_after_one_more_run_only_its_pages_are_written(small: Path, tmp_path: Path) -> None:
    out, store = tmp_path / "out", copied(small, tmp_path / "small")
    built(store, out)
    old = contents(out)
    record, entries = limited(43)
    write_run(store / "runs", record, entries)
    found = built(store, out)
    new = contents(out)
    changed = {path for path in new if new[path] != old.get(path)}
    device = next(iter(record.devices))
    assert {path.split("/")[0] for path in changed} == {"index.html", "cases.html", "case", "device", "devices.html"}
    assert len([path for path in changed if path.startswith("case/")]) == len(record.cases)
    assert [path for path in changed if path.startswith("device/")] == [
        path for path in new if path.startswith(f"device/{device}-")
    ]
    assert found.written == len(changed)
    built(store, tmp_path / "fresh")
    assert without_links_to_runs(tmp_path / "fresh") == without_links_to_runs(out)
    assert broken_links(out) == []


def test_after_a_run_was_removed_its_pages_are_gone(small: Path, tmp_path: Path) -> None:
    out, store = tmp_path / "out", copied(small, tmp_path / "small")
    asked = Asked(last_runs=1)
    folder = write_run(store / "runs", *limited(43))
    built(store, out, asked)
    assert (out / "run" / f"{folder.name}.html").is_file()
    shutil.rmtree(folder)
    assert built(store, out, asked).removed
    assert not (out / "run" / f"{folder.name}.html").exists()
    built(store, tmp_path / "fresh", asked)
    assert without_links_to_runs(tmp_path / "fresh") == without_links_to_runs(out)
    assert broken_links(out) == []


def test_the_page_of_a_run_is_its_report_with_a_link_back(
    small: Path, tmp_path: Path, plain_reports: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Store(small).run("latest")
    asked: list[str] = []

    def render(one: StoredRun, context: PageContext) -> str:
        asked.append(one.record.run_id)
        return plain_reports(one, context) if one.record.run_id == run.record.run_id else ""

    monkeypatch.setattr(run_pages, "html", SimpleNamespace(render=render))
    built(small, tmp_path, Asked(last_runs=1))
    assert len(asked) == len(list((tmp_path / "run").iterdir()))
    page = (tmp_path / "run" / f"{run.record.run_id}.html").read_text(encoding="utf-8")
    linked = page.replace('<a href="../index.html">bnnbench · overview</a>', "bnnbench")
    alone = plain_reports(run, PageContext(charts=False))
    assert linked.replace('<meta name="generator" content="bnnbench site">\n', "") == alone
    assert "<svg" not in alone


def test_an_index_changes_nothing(small: Path, site: Path, tmp_path: Path) -> None:
    store = copied(small, tmp_path / "small")
    make_index(store, store / "runs")
    built(store, tmp_path / "out")
    assert contents(tmp_path / "out").keys() == contents(site).keys()
    folder = write_run(store / "runs", *limited(43))
    assert add_run(store, folder)
    built(store, tmp_path / "out")
    shutil.rmtree(store / "index")
    built(store, tmp_path / "fresh")
    assert without_links_to_runs(tmp_path / "fresh") == without_links_to_runs(tmp_path / "out")


def test_other_files_of_the_folder_stay(small: Path, site: Path, tmp_path: Path) -> None:
    out = copied(site, tmp_path / "out")
    (out / "robots.txt").write_text("mine")
    (out / "case" / "notes.html").write_text("mine")
    (out / "cases.html").unlink()
    built(small, out)
    assert (out / "robots.txt").read_text() == (out / "case" / "notes.html").read_text() == "mine"
    assert (out / "cases.html").is_file()


def test_a_file_in_the_place_of_a_page_is_refused(small: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>my own site</h1>")
    with pytest.raises(StoreError, match=r"index\.html is there already and no page of bnnbench"):
        built(small, tmp_path)
    assert (tmp_path / "index.html").read_text() == "<h1>my own site</h1>"
    assert not (tmp_path / "cases.html").exists()


def test_a_page_that_was_changed_by_hand_is_not_removed(small: Path, site: Path, tmp_path: Path) -> None:
    out = copied(site, tmp_path / "out")
    page = next((out / "case").glob("*.html"))
    state = (out / STATE).read_text()
    (out / "old.html").write_text("mine")
    (out / STATE).write_text(state.replace('"files":{', '"files":{"old.html":["x","y",1],'))
    with pytest.warns(StoreWarning, match=r"old\.html is no page of the site any more; it was changed and stays"):
        built(small, out)
    assert (out / "old.html").read_text() == "mine"
    assert page.is_file()


@pytest.mark.parametrize("path", ["../outside.html", "case/../../outside.html"])
def test_a_hostile_state_removes_nothing_outside(small: Path, site: Path, tmp_path: Path, path: str) -> None:
    import hashlib

    out = copied(site, tmp_path / "out")
    outside = tmp_path / "outside.html"
    outside.write_text("mine")
    digest = hashlib.sha256(b"mine").hexdigest()
    state = (out / STATE).read_text()
    (out / STATE).write_text(state.replace('"files":{', f'"files":{{"{path}":["x","{digest}",4],'))
    built(small, out)
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("state", [b"", b'{"files": 3}'])
def test_after_a_damaged_state_all_is_made_again(small: Path, site: Path, tmp_path: Path, state: bytes) -> None:
    out = copied(site, tmp_path / "out")
    (out / STATE).write_bytes(state)
    assert built(small, out).kept == 0
    assert contents(out) == contents(site)


def test_a_store_without_runs(tmp_path: Path) -> None:
    (tmp_path / "store" / "runs").mkdir(parents=True)
    found = built(tmp_path / "store", tmp_path / "out")
    assert "holds no runs yet" in found.first.read_text(encoding="utf-8")
    assert broken_links(tmp_path / "out") == []


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(NoStoreError):
        built(tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="because a file is in its place"):
        built(small, tmp_path / "file" / "out")


def test_a_broken_run_is_left_out_with_a_warning(small: Path, tmp_path: Path) -> None:
    store = copied(small, tmp_path / "small")
    victim = sorted((store / "runs").iterdir())[-1]
    (victim / "run.json").write_text("{")
    with pytest.warns(StoreWarning, match=f"run {victim.name} is left out"):
        built(store, tmp_path / "out", Asked(last_runs=1))
    assert victim.name not in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_since_leaves_older_runs_out(small: Path, tmp_path: Path) -> None:
    ids = Store(small).run_ids()
    with warnings.catch_warnings():
        warnings.simplefilter("error", StoreWarning)
        found = built(small, tmp_path / "out", Asked(last_runs=0, since="2024-01-13T00:00:00.000000+00:00"))
    assert 0 < found.runs < len(ids)
    pages = b"".join(contents(tmp_path / "out").values())
    assert ids[0].encode() not in pages
    assert ids[-1].encode() in pages
