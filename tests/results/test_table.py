"""The terminal's table, as it looks at 80 and 120 columns and without Unicode."""

import io
from collections.abc import Callable

import msgspec
import pandas as pd
import pytest
from rich.console import Console

from bnnbench.results import quantity, table
from bnnbench.results.certainty import latency_text
from bnnbench.results.engine_table import labelled, lines, summary, with_speedup
from bnnbench.results.frames import load
from bnnbench.results.store.stored_run import StoredRun


def shown(frame: pd.DataFrame, width: int, encoding: str = "utf-8", baseline: str | None = None) -> str:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding, errors="strict", newline="\n")
    table.show(frame, Console(file=stream, width=width, color_system=None), baseline)
    stream.flush()
    return "\n".join(line.rstrip() for line in buffer.getvalue().decode(encoding).splitlines()) + "\n"


PIPED = 1_000_000


def test_in_a_pipe_every_case_is_one_line(synthetic: StoredRun, snapshot: Callable[[str, str], None]) -> None:
    frame = load(synthetic)
    text = shown(frame, PIPED)
    for row in frame[frame["latency_ns"].notna()].to_dict("records"):
        name, figure = str(row["workload"]), latency_text(row)
        assert any(line.startswith(name) and figure in line for line in text.splitlines())
    assert "left out" not in text
    snapshot("table-piped-utf-8.txt", text)


@pytest.mark.parametrize("width", range(40, 201, 5))
def test_every_figure_with_its_interval_and_trust_is_whole_at_any_width(synthetic: StoredRun, width: int) -> None:
    frame = load(synthetic).groupby("device").head(6).assign(trust="low", trust_words="VM; load; throttling unseen")
    text = shown(frame, width)
    assert max(len(line) for line in text.splitlines()) <= width
    left_out = " ".join(text.split()).partition("left out at ")[2].partition(";")[0]
    for row in frame[frame["latency_ns"].notna()].to_dict("records"):
        assert latency_text(row) in text
        if "speed" not in left_out:
            assert quantity.rate(row["gops"]) in text
    assert "…" not in text
    for word in ("low: VM,", "load,", "throttling", "unseen"):
        assert word in text


@pytest.mark.parametrize(("width", "encoding"), [(80, "utf-8"), (120, "utf-8"), (80, "ascii"), (120, "ascii")])
def test_snapshots(synthetic: StoredRun, snapshot: Callable[[str, str], None], width: int, encoding: str) -> None:
    text = shown(load(synthetic), width, encoding)
    assert max(len(line) for line in text.splitlines()) <= width
    snapshot(f"table-{width}-{encoding}.txt", text)


@pytest.mark.parametrize("width", [80, 120, 160, 200])
def test_a_wide_terminal_has_room_for_more_metrics(synthetic: StoredRun, width: int) -> None:
    text = shown(load(synthetic), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert ("250 µs (250-250)" in text) == (width >= 120)
    assert ("422 µs (" in text) == (width >= 160)
    assert ("left out at" in text) == (width < 160)
    assert ("speed-up over the slowest" in text) == ("3.5×" in text)


@pytest.mark.parametrize("width", [40, 80, 120, 1_000_000])
def test_many_skips_take_a_few_lines(synthetic: StoredRun, width: int) -> None:
    frame = load(synthetic)
    whole = frame[frame["status"] == "ok"].head(24).assign(status="skipped", reason="the engine 'numba' runs no models")
    many = frame[frame["status"] == "ok"].head(15).assign(status="skipped", reason="there is no build of it")
    many["workload"] = [f"model {number}" for number in range(15)]
    skipped = pd.concat([whole, many], ignore_index=True).assign(device="pi4")
    (note,) = table.notes(skipped)
    assert note.startswith("39 skipped: 24 because the engine 'numba' runs no models (bconv2d 56x56x64 to 64, 3x3, ")
    assert note.endswith("; 15 because there is no build of it (model 0, model 1, model 2 and 12 more)")
    text = shown(skipped, width)
    assert text.startswith("0 of 0 cases proven")
    assert len(text.splitlines()) <= 12
    assert table.notes(many.assign(device="pi4")) == [
        "15 skipped because there is no build of it (model 0, model 1, model 2 and 12 more)"
    ]


def test_failures_that_share_a_reason_share_a_line(synthetic: StoredRun) -> None:
    frame = load(synthetic)
    lost = frame[frame["status"] == "ok"].head(20).assign(status="failed", reason="the device was lost")
    (note,) = table.notes(lost)
    assert note.startswith("failed: 20 cases, native on ")
    assert note.endswith(" and 17 more: the device was lost")


def test_one_device_has_no_device_column(synthetic: StoredRun, snapshot: Callable[[str, str], None]) -> None:
    frame = load(synthetic)
    text = shown(frame[frame["device"] == "pi4"], 80, baseline="numba")
    assert "speed-up over numba" in text
    snapshot("table-one-device.txt", text)


def test_nothing_to_show(synthetic: StoredRun) -> None:
    assert shown(load([]), 80).startswith("0 of 0 cases proven\n")


def test_the_first_line_says_how_many_are_proven(synthetic: StoredRun) -> None:
    frame = load(synthetic)
    assert summary(frame) == ("45 of 47 cases proven: outputs equal the reference; 1 wrong output, 1 failed, 1 skipped")
    assert summary(frame[frame["status"] == "ok"].head(14)) == ("14 of 14 cases proven: outputs equal the reference")
    assert summary(frame[frame["status"] == "failed"]) == "0 of 1 case proven; 1 failed"


def test_a_hostile_name_can_not_steer_the_terminal(synthetic: StoredRun) -> None:
    frame = load(synthetic).head(2)
    frame["workload"] = "[bold]evil[/bold]\x1b[2J\x1b]0;title\x07\nnew"
    frame["reason"] = "\x1b[31mred [link=file:///]x[/link]"
    text = shown(frame, 120)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]evil[/bold]?[2J" in text
    assert "[link=file:///]x[/link]" in text


def test_speedup_over_the_slowest_and_over_a_chosen_engine(synthetic: StoredRun) -> None:
    frame = load(synthetic)
    pair = with_speedup(frame).query("device == 'pi4' and workload == 'tiny_larq.tflite op 3'").set_index("engine")
    gain = pair.loc["numba", "latency_ns"] / pair.loc["native", "latency_ns"]
    assert pair.loc["native", "speedup"] == gain
    assert pair.loc["numba", "speedup"] == 1.0
    over_native = with_speedup(frame, "native").loc[pair["latency_ns"].index.size :]
    row = over_native.query("device == 'pi4' and workload == 'tiny_larq.tflite op 3' and engine == 'numba'").iloc[0]
    assert row["speedup"] == pytest.approx(1 / gain)


def test_a_case_alone_has_no_speedup(synthetic: StoredRun) -> None:
    frame = with_speedup(load(synthetic))
    alone = frame.query("device == 'pi4' and workload == 'tiny_grouped.tflite op 4'")
    assert alone["speedup"].isna().all()


def test_builds_of_one_engine_are_told_apart(synthetic: StoredRun) -> None:
    frame = load(synthetic)
    native = frame[(frame["engine"] == "native") & (frame["device"] == "workstation")]
    slow = native.assign(isa="avx2", latency_ns=native["latency_ns"] * 2)
    both = pd.concat([native, slow], ignore_index=True)
    assert set(labelled(both)["series"]) == {"native avx512", "native avx2"}
    assert all(len(line.cells) == 2 for line in lines(both))
    rebuilt = pd.concat([native, native.assign(engine_build="f" * 64)], ignore_index=True)
    assert len(set(labelled(rebuilt)["series"])) == 2
    assert all(len(line.cells) == 2 for line in lines(rebuilt))


def test_runs_on_one_device_are_told_apart(synthetic: StoredRun) -> None:
    other = StoredRun(msgspec.structs.replace(synthetic.record, run_id="second"), synthetic.entries)
    places = set(labelled(load([synthetic, other]))["place"])
    assert places == {
        f"{device} ({run})" for device in ("pi4", "workstation") for run in (synthetic.record.run_id, "second")
    }
