"""The built site: `make docs` runs this. Strict, whole, and nothing on a page is fetched from another host."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bnnbench.harness.cli.main import app
from tests.docs.blocks import ROOT

pytestmark = pytest.mark.slow

FETCHES = {"img": "src", "script": "src", "source": "src", "iframe": "src", "video": "src", "audio": "src"}
ELSEWHERE = re.compile(r"(?:https?:)?//", re.IGNORECASE)


class Fetched(HTMLParser):
    """What a browser fetches to show a page; links that a reader may follow do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag in FETCHES and FETCHES[tag] in values:
            self.addresses.append(values[FETCHES[tag]])
        if tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload", "preconnect", "modulepreload"):
            self.addresses.append(values.get("href", ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="requirements/docs.txt is not installed; make docs does")
    target = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(target)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    return target


def test_every_page_is_there(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    pages |= {Path(f"{name}.html") for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY")}
    assert {page for page in pages if not (site / page).is_file()} == set()


def test_every_page_is_in_the_navigation(site: Path) -> None:
    home = (site / "index.html").read_text()
    pages = [path.relative_to(site) for path in site.rglob("*.html") if path.name not in ("404.html", "index.html")]
    assert [str(page) for page in pages if f'href="{page}"' not in home] == []


def test_nothing_is_fetched_from_another_host(site: Path) -> None:
    for page in site.rglob("*.html"):
        fetched = Fetched()
        fetched.feed(page.read_text())
        assert fetched.addresses, page
        assert [address for address in fetched.addresses if ELSEWHERE.match(address)] == [], page
    for sheet in site.rglob("*.css"):
        assert re.findall(r"url\(['\"]?(?:https?:)?//|@import", sheet.read_text()) == [], sheet
    for picture in site.rglob("*.svg"):
        assert re.findall(r"(?:href|src)=\"https?:|url\(['\"]?https?:", picture.read_text()) == [], picture


def test_a_font_from_elsewhere_would_be_noticed() -> None:
    fetched = Fetched()
    fetched.feed('<link rel="stylesheet" href="https://fonts.example/x.css"><a href="https://larq.dev">Larq</a>')
    assert [address for address in fetched.addresses if ELSEWHERE.match(address)] == ["https://fonts.example/x.css"]


def test_every_command_and_name_is_on_its_page(site: Path) -> None:
    commands = (site / "reference/command-line.html").read_text()
    for name in app:
        if not name.startswith("-"):
            assert f'id="bnnbench-{name}"' in commands, name
    import bnnbench

    names = (site / "reference/python.html").read_text()
    for name in bnnbench.__all__:
        assert re.search(rf'id="bnnbench\.harness\.api\.\w+\.{name}"', names), name
    assert ":::" not in commands + names


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_browser_without_a_network_shows_a_page(site: Path, tmp_path: Path) -> None:
    words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    words += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--log-net-log={tmp_path / 'net.json'}", "--dump-dom"]
    done = subprocess.run(
        [*words, (site / "index.html").as_uri()], capture_output=True, text=True, timeout=60, check=True
    )
    assert "md-header" in done.stdout
    wanted = re.findall(r'"url":"(https?://[^"]+)"', (tmp_path / "net.json").read_text())
    ours = [address for address in wanted if not re.match(r"https?://[\w.-]*(google|gvt1)[\w.-]*/", address)]
    assert ours == []
