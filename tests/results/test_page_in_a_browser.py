"""The page in a real browser, measured: on screens, on a phone, and as it is printed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bnnbench.results.records import Gate, Invocation, RunRecord
from bnnbench.results.report import html
from bnnbench.results.store.stored_run import StoredRun
from tests.results.browser import Browser, browser

pytestmark = [
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
    pytest.mark.timeout(180),
]
BOARD = "a-board-with-a-long-name-in-the-basement"
LONG = "a_customer_model_with_a_very_long_name_that_nobody_shortened_v17_final_quantised.tflite op 4711"
DOUBTS = "it is a virtual machine, which shares its CPU with others unseen"


def wide(run: StoredRun) -> StoredRun:
    """All columns that there are, long names, two thread counts, and doubts: as wide as a table gets."""
    record = run.record
    devices = {f"{BOARD}-{name}": facts for name, facts in record.devices.items()}
    cases, entries = [], []
    for case in record.cases:
        for threads in (1, 4):
            name = f"{case.id} {threads}"
            device = f"{BOARD}-{case.device}"
            workload = f"{LONG} {case.workload}" if threads == 4 else case.workload
            changes = {"id": name, "device": device, "threads": threads, "workload": workload}
            cases.append(msgspec.structs.replace(case, **changes, caveat="a caveat of so many words"))
            for entry in run.entries:
                if isinstance(entry, Gate) and entry.case_id == case.id:
                    entries.append(msgspec.structs.replace(entry, case_id=name, settled=False))
                if isinstance(entry, Invocation) and entry.case_id == case.id:
                    more = {"counters": {"instructions": 123456789012}, "telemetry": {"energy_mj": 12.3}}
                    entries.append(msgspec.structs.replace(entry, case_id=name, **more))
    others = [entry for entry in run.entries if not isinstance(entry, Gate | Invocation)]
    kept = msgspec.structs.replace(record, cases=cases[::5], devices=devices)
    return StoredRun(kept, [*entries, *others])


def counted(run: StoredRun) -> StoredRun:
    """The run beside the same on an emulated CPU, whose instructions are counted."""
    record, entries = run.record, list(run.entries)
    cases = list(record.cases)
    for case in [one for one in record.cases if one.engine == "native" and one.device == "pi4"]:
        name = f"{case.id} counted"
        cases.append(msgspec.structs.replace(case, id=name, device="emulated-a72"))
        entries.append(Gate(case_id=name, status="ok"))
        entries.append(
            Invocation(case_id=name, index=0, order=0, status="ok", samples_ns=[1e6], counters={"instructions": 7e6})
        )
    devices = {**record.devices, "emulated-a72": {"emulated": {"value": True, "source": "qemu"}}}
    return StoredRun(msgspec.structs.replace(record, cases=cases, devices=devices, counted=["emulated-a72"]), entries)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture(scope="module")
def pages(synthetic: StoredRun, family: StoredRun, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    record = synthetic.record
    few, fewer = (
        StoredRun(msgspec.structs.replace(record, run_id=run_id, cases=record.cases[begin:40:3]), synthetic.entries)
        for run_id, begin in ((record.run_id, 0), ("20260109-000000-other", 9))
    )
    runs: dict[str, list[StoredRun]] = {
        "wide": [wide(synthetic)],
        "two": [few, fewer],
        "counted": [counted(few)],
        "models": [family],
    }
    folder = tmp_path_factory.mktemp("pages")
    for name, of in runs.items():
        (folder / f"{name}.html").write_text(html.render(of), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in runs}


PAGES = ("wide", "two", "counted", "models")
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
OUT_OF_SIGHT = """[...document.querySelectorAll('#cases .status')].filter((cell) => {
  const box = cell.getBoundingClientRect();
  return box.width === 0 || box.left < 0 || box.right > document.documentElement.clientWidth + 0.5;
}).length"""
BESIDE_THE_WINDOW = """[...document.querySelectorAll('#models th, #models td')].filter((cell) => {
  const box = cell.getBoundingClientRect();
  return box.width > 0 && (box.left < 0 || box.right > document.documentElement.clientWidth + 0.5);
}).map((cell) => cell.textContent.trim())"""
OUT_OF_THE_FIGURE = """[...document.querySelectorAll('figure.chart')].filter((one) => one.offsetParent)
  .flatMap((one) => {
  const frame = one.querySelector('svg').getBoundingClientRect();
  return [...one.querySelectorAll('svg text, svg use')].filter((part) => {
    const box = part.getBoundingClientRect();
    if (part.tagName === 'use' && !part.closest('[id*=legend]')) return false;
    const beside = box.left < frame.left - 1 || box.right > frame.right + 1;
    return beside || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
  }).map((part) => part.textContent || part.tagName);
})"""
CUT = """(() => {
  const page = document.documentElement.clientWidth;
  return [...document.querySelectorAll('table th, table td')].filter((cell) => {
    const box = cell.getBoundingClientRect();
    const hidden = getComputedStyle(cell).display === 'none';
    return hidden || box.left < -0.5 || box.right > page + 0.5 || cell.scrollWidth > cell.clientWidth + 1;
  }).map((cell) => cell.textContent.trim().slice(0, 60));
})()"""


@pytest.mark.parametrize("width", [390, 1280, 1600])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_the_window(chromium: Browser, pages: dict[str, Path], name: str, width: int) -> None:
    chromium.open(pages[name], width)
    assert chromium.value(OVERFLOW) <= 0
    assert chromium.value(OUT_OF_THE_FIGURE) == []


@pytest.mark.parametrize("width", [1280, 1600])
@pytest.mark.parametrize("name", PAGES)
def test_the_status_is_in_sight(chromium: Browser, pages: dict[str, Path], name: str, width: int) -> None:
    chromium.open(pages[name], width)
    assert chromium.value("document.querySelectorAll('#cases .status').length") > 2
    assert chromium.value(OUT_OF_SIGHT) == 0


@pytest.mark.parametrize("width", [360, 390])
def test_which_model_to_take_is_whole_on_a_phone(chromium: Browser, pages: dict[str, Path], width: int) -> None:
    """Latency, size and whether it is on the front: nothing that one has to scroll sideways for."""
    chromium.open(pages["models"], width)
    assert chromium.value(BESIDE_THE_WINDOW) == []
    told = chromium.value("document.querySelector('#models tbody tr').innerText")
    assert re.search(r"\d [kM]?B, (on the front|beaten by .+)", told)
    assert "µs" in told or "ms" in told


@pytest.mark.parametrize("name", PAGES)
def test_print_shows_every_column(chromium: Browser, pages: dict[str, Path], name: str) -> None:
    """On A4 and US letter, both across, within their margins."""
    for millimetres in (297, 279.4):
        chromium.open(pages[name], int((millimetres - 24) / 25.4 * 96), printed=True, dark=True)
        assert chromium.value(CUT) == []
        assert chromium.value("getComputedStyle(document.body).backgroundColor") == "rgb(254, 254, 254)"


def test_print_asks_for_paper_across(chromium: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    chromium.open(pages["wide"], 1280)
    chromium.pdf(tmp_path / "page.pdf")
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", (tmp_path / "page.pdf").read_bytes())
    assert boxes
    assert all(float(width) > float(height) for width, height in boxes)


def test_dark_and_light_pages_differ(chromium: Browser, pages: dict[str, Path]) -> None:
    seen: dict[bool, Any] = {}
    for dark in (False, True):
        chromium.open(pages["models"], 1280, dark=dark)
        seen[dark] = chromium.value("getComputedStyle(document.body).backgroundColor")
    assert seen[False] != seen[True]


def test_instructions_are_drawn_where_they_are_counted(
    chromium: Browser, pages: dict[str, Path], synthetic: StoredRun, tmp_path: Path
) -> None:
    only = counted(synthetic)
    keep: Callable[[RunRecord], RunRecord] = lambda record: msgspec.structs.replace(  # noqa: E731
        record, cases=[case for case in record.cases if case.device == "emulated-a72"]
    )
    path = tmp_path / "only.html"
    path.write_text(html.render(StoredRun(keep(only.record), only.entries)), encoding="utf-8")
    titles = "[...document.querySelectorAll('figure.wide-only svg')].map((one) => one.getAttribute('aria-label'))"
    red = "[...document.querySelectorAll('svg text')].filter((one) => one.outerHTML.includes('--chart-alarm')).length"
    chromium.open(path, 1280)
    assert chromium.value(titles) == ["Instructions per workload"]
    assert chromium.value(red) == 0
    chromium.open(pages["counted"], 1280)
    assert {"Latency per workload", "Instructions per workload"} <= set(chromium.value(titles))
    assert "Without emulated-a72: of an emulated CPU instructions are counted" in chromium.value(
        "document.body.innerText"
    )
    of_latency = "document.querySelector('svg[aria-label^=Latency]').textContent.includes('not measured')"
    assert chromium.value(of_latency) is False
