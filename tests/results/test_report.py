"""The page: one file, no network, hostile strings shown as text, and readable with or without script."""

import base64
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from bnnbench.results.frames import load
from bnnbench.results.records import CaseRecord, DeviceEvent, Gate, RunEnd, RunRecord
from bnnbench.results.report import FORMATS, csv, html, write
from bnnbench.results.report.facts import facts
from bnnbench.results.report.headline import claims
from bnnbench.results.report.models import models
from bnnbench.results.report.page import page
from bnnbench.results.report.page_context import PageContext
from bnnbench.results.store.runs import StoredRun, StoreError

VOID = {"meta", "link", "br", "img", "input", "hr", "path", "use", "rect", "circle", "line"}


class Outline(HTMLParser):
    """Tags, attributes and ids of a page; fails on tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID or tag in ("path", "use"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def rendered(synthetic: StoredRun) -> str:
    return html.render(synthetic)


def without_charts(text: str) -> str:
    text = re.sub(r"<svg.*?</svg>", "<svg></svg>", text, flags=re.DOTALL)
    text = re.sub(r"<style>.*?</style>", "<style></style>", text, flags=re.DOTALL)
    text = re.sub(r"<script>.*?</script>", "<script></script>", text, flags=re.DOTALL)
    return re.sub(r"sha256-[A-Za-z0-9+/=]+", "sha256-", text)


def test_snapshot(rendered: str, snapshot: Callable[[str, str], None]) -> None:
    snapshot("page.html", without_charts(rendered))


def test_csv_snapshot(synthetic: StoredRun, snapshot: Callable[[str, str], None], tmp_path: Path) -> None:
    path = csv.write(synthetic, tmp_path)
    snapshot("results.csv", path.read_text(encoding="utf-8"))
    frame = pd.read_csv(path)
    assert len(frame) == 48
    assert frame.loc[frame["status"] == "failed", "latency_ns"].isna().all()
    samples = pd.read_csv(tmp_path / "invocations.csv")["samples_ns"]
    assert msgspec.json.decode(samples[0]) == synthetic.invocations[0].samples_ns


def test_write_makes_the_page_and_the_files_beside_it(synthetic: StoredRun, tmp_path: Path) -> None:
    path = write(synthetic, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "index.html"
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "index.html",
        "invocations.csv",
        "results.csv",
    ]
    assert write([synthetic], tmp_path, "csv") == tmp_path / "results.csv"
    assert list(FORMATS) == ["html", "csv"]


def test_the_same_runs_give_the_same_page(synthetic: StoredRun, rendered: str) -> None:
    assert html.render([synthetic]) == rendered


def test_the_page_is_whole(rendered: str) -> None:
    outline = Outline(rendered)
    ids = [value for _, name, value in outline.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert outline.tags.count("h1") == 1
    assert outline.tags.count("svg") == 8  # three charts, one of them for each of two devices


def test_the_page_asks_nothing_of_the_network(rendered: str) -> None:
    outline = Outline(rendered)
    links = [value for _, name, value in outline.attributes if name in ("src", "href", "xlink:href", "action")]
    assert all(
        link is not None and (link.startswith("#") or link in ("results.csv", "invocations.csv")) for link in links
    )
    assert not re.search(r"@import|url\((?!#)", rendered)


def test_the_page_allows_its_own_script_alone(rendered: str) -> None:
    script = re.search(r"<script>(.*?)</script>", rendered, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in rendered


def test_every_reason_and_source_is_on_the_page(synthetic: StoredRun, rendered: str) -> None:
    for words in (
        "17 of 16384 output bits differ",
        "numba has no build for groups on this device",
        "/proc/device-tree/model",
        "/proc/sys/kernel/random/boot_id",
        "98.4 % probability",
        "2,035 GOPS",
        "the governor was ondemand",
        "20260102",
        *(build.sha256 for build in synthetic.record.builds),
    ):
        assert words in rendered, words


def test_command_lines_are_shown_on_demand(synthetic: StoredRun, rendered: str) -> None:
    """They hold paths and addresses of whoever measured."""
    command = "bnnbench run synthetic.toml --device pi4"
    assert command not in rendered
    assert command in html.render(synthetic, PageContext(commands=True))


HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}\x1b[31m</style></svg>"


def test_hostile_strings_are_text(record: RunRecord, synthetic: StoredRun) -> None:
    case = CaseRecord(
        id="x",
        workload=HOSTILE,
        kind="kernel",
        engine=HOSTILE,
        device=HOSTILE,
        threads=1,
        macs_1bit=1000,
        isa=HOSTILE,
    )
    twin = msgspec.structs.replace(case, id="y", engine="native")
    hostile = msgspec.structs.replace(
        record,
        suite_name=HOSTILE,
        command=["bnnbench", HOSTILE],
        host={HOSTILE: HOSTILE},
        devices={
            HOSTILE: {
                "model": {"value": HOSTILE, "source": HOSTILE},
                HOSTILE: {"value": [HOSTILE], "source": HOSTILE},
            }
        },
        created=HOSTILE,
        cases=[case, twin],
        skips=[],
    )
    invocations = [
        msgspec.structs.replace(one, case_id=name, index=index, isa=HOSTILE)
        for name in ("x", "y")
        for index, one in enumerate(synthetic.invocations[:7])
    ]
    entries = [
        Gate(case_id="x", status="ok", reason=HOSTILE),
        Gate(case_id="y", status="ok"),
        *invocations,
        DeviceEvent(device=HOSTILE, kind=HOSTILE, message=HOSTILE),
        RunEnd(finished=HOSTILE, outcome="complete", overhead={HOSTILE: {"run_share": 0.5}}),
    ]
    rendered = html.render(StoredRun(hostile, entries, None, [HOSTILE]))
    outline = Outline(rendered)
    assert outline.tags.count("script") == 1
    assert "img" not in outline.tags
    assert not [name for _, name, _ in outline.attributes if name.startswith("on")]
    assert "{{ 7*7 }}" in rendered
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in rendered


def test_facts_read_as_words(synthetic: StoredRun) -> None:
    told = {fact.name: fact for fact in facts(synthetic.record.devices["workstation"])}
    assert told["max clock"].text == "2.90 GHz"
    assert told["memory"].text == "3.98 GB"
    assert told["emulated"].text == "no"
    assert told["cpus"].text == "count 2; allowed 0, 1"
    assert told["clusters"].text == "cpus 0, 1; name Synthetic core; max 2.90 GHz"
    assert told["clock"].text == "0: cur 2.90 GHz; 1: cur 2.90 GHz"
    assert told["isa features"].long
    assert told["temperature"].text is None
    assert told["temperature"].source == "/sys/class/thermal"
    assert list(told)[-1] == "temperature", "what is absent comes last"
    assert facts({"hostname": "here", "load": 0.5})[1].text == "0.5"


def test_no_runs_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no run to report"):
        write([], tmp_path)


def test_a_file_in_place_of_the_folder(synthetic: StoredRun, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StoreError, match="a file is in its place"):
        write(synthetic, tmp_path / "out")


def test_a_run_with_nothing_measured_has_a_page(record: RunRecord) -> None:
    rendered = html.render(StoredRun(record, []))
    Outline(rendered)
    assert "did not end; finish it with bnnbench run --resume" in rendered
    assert "<svg" not in rendered


def test_an_empty_run_has_a_page(record: RunRecord) -> None:
    bare = msgspec.structs.replace(record, cases=[], skips=[], devices={}, builds=[], host={}, command=[])
    Outline(html.render(StoredRun(bare, [])))


def test_an_emulated_device_shows_no_time(synthetic: StoredRun) -> None:
    record = synthetic.record
    devices = {name: {**facts, "emulated": {"value": True, "source": "test"}} for name, facts in record.devices.items()}
    run = StoredRun(msgspec.structs.replace(record, devices=devices), synthetic.entries)
    rendered = html.render(run)
    assert "Emulated: its times mean nothing" in rendered
    assert "<svg" not in rendered
    assert "GOPS <small>" not in rendered
    assert {"GOPS", "Of roof"}.isdisjoint(column.name for column in page([run]).table.columns)


def test_two_runs_are_told_apart(synthetic: StoredRun) -> None:
    few = msgspec.structs.replace(synthetic.record, cases=synthetic.record.cases[20:26], skips=[])
    first = StoredRun(few, synthetic.entries)
    second = StoredRun(msgspec.structs.replace(few, run_id="second"), synthetic.entries)
    rendered = html.render([first, second])
    Outline(rendered)
    assert "pi4 (second)" in rendered
    assert "Run second" in rendered


def test_the_headline_is_the_best_pair(synthetic: StoredRun) -> None:
    from bnnbench.results.frames import load

    frame = load(synthetic)
    ok = frame[frame["latency_ns"].notna()]
    wide = ok.pivot_table(index=["workload", "device"], columns="engine", values="latency_ns")
    best = (wide["numba"] / wide["native"]).astype(float)
    workload, device = best.idxmax()
    claim = claims(frame, [synthetic])[1]
    assert claim.figure == f"{best.max():.1f}×"
    assert claim.detail.startswith(f"{workload} on {device}: ")
    pair = ok[(ok["workload"] == workload) & (ok["device"] == device)].set_index("engine")
    low = pair.loc["numba", "latency_low_ns"] / pair.loc["native", "latency_high_ns"]
    high = pair.loc["numba", "latency_high_ns"] / pair.loc["native", "latency_low_ns"]
    assert claim.span == f"{low:.1f}–{high:.1f}×"
    only_native = frame[frame["engine"] == "native"]
    assert len(claims(only_native, [synthetic])) == 2


def dumped(path: Path, profile: Path) -> tuple[str, list[str]]:
    """The page after its scripts ran, and what the browser complained about."""
    options = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
    options += " disable-component-update disable-sync enable-logging=stderr dump-dom"
    done = subprocess.run(
        [
            "chromium",
            *(f"--{option}" for option in options.split()),
            f"--user-data-dir={profile}",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.timeout(150)
def test_the_page_in_a_browser(rendered: str, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(rendered, encoding="utf-8")
    page_text, complaints = dumped(path, tmp_path / "profile")
    # The script makes the headings buttons; a blocked or broken one would have left them plain.
    assert '<button type="button">Measured</button>' in page_text
    assert complaints == []

    clicks = """<script>
    const buttons = [...document.querySelectorAll("#cases th button")];
    const heading = buttons.find((one) => one.textContent === "Measured");
    const rows = () => [...document.querySelectorAll("#cases tbody tr")];
    const column = [...document.querySelectorAll("#cases thead th")].indexOf(heading.parentElement);
    const orders = [];
    for (let click = 0; click < 3; click++) {
      heading.click();
      orders.push(rows().map((row) => row.cells[column].dataset.v));
    }
    const box = document.querySelector(".filter input");
    box.value = "pi4 WRONG";
    box.dispatchEvent(new Event("input"));
    const left = rows().filter((row) => !row.hidden).length;
    document.title = JSON.stringify({ orders, left });
    </script>"""
    free = re.sub(r"<meta http-equiv[^>]*>", "", rendered).replace("</body>", clicks + "</body>")
    path.write_text(free, encoding="utf-8")
    page_text, complaints = dumped(path, tmp_path / "profile")
    assert complaints == []
    title = re.search(r"<title>(.*?)</title>", page_text)
    assert title is not None
    seen = msgspec.json.decode(title[1])
    up, down, plan = ([float(one) for one in order if one] for order in seen["orders"])
    assert up == sorted(up)
    assert down == sorted(down, reverse=True)
    assert sorted(plan) == up != plan
    # What was not measured is last in both directions.
    assert seen["orders"][0][len(up) :] == seen["orders"][1][len(up) :] == ["", ""]
    assert seen["left"] == 1


@pytest.fixture(scope="module")
def rendered_family(family: StoredRun) -> str:
    return html.render(family)


def test_models_have_a_section_of_their_own(
    family: StoredRun, rendered_family: str, snapshot: Callable[[str, str], None]
) -> None:
    text = rendered_family
    Outline(text)
    snapshot("family.html", without_charts(text))
    shown = models(load(family))
    assert shown is not None
    fronts = {row.workload for row in shown.rows if row.on_front and row.place == "pi4"}
    assert fronts == {"tiny", "small", "middle", "large", "a_customer_model_with_a_long_name_v7_final"}
    assert "unknown" in shown.unsure
    again = models(load(family), pd.concat([load(family), load(family)]))
    assert again is not None
    assert "between runs is part of it" in again.unsure


def test_published_figures_are_hollow_and_in_no_table(family: StoredRun, rendered_family: str) -> None:
    from bnnbench.harness.cli.published import published_frame

    everything = published_frame()
    zoo = everything[(everything["device"] == "Pixel 1") & (everything["threads"] == 1)]
    text = html.render(family, PageContext(published=zoo))
    assert "published, not measured here" in text
    assert "QuickNetLarge" in text
    assert "QuickNetLarge" not in re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)
    assert "published" not in rendered_family
