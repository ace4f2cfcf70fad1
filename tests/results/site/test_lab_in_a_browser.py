"""The page of a lab in a real browser: accessibility, narrow windows, charts that are drawn when they are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.results.site.test_lab_page import LAB, built, checks
from tests.results.site.test_site_in_a_browser import OFF_SCREEN, chromium, pytestmark, served, window

__all__ = ["checks", "chromium", "pytestmark"]
DRAWN = "figure.drawn .drawing svg"


@pytest.fixture(scope="module")
def page(checks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "out"
    built(checks, out)
    return out


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_all_can_read_it(chromium: Browser, page: Path, scheme: str, width: int) -> None:
    with served(page) as origin, window(chromium, origin, width, scheme) as seen:
        seen.page.goto(f"{origin}/lab.html", timeout=20_000)
        assert seen.page.locator(DRAWN).count() == 0
        seen.page.evaluate("document.querySelectorAll('details.row').forEach((one) => { one.open = true; })")
        seen.page.wait_for_function(f"document.querySelectorAll('{DRAWN}').length === 4", timeout=20_000)
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert seen.page.evaluate(OFF_SCREEN) == []
        found = Axe().run(seen.page)
        assert found.violations_count == 0, found.generate_report()


def test_a_device_leads_to_its_checks(chromium: Browser, page: Path) -> None:
    with served(page) as origin, window(chromium, origin) as seen:
        seen.page.goto(f"{origin}/lab.html?state=quarantined", timeout=20_000)
        assert seen.page.locator("#lab-devices tbody tr:visible").count() == 1 < len(LAB.devices)
        seen.page.locator("#lab-devices").get_by_role("link", name="pi4").click()
        seen.page.wait_for_selector(DRAWN, timeout=20_000)
        assert seen.page.locator("details.row[open] > summary").inner_text().startswith("pi4")
        out = seen.page.locator("figure.drawn").first.locator("path[aria-label*='out of control']")
        assert out.count() == 2
