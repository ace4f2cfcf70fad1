"""The site in a real browser: accessibility by axe-core, the keyboard's path, filters, hostile names."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from bnnbench.results.site.build import build, renderer
from bnnbench.results.site.pages import run as run_pages
from bnnbench.results.site.source import Asked, read_source
from bnnbench.results.store.listing import list_runs
from bnnbench.results.store.runs import Store
from tests.results.generated_store import Team
from tests.results.site.conftest import NOW, written

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.timeout(300),
]
WIDTHS = (390, 820, 1280, 1600)
OFF_SCREEN = """[...document.querySelectorAll(".scroll, pre")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1)
  .map((one) => one.getAttribute("aria-label"))"""
KINDS = ("overview", "cases", "case", "device", "devices", "run")


@dataclass
class Seen:
    """A page in a window, with what went wrong there."""

    page: Page
    origin: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(f"{self.origin}/{path}", timeout=20_000)
        if self.page.locator("figure.chart").count():
            self.page.wait_for_selector("figure.drawn .drawing svg", timeout=20_000)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with runs often enough for change points: kernels and models of one device become slower."""

    def write(store: Path) -> None:
        team = Team(90, every=1.5)
        for number in range(0, 90, 3):
            team.write(store, number, number + 1)

    return written(tmp_path_factory.mktemp("changed"), write)


@pytest.fixture(scope="module")
def site(changed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    build(Store(changed), out, Asked(last_runs=1), now=NOW)
    return out


@pytest.fixture(scope="module")
def hostile_site(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hostile-site")
    build(Store(hostile), out, Asked(last_runs=1), now=NOW)
    return out


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"], timeout=60_000
        )
        yield browser
        browser.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Generator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextmanager
def window(browser: Browser, origin: str, width: int = 1280, scheme: str = "light", **more: Any) -> Generator[Seen]:
    """A window whose errors, and requests to other places, fail the test at the end."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **more)
    page = context.new_page()
    seen = Seen(page, origin)
    page.on("console", lambda one: seen.errors.append(one.text) if one.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("request", lambda one: seen.requests.append(one.url))
    try:
        yield seen
        assert seen.errors == []
        assert [one for one in seen.requests if not one.startswith((f"{origin}/", "data:"))] == []
    finally:
        context.close()


def example(out: Path, kind: str) -> str:
    """A page of a kind: of cases the one with the most change points, else the longest."""
    fixed = {"overview": "index.html", "cases": "cases.html", "devices": "devices.html"}
    if kind in fixed:
        return fixed[kind]
    pages = sorted((out / kind).glob("*.html"))
    best = max(pages, key=lambda path: (path.read_text(encoding="utf-8").count("% sure"), path.stat().st_size))
    return f"{kind}/{best.name}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_page(chromium: Browser, site: Path, kind: str, scheme: str) -> None:
    with served(site) as origin, window(chromium, origin, scheme=scheme) as seen:
        for width in WIDTHS:
            seen.page.set_viewport_size({"width": width, "height": 900})
            seen.open(example(site, kind))
            assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert seen.page.evaluate(OFF_SCREEN) == []
            if kind != "run":  # real ones below
                found = Axe().run(seen.page)
                assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_of_a_run(
    chromium: Browser, changed: Path, tmp_path: Path, plain_reports: Callable[..., str], scheme: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_pages, "html", SimpleNamespace(render=plain_reports))
        run = Store(changed).run("latest")
        line = next(one for one in list_runs(Store(changed)) if one.run_id == run.record.run_id)
        source = read_source(Store(changed), None, Asked(last_runs=1), NOW)
        planned = next(one for one in run_pages.plan(source) if line.run_id in one.path)
        page = planned.make()
        assert page is not None
        (tmp_path / "run").mkdir()
        (tmp_path / planned.path).write_text(page.html(renderer(source)), encoding="utf-8")
    with served(tmp_path) as origin, window(chromium, origin, scheme=scheme) as seen:
        for width in WIDTHS:
            seen.page.set_viewport_size({"width": width, "height": 900})
            seen.open(planned.path)
            assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert width == 390 or seen.page.evaluate(OFF_SCREEN) == []
            found = Axe().run(seen.page)
            assert found.violations_count == 0, found.generate_report()


def test_pages_work_from_a_folder(chromium: Browser, site: Path) -> None:
    with window(chromium, site.as_uri()) as seen:
        seen.open(example(site, "case"))
        seen.page.get_by_role("link", name="Cases").click()
        seen.page.locator("select[name=device]").select_option("pi4")
        assert urlsplit(seen.page.url).query == "device=pi4"


def test_without_script_all_is_readable(chromium: Browser, site: Path) -> None:
    with served(site) as origin, window(chromium, origin, java_script_enabled=False) as seen:
        seen.page.goto(f"{origin}/{example(site, 'case')}")
        seen.page.locator("summary").first.click()
        assert seen.page.locator("figure table tbody tr").first.is_visible()
        seen.page.goto(f"{origin}/cases.html")
        assert not seen.page.locator("form.filters").is_visible()
        assert seen.page.locator("#case-table tbody tr").first.is_visible()


def test_hovering_shows_the_figure(chromium: Browser, site: Path) -> None:
    with served(site) as origin, window(chromium, origin) as seen:
        seen.open(example(site, "case"))
        point = seen.page.locator(".drawing svg path[aria-roledescription='point']").nth(3)
        said = point.get_attribute("aria-label")
        assert said
        box = point.bounding_box()
        assert box is not None
        seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        seen.page.wait_for_selector(".tip:not([hidden])", timeout=5_000)
        text = seen.page.locator(".tip").inner_text()
        assert "run 2024" in text
        seen.page.mouse.move(5, 5)
        seen.page.wait_for_selector(".tip", state="hidden", timeout=5_000)


def test_the_keyboard_walks_through_a_chart_and_opens_a_run(chromium: Browser, site: Path) -> None:
    with served(site) as origin, window(chromium, origin) as seen:
        seen.open(example(site, "case"))
        page = seen.page
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.classList.contains('drawing')"):
                break
        assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("History of ")
        value = page.locator("figure.drawn .value").first
        page.keyboard.press("ArrowRight")
        first = value.inner_text()
        page.keyboard.press("ArrowRight")
        assert first.startswith("1 of ")
        assert value.inner_text().startswith("2 of ")
        page.keyboard.press("ArrowLeft")
        assert value.inner_text() == first
        for _ in range(200):
            if "Enter opens" in value.inner_text():
                break
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.wait_for_url("**/run/*.html", timeout=10_000)
        page.get_by_role("link", name="overview").click()
        page.wait_for_url("**/index.html", timeout=10_000)


def test_zoom_and_reset(chromium: Browser, site: Path) -> None:
    with served(site) as origin, window(chromium, origin) as seen:
        seen.open(example(site, "case"))

        def places() -> list[str]:
            found: list[str] = seen.page.evaluate(
                "[...document.querySelectorAll(\".drawing svg path[aria-roledescription='point']\")]"
                ".map((one) => one.getAttribute('transform'))"
            )
            return found

        before = places()
        assert len(set(before)) > 3
        seen.page.get_by_role("button", name="Zoom in").click()
        seen.page.wait_for_timeout(200)
        zoomed = places()
        assert zoomed != before
        seen.page.get_by_role("button", name="Reset").click()
        seen.page.wait_for_timeout(200)
        assert places() == before


def test_filters_are_in_the_address(chromium: Browser, site: Path) -> None:
    with served(site) as origin, window(chromium, origin) as seen:
        page = seen.page
        seen.open("cases.html")
        rows = page.locator("#case-table tbody tr:visible")
        everything = rows.count()
        page.locator("select[name=device]").select_option("pi4")
        page.locator("select[name=engine]").select_option("native")
        assert urlsplit(page.url).query == "device=pi4&engine=native"
        some = rows.count()
        assert 0 < some < everything
        assert page.locator("#case-table tbody tr:visible:not([data-device=pi4])").count() == 0
        page.locator("input[name=changed]").check()
        fewer = rows.count()
        assert fewer < some
        page.go_back()
        assert rows.count() == some
        assert not page.locator("input[name=changed]").is_checked()
        page.reload()
        assert rows.count() == some
        assert page.locator("select[name=device]").input_value() == "pi4"
        page.locator("input[name=q]").fill("no such case")
        assert rows.count() == 0
        assert page.locator("form.filters output").inner_text() == f"0 of {everything} rows"


def test_columns_are_sorted(chromium: Browser, site: Path) -> None:
    with served(site) as origin, window(chromium, origin) as seen:
        seen.open("cases.html")
        page = seen.page
        for direction in ("ascending", "descending"):
            page.get_by_role("button", name="last", exact=True).click()
            assert page.locator("#case-table th[aria-sort]").get_attribute("aria-sort") == direction
            figures = page.evaluate(
                "[...document.querySelectorAll('#case-table tbody tr')].map((row) => row.cells[2].dataset.v)"
                ".filter((text) => text !== '').map(Number)"
            )
            assert figures == sorted(figures, reverse=direction == "descending")


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names_do_nothing(chromium: Browser, hostile_site: Path, kind: str) -> None:
    with served(hostile_site) as origin, window(chromium, origin, width=390) as seen:
        seen.open(example(hostile_site, kind))
        page = seen.page
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.querySelectorAll('[onerror], [onmouseover], img').length") == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert (
            page.evaluate("/[\\u202a-\\u202e\\u2066-\\u2069\\u200f]/.test(document.documentElement.innerHTML)") is False
        )
        if kind != "run":
            assert page.evaluate("document.body.innerText.includes('n'.repeat(400))") is False
        if kind == "cases":
            page.locator("select[name=device]").select_option(index=1)
            assert page.locator("#case-table tbody tr:visible").count() > 0
            assert page.evaluate("window.hacked") is None
