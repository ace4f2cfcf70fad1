"""Samples by engine: the share that took at most so long, of what was measured with the right output."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from statistics import median

import pandas as pd
import pytest

from bnnbench.results.charts import CHARTS
from bnnbench.results.charts.ecdf import ecdf
from bnnbench.results.frames import load, load_invocations
from bnnbench.results.store.stored_run import StoredRun
from tests.results.test_charts import assert_readable, outline


@pytest.fixture(scope="module")
def invocations(synthetic: StoredRun) -> pd.DataFrame:
    return load_invocations(synthetic)


def of_workload(run: StoredRun, workload: str = "tiny_larq.tflite op 6") -> pd.DataFrame:
    frame = load(run)
    return frame[frame["workload"] == workload]


@pytest.mark.parametrize("width", [9.2, 3.7])
def test_the_chart_is_readable_and_repeats(
    synthetic: StoredRun, invocations: pd.DataFrame, snapshot: Callable[[str, str], None], width: float
) -> None:
    frame = of_workload(synthetic)
    assert CHARTS["ecdf"].suits(frame, [])
    svg = CHARTS["ecdf"].svg(frame, width=width, invocations=lambda: invocations)
    assert svg == CHARTS["ecdf"].svg(frame, width=width, invocations=lambda: invocations)
    snapshot(f"chart-ecdf-{width}.txt", outline(svg))
    assert_readable(CHARTS["ecdf"].figure(frame, width=width, invocations=lambda: invocations))
    assert not re.findall(r"#[0-9a-f]{6}\b", re.sub(r"var\(--chart-\w+, #[0-9a-f]{6}\)", "", svg))


def test_a_line_is_the_share_of_samples_up_to_there(synthetic: StoredRun, invocations: pd.DataFrame) -> None:
    frame = of_workload(synthetic).query("device == 'pi4' and engine == 'native'")
    mine = invocations.query("device == 'pi4' and engine == 'native' and workload == 'tiny_larq.tflite op 6'")
    samples = sorted(ns for row in mine["samples_ns"] for ns in row)
    line, marker = ecdf(frame, invocations).lines
    xs, ys = line.get_data()
    assert (list(xs)[1:], list(ys)[1:]) == (samples, [(place + 1) / len(samples) for place in range(len(samples))])
    assert [float(value[0]) for value in marker.get_data()] == [median(samples), 0.5]


def test_many_samples_keep_their_ends(synthetic: StoredRun, invocations: pd.DataFrame) -> None:
    frame = of_workload(synthetic).query("device == 'pi4' and engine == 'native'")
    many = invocations.assign(samples_ns=[[float(ns) for ns in range(1, 3001)]] * len(invocations))
    xs, ys = ecdf(frame, many).lines[0].get_data()
    assert len(xs) < 600
    assert (xs[0], xs[-1], ys[0], ys[-1]) == (1.0, 3000.0, 0.0, 1.0)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "unverified"},
        {"status": "failed"},
        {"latency_ns": pd.NA},  # of an emulated device
    ],
)
def test_only_what_has_the_right_output_and_a_time(
    synthetic: StoredRun, invocations: pd.DataFrame, change: dict[str, object]
) -> None:
    frame = of_workload(synthetic)
    left_out = frame["engine"] == "numba"
    for column, value in change.items():
        frame.loc[left_out, column] = value
    assert len(ecdf(frame, invocations).lines) == 2 * 2  # native on two devices: a line and its median each
    for column, value in change.items():
        frame[column] = pd.Series([value] * len(frame), index=frame.index, dtype=frame[column].dtype)
    assert not CHARTS["ecdf"].suits(frame, [])
    with pytest.raises(ValueError, match="no case has samples"):
        ecdf(frame, invocations)


def test_failed_invocations_are_left_out(synthetic: StoredRun, invocations: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="no case has samples"):
        ecdf(of_workload(synthetic), invocations.assign(status="failed"))
    with pytest.raises(ValueError, match="no case has samples"):
        CHARTS["ecdf"].figure(of_workload(synthetic))


def test_several_workloads_are_refused_with_their_names(synthetic: StoredRun, invocations: pd.DataFrame) -> None:
    assert not CHARTS["ecdf"].suits(load(synthetic), [])
    with pytest.raises(ValueError, match=r"one workload; choose one of .*tiny_larq.tflite op 3, .* by --where"):
        ecdf(load(synthetic), invocations)


@pytest.mark.parametrize("factor", [1.0, 100.0])
def test_the_axis_is_logarithmic_only_when_it_must(
    synthetic: StoredRun, invocations: pd.DataFrame, factor: float
) -> None:
    frame = of_workload(synthetic).query("device == 'pi4' and engine == 'native'")
    spread = invocations.assign(
        samples_ns=[[*row, row[0] * factor] if row is not pd.NA else row for row in invocations["samples_ns"]]
    )
    assert ecdf(frame, spread).get_xscale() == ("log" if factor > 3 else "linear")


@pytest.mark.parametrize("name", ["$\\frac{", "a & b <script>", "\x00\x1b[31m", 'q" onload="x'])
def test_hostile_names_are_only_names(synthetic: StoredRun, invocations: pd.DataFrame, name: str) -> None:
    frame = of_workload(synthetic).query("device == 'pi4' and engine == 'native'")
    names = {"workload": name, "engine": name, "device": name}
    rows = invocations.query("device == 'pi4' and engine == 'native'").assign(**names)
    root = ET.fromstring(CHARTS["ecdf"].svg(frame.assign(**names), standalone=True, invocations=lambda: rows))  # noqa: S314
    assert not [element for element in root.iter() if element.tag.endswith("script")]
