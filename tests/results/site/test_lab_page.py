"""The page of a lab: devices, reasons, queue and control charts, of made-up hosts and checks; hostile names."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bnnbench.results.records import CaseRecord, Entry, Gate, Invocation, RunEnd, RunRecord
from bnnbench.results.site import canary_chart as charts
from bnnbench.results.site.build import Built, build
from bnnbench.results.site.lab_state import LabDevice, LabRequest, LabState
from bnnbench.results.site.source import Asked
from bnnbench.results.statistics.control_chart import LEAST, control_chart
from bnnbench.results.store.runs import Store
from tests.results.generated_store import write_run
from tests.results.site.conftest import HOSTILE, written
from tests.results.site.test_site_build import Links, broken_links

BEGIN = datetime(2026, 1, 1, 6, tzinfo=UTC)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CANARIES = ("health bconv2d", "health bgemm")
QUARANTINED = (
    "device 'pi4' is quarantined since 2026-02-27 06:00 UTC: health bconv2d is out of control: +9.1 % from the centre "
    "of 29 earlier checks; see to it, then bring it back with: bnnbench devices release pi4."
)
FACTS = {
    "model": "Raspberry Pi 4 Model B Rev 1.4",
    "soc": "bcm2711",
    "kernel": "Linux 6.6.20+rpt",
    "memory_bytes": 4 << 30,
    "boot_id": "0b5e1a2c-secret",
    "machine_id": "f00dfeed-secret",
}
LAB = LabState(
    devices=[
        LabDevice("pi4", "rack1", "quarantined", QUARANTINED, facts=FACTS),
        LabDevice("pi5", "rack1", "measuring", "", "20260301-110000-ab12", "12 of 40, bconv2d 14x14x256", FACTS),
        LabDevice("new", "rack2", "away", "device 'new' cannot be reached: no route to host."),
        LabDevice("spare", "rack2", "free", facts=FACTS),
    ],
    requests=[
        LabRequest("pi5", "20260301-110000-ab12", "running", "person", 600.0, is_running=True),
        LabRequest("pi5", "20260301-113000-cd34", "next", "CI"),
    ],
    canaries=CANARIES,
)
WAVE = (0.0, 0.004, -0.003, 0.002, -0.004, 0.003, -0.001)


class Attributes(HTMLParser):
    """The names of all attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {name for name, _ in attrs}


def check(number: int, device: str, ms: float, build: str = "first", workloads: tuple[str, ...] = CANARIES) -> Any:
    """A run of the health suite, a day after the one before."""
    created = BEGIN + timedelta(days=number)
    cases = [
        CaseRecord(id=name, workload=name, kind="kernel", engine="native", device=device, threads=1, engine_build=build)
        for name in workloads
    ]
    record = RunRecord(
        run_id=f"{created:%Y%m%d-%H%M%S}-{number:06x}",
        created=created.isoformat(timespec="microseconds"),
        version="0",
        suite_name="health",
        seed=0,
        cases=cases,
        devices={device: {"model": {"value": "Raspberry Pi 4", "source": "test"}}},
        invocations_per_case=3,
        samples_per_invocation=1,
        suite={"health": True},
    )
    entries: list[Entry] = []
    for name in workloads:
        entries.append(Gate(case_id=name, status="ok"))
        for index in range(3):
            samples = [ms * 1e6 * (1 + WAVE[number % 7])]
            entries.append(
                Invocation(case_id=name, index=index, order=index, status="ok", started=created.isoformat(),
                           samples_ns=samples, engine_build=build)
            )  # fmt: skip
    return record, [*entries, RunEnd(finished=created.isoformat(), outcome="complete")]


def latency(number: int) -> float:
    """Of `pi4`: as usual for 29 days, then slower."""
    return 1.0 if number < 29 else 1.1


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def write(store: Path) -> None:
        for number in range(31):
            write_run(store / "runs", *check(number, "pi4", latency(number)))
        for number in range(31, 34):
            write_run(store / "runs", *check(number, "pi5", 0.4))

    return written(tmp_path_factory.mktemp("checks"), write)


def built(store: Path, out: Path, lab: LabState | None = LAB, now: datetime = NOW) -> Built:
    return build(Store(store), out, Asked(last_runs=0), now=now, lab=lab)


@pytest.fixture(scope="module")
def site(checks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "out"
    built(checks, out)
    return out


def specs(page: Path) -> dict[str, Any]:
    found = re.search(r'id="data-specs">(.*?)</script>', page.read_text(encoding="utf-8"))
    return json.loads(found[1]) if found else {}


def points_of(page: Path, device: str, workload: str) -> list[dict[str, Any]]:
    text = page.read_text(encoding="utf-8")
    (chart,) = re.findall(rf'data-spec="([^"]*)" data-label="Health checks of {device}: {workload}"', text)
    found: list[dict[str, Any]] = specs(page)[chart]["datasets"]["points"]
    return found


def test_the_page_is_as_it_was(site: Path, snapshot: Callable[[str, str], None]) -> None:
    text = (site / "lab.html").read_text(encoding="utf-8")
    main = text[text.index("<main") : text.index("</main>")]
    snapshot("site-lab.html", re.sub(r"\n\s*\n+", "\n", main) + "\n")


def test_links_lead_somewhere_and_all_pages_have_one_to_it(site: Path) -> None:
    assert broken_links(site) == []
    for path in (*site.glob("*.html"), *site.glob("case/*.html")):
        assert "lab.html" in " ".join(Links(path.read_text(encoding="utf-8")).to), path


def test_what_names_a_machine_or_a_person_is_not_there(site: Path) -> None:
    assert "secret" not in (site / "lab.html").read_text(encoding="utf-8")


def test_a_site_without_a_lab_has_no_such_page(tmp_path: Path) -> None:
    checks = written(tmp_path / "store", lambda store: write_run(store / "runs", *check(0, "pi4", 1.0)) and None)
    built(checks, tmp_path / "out", None)
    assert not (tmp_path / "out/lab.html").exists()
    assert "lab.html" not in (tmp_path / "out/index.html").read_text(encoding="utf-8")
    built(checks, tmp_path / "out")
    assert "lab.html" in (tmp_path / "out/index.html").read_text(encoding="utf-8")
    again = built(checks, tmp_path / "out", now=NOW + timedelta(minutes=5))
    assert again.by_kind["lab"] == 1  # what the hosts say now, and all else as before
    assert again.by_kind.keys() <= {"lab", "overview"}
    assert "12:05" in (tmp_path / "out/lab.html").read_text(encoding="utf-8")
    built(checks, tmp_path / "out", None)
    assert not (tmp_path / "out/lab.html").exists()


def test_limits_are_those_of_a_check(site: Path) -> None:
    points = points_of(site / "lab.html", "pi4", "health bgemm")
    assert [point["kind"] for point in points] == (
        ["too few checks"] * LEAST + ["in control"] * (29 - LEAST) + ["out of control"] * 2
    )
    figures = [math.log(1e6 * (1 + WAVE[number % 7])) for number in range(29)]
    chart = control_chart(figures, least_width=math.log1p(0.02))
    assert chart is not None
    assert (points[29]["lo"], points[29]["mid"], points[29]["hi"]) == pytest.approx(
        [math.exp(value) / 1e6 for value in (chart.low, chart.centre, chart.high)], rel=1e-5
    )


def test_figures_that_were_accepted_begin_a_chart_anew(checks: Path, tmp_path: Path) -> None:
    released = (BEGIN + timedelta(days=9.5)).isoformat()
    lab = LabState([LabDevice("pi4", "rack1", "free", accepted_since=released)], [], CANARIES)
    built(checks, tmp_path, lab)
    kinds = [point["kind"] for point in points_of(tmp_path / "lab.html", "pi4", "health bgemm")]
    assert kinds[8:10] == ["in control"] * 2  # before that, by what was known then
    assert kinds[10 : 10 + LEAST] == ["too few checks"] * LEAST


def test_another_build_of_the_engine_is_not_compared(tmp_path: Path) -> None:
    def write(store: Path) -> None:
        for number in range(12):
            write_run(store / "runs", *check(number, "pi4", 1.0, "first" if number < 10 else "second"))

    built(written(tmp_path / "store", write), tmp_path / "out")
    kinds = [point["kind"] for point in points_of(tmp_path / "out/lab.html", "pi4", "health bgemm")]
    assert kinds[-3:] == ["in control", *["too few checks"] * 2]


def test_hostile_names_are_text(tmp_path: Path) -> None:
    def write(store: Path) -> None:
        for number, text in enumerate(HOSTILE):
            write_run(store / "runs", *check(number, text[:200], 1.0, workloads=(text,)))

    devices = [
        LabDevice(text[:200], text, "away", text * 3, text, text, {"model": text, "kernel": {text: text}})
        for text in HOSTILE
    ]
    lab = LabState(devices, [LabRequest(text, text, text, text) for text in HOSTILE], HOSTILE)
    built(written(tmp_path / "store", write), tmp_path / "out", lab)
    text = (tmp_path / "out/lab.html").read_text(encoding="utf-8")
    page = Links(text)
    assert broken_links(tmp_path / "out") == []
    assert len(page.ids) == len(set(page.ids))
    assert "img" not in page.tags
    assert not re.search(r"<script(?! defer src| type=\"application/json\")", text)
    assert [name for name in Attributes(text).names if name.startswith("on")] == []
    assert "\u202e" not in text
    assert len(text) < 2_000_000
    assert len(specs(tmp_path / "out/lab.html")) == len(HOSTILE)


def test_a_lab_without_devices_and_without_checks(tmp_path: Path) -> None:
    store = written(tmp_path / "store", lambda store: write_run(store / "runs", *check(0, "other", 1.0)) and None)
    built(store, tmp_path / "out", LabState([], [], CANARIES))
    assert "No host has joined the lab" in (tmp_path / "out/lab.html").read_text(encoding="utf-8")
    built(store, tmp_path / "out")
    text = (tmp_path / "out/lab.html").read_text(encoding="utf-8")
    assert text.count("No health check of it is in this store.") == len(LAB.devices)
    assert "data-specs" not in text


def test_only_the_last_checks_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "MOST_CHECKS", 5)

    def write(store: Path) -> None:
        for number in range(5 + LEAST):
            write_run(store / "runs", *check(number, "pi4", 1.0, workloads=CANARIES[:1]), tables=False)

    built(written(tmp_path / "store", write), tmp_path / "out")
    points = points_of(tmp_path / "out/lab.html", "pi4", "health bconv2d")
    assert len(points) == 5
    assert points[0]["kind"] == "in control"  # by earlier ones, which are not drawn


def test_a_chart_needs_a_point() -> None:
    with pytest.raises(ValueError, match="no check has a figure"):
        charts.canary_chart([])
