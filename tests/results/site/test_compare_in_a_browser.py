"""The pages compare, models and alerts in a real browser: accessibility, rows that open, filters, budgets, hostile
names."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from bnnbench.results.frames import load
from bnnbench.results.metrics import OBJECTIVES
from bnnbench.results.models import COLUMNS, OF_MODELS
from bnnbench.results.pick import pick
from bnnbench.results.site.build import renderer
from bnnbench.results.site.choosing.budgets import data_of
from bnnbench.results.site.choosing.groups import PublishedModel, frames, groups
from bnnbench.results.site.pages import kind
from bnnbench.results.site.source import Asked, read_source
from bnnbench.results.site.static_files import static_files
from bnnbench.results.store.runs import Store
from tests.results.site.conftest import NOW
from tests.results.site.test_site_in_a_browser import CHROMIUM, OFF_SCREEN, WIDTHS, served, window

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.timeout(300),
]
KINDS = ("compare", "models", "alerts")
MOST = 25
PLANNED: set[str] = set()
"""The paths of all pages of these kinds."""
PUBLISHED = PublishedModel("quicknet", "lce", "Pixel 1", 1, "fashion-mnist", "a paper", 2e6, 0.91, 2e5)


def written_pages(store: Path, out: Path) -> Path:
    """The pages of these kinds alone, because reports take long, and of many pairs the first ones."""
    source = read_source(Store(store), None, Asked(last_runs=3, published=(PUBLISHED,)), NOW)
    texts = dict(static_files())
    made = renderer(source)
    for name in KINDS:
        every = list(kind(name).plan(source))
        PLANNED.update(planned.path for planned in every)
        for planned in every[:MOST]:
            page = planned.make()
            assert page is not None
            texts[planned.path] = page.html(made).encode()
    for path, content in texts.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_bytes(content)
    return out


@pytest.fixture(scope="module")
def pages(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_pages(small, tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def hostile_pages(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_pages(hostile, tmp_path_factory.mktemp("hostile-pages"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"], timeout=60_000
        )
        yield started
        started.close()


def open_some(page: Page) -> None:
    page.evaluate("[...document.querySelectorAll('main details')].slice(0, 4).forEach((one) => { one.open = true; })")


def examples(out: Path) -> list[str]:
    """A page of each form: list, two runs, two engines, verdicts, models, alerts."""
    verdicts = next(path for path in sorted(out.glob("compare/2*.html")) if "--" not in path.name)
    engines = next(path for path in sorted(out.glob("compare/*--*--*.html")))
    pair = max(
        (path for path in out.glob("compare/*--*.html") if path.name.count("--") == 1),
        key=lambda path: path.stat().st_size,
    )
    compared = [path.relative_to(out).as_posix() for path in (verdicts, engines, pair)]
    return ["compare/index.html", *compared, "models.html", "alerts.html"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_read_by_all(browser: Browser, pages: Path, scheme: str) -> None:
    with served(pages) as origin, window(browser, origin, scheme=scheme) as seen:
        for path in examples(pages):
            seen.page.goto(f"{origin}/{path}")
            open_some(seen.page)
            for width in WIDTHS:
                seen.page.set_viewport_size({"width": width, "height": 900})
                assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, width)
                assert seen.page.evaluate(OFF_SCREEN) == [], (path, width)
            found = Axe().run(seen.page)
            assert found.violations_count == 0, (path, found.generate_report())


def test_links_between_these_pages_lead_somewhere(pages: Path) -> None:
    links = set()
    for page in pages.rglob("*.html"):
        for target in re.findall(r'href="((?:\.\./)?(?:compare/[^"#]+|models\.html|alerts\.html))"', page.read_text()):
            links.add((page.parent / target).resolve().relative_to(pages.resolve()).as_posix())
    assert len(links) > 10
    assert links <= PLANNED


def test_a_row_opens_into_its_details(browser: Browser, pages: Path) -> None:
    path = next(one for one in examples(pages) if one.count("--") == 1)
    with served(pages) as origin, window(browser, origin) as seen:
        seen.page.goto(f"{origin}/{path}")
        assert seen.page.locator("figure.drawn").count() == 0
        link = seen.page.locator("#rows tbody tr th a").first
        name = link.inner_text()
        link.click()
        opened = seen.page.locator("details.row[open]")
        assert opened.count() == 1
        assert name in opened.locator("summary").first.inner_text()
        seen.page.wait_for_selector("details.row[open] figure.drawn svg", timeout=20_000)
        for title in ("What would settle it", "Samples", "How both were measured", "History"):
            assert opened.get_by_role("heading", name=title).count() == 1, title
        drawing = opened.locator(".drawing")
        drawing.focus()
        seen.page.keyboard.press("ArrowRight")
        assert "took at most" in opened.locator("figure .value").inner_text()
        address = seen.page.url
    with served(pages) as origin, window(browser, origin) as seen:
        seen.page.goto(f"{origin}/{path}#{urlsplit(address).fragment}")
        assert seen.page.locator("details.row[open] summary").first.inner_text().startswith(name)


def test_only_changed_is_in_the_address(browser: Browser, pages: Path) -> None:
    path = next(one for one in examples(pages) if one.count("--") == 2)
    with served(pages) as origin, window(browser, origin) as seen:
        seen.page.goto(f"{origin}/{path}")
        rows = seen.page.locator("#rows tbody tr:visible")
        everything = rows.count()
        seen.page.get_by_label("only changed").check()
        assert urlsplit(seen.page.url).query == "changed=1"
        assert seen.page.locator("#rows tbody tr[data-changed='0']:visible").count() == 0
        seen.page.go_back()
        assert rows.count() == everything


def test_two_choices_lead_to_another_pair(browser: Browser, pages: Path) -> None:
    path = next(
        one.relative_to(pages).as_posix()
        for one in sorted(pages.glob("compare/*--*.html"))
        if one.name.count("--") == 1 and len(re.findall('<option value="[0-9]"', one.read_text())) >= 6
    )
    with served(pages) as origin, window(browser, origin) as seen:
        seen.page.goto(f"{origin}/{path}")
        base, head = seen.page.locator("select[name=base]"), seen.page.locator("select[name=head]")
        runs = base.locator("option").all_inner_texts()
        base.select_option("2")
        head.select_option("0")
        seen.page.get_by_role("button", name="Compare").click()
        seen.page.wait_for_url(f"**/compare/{runs[2]}--{runs[0]}.html", timeout=10_000)
        head.select_option("2")
        assert seen.page.locator("form[data-pairs] output").inner_text()


def test_the_browser_picks_as_the_command_does(browser: Browser, pages: Path, small: Path) -> None:
    """200 random budgets, figures of choices themselves among them, in stores with missing figures."""
    rows = load(small, where=OF_MODELS, columns=COLUMNS)
    made, parts = groups(rows), frames(rows)
    data = data_of(made)
    dice = random.Random(17)  # noqa: S311
    questions: list[dict[str, Any]] = []
    expected: list[dict[str, Any]] = []
    for number in range(200):
        group = made[number % len(made)]
        choices = [dict(choice, figures=dict(choice["figures"])) for choice in data["groups"][group.key]["choices"]]
        frame = parts[group.key].copy()
        for place in range(len(choices)):
            for key, metric in OBJECTIVES.items():
                if dice.random() < 0.15:  # it was not measured
                    choices[place]["figures"][key] = None
                    frame[metric.column] = frame[metric.column].astype("Float64")
                    frame.loc[place, metric.column] = None
        for place, choice in enumerate(choices):
            choice["place"] = place
        frame["place"] = range(len(frame))
        budgets = {}
        for metric in OBJECTIVES.values():
            known = [float(value) for value in frame[metric.column].dropna()]
            if known and dice.random() < 0.7:
                budgets[metric.budget] = dice.choice(known) * dice.choice([1.0, 1.0, 0.9, 1.1])
        found = pick(frame, **budgets)
        questions.append({"choices": choices, "budgets": budgets})
        expected.append(
            {
                "best": None if found.best is None else found.best["place"],
                "next": None if found.next_best is None else found.next_best["place"],
                "fitting": found.fitting,
                "unknown": found.unknown,
                "moved": {one.objective: [one.budget, one.choice["place"]] for one in found.moved},
            }
        )
    with served(pages) as origin, window(browser, origin) as seen:
        seen.page.goto(f"{origin}/models.html")
        answers = seen.page.evaluate(
            """([objectives, questions]) => questions.map(({ choices, budgets }) => {
              const made = window.bnnbenchPick(choices, objectives, budgets);
              return {
                best: made.best?.place ?? null,
                next: made.next_best?.place ?? null,
                fitting: made.fitting,
                unknown: made.unknown,
                moved: Object.fromEntries(made.moved.map((one) => [one.objective, [one.budget, one.choice.place]])),
              };
            })""",
            [data["objectives"], questions],
        )
    assert answers == expected
    assert len({answer["best"] for answer in answers}) > 5
    assert any(answer["best"] is None for answer in answers)


def test_sliders_by_keyboard_name_the_pick(browser: Browser, pages: Path, small: Path) -> None:
    parts = frames(load(small, where=OF_MODELS, columns=COLUMNS))
    with served(pages) as origin, window(browser, origin) as seen:
        page = seen.page
        page.goto(f"{origin}/models.html")
        group = page.locator("select[name=group]").input_value()
        result = page.locator("[data-pick-result]")
        slider = page.locator("input[name=max_latency_ns]")
        assert slider.get_attribute("aria-valuetext") == "no budget"
        slider.focus()
        for _ in range(8):
            page.keyboard.press("ArrowLeft")
        said = slider.get_attribute("aria-valuetext")
        assert said is not None
        assert said.startswith("at most ")
        query = parse_qs(urlsplit(page.url).query)
        budget = float(query["max_latency_ns"][0])
        best = pick(parts[group], max_latency_ns=budget).best
        assert best is not None
        assert result.inner_text().startswith(f"{best['workload']} on {best['engine']}")
        named = result.inner_text()
        page.reload()
        assert result.inner_text() == named
        assert slider.get_attribute("aria-valuetext") == said
        page.goto(f"{origin}/models.html?group={group}&max_latency_ns=1")
        assert result.inner_text().startswith("Nothing fits")
        page.goto(f"{origin}/models.html?group=../x&max_latency_ns=<script>&min_accuracy=-1")
        assert result.inner_text()
        assert "no budget" in page.locator("output[data-of=max_latency_ns]").inner_text()


def test_published_figures_are_beside_the_same_data_set(browser: Browser, pages: Path) -> None:
    text = (pages / "models.html").read_text()
    assert "lce, Pixel 1" in text
    assert "a paper" in text


def test_hostile_names_do_nothing(browser: Browser, hostile_pages: Path) -> None:
    with served(hostile_pages) as origin, window(browser, origin, width=390) as seen:
        for page in sorted(hostile_pages.rglob("*.html")):
            seen.page.goto(f"{origin}/{page.relative_to(hostile_pages).as_posix()}")
            open_some(seen.page)
            seen.page.wait_for_timeout(100)
            assert seen.page.evaluate("window.hacked === undefined")
            assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.name
            assert "\u202e" not in seen.page.content()
