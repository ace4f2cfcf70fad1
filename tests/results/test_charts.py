"""Charts: nothing overlaps, colours mean engines, and the same frame gives the same SVG."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from bnnbench.results.charts import CHARTS, MODULES, style
from bnnbench.results.charts.chart import Chart
from bnnbench.results.charts.labels import Label, place
from bnnbench.results.charts.latency import latency_per_workload
from bnnbench.results.charts.roofline import roofline
from bnnbench.results.charts.throughput import gops_by_size
from bnnbench.results.frames import load
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Peak
from bnnbench.results.store.stored_run import StoredRun

WIDTHS = (9.2, 3.7)
OF_METRICS = {metric.slug: metric for metric in METRICS.values() if metric.slug not in MODULES}
OF_KERNELS = ("latency", "throughput", "roofline", *OF_METRICS)
OF_RUNS = tuple(name for name in CHARTS if name not in ("history", "ecdf", "sustained"))
"""Drawn of one run's cases; the others have tests of their own (test_history.py, test_ecdf.py)."""
OF_MODELS = tuple(name for name in OF_RUNS if name not in OF_KERNELS)


@pytest.fixture
def runs(synthetic: StoredRun, family: StoredRun) -> dict[str, StoredRun]:
    """Chart -> a run that it suits."""
    return {**dict.fromkeys(OF_KERNELS, synthetic), **dict.fromkeys(OF_MODELS, family)}


def shown(run: StoredRun, name: str) -> pd.DataFrame:
    """What the report draws a chart of first: everything, or the first device. A metric that the run has not has
    figures made of latencies."""
    frame = load(run)
    if name in OF_METRICS and frame[OF_METRICS[name].column].isna().all():
        figures = frame["latency_ns"].round()
        frame[OF_METRICS[name].column] = figures / figures.max() if OF_METRICS[name].in_points else figures
    return frame[frame["device"] == frame["device"].iloc[0]] if CHARTS[name].per_device else frame


def outline(svg: str) -> str:
    """What a reader sees, without coordinates: they change with every version of matplotlib."""
    root = ET.fromstring(svg)  # noqa: S314
    name = "{http://www.w3.org/2000/svg}"
    texts = [f"text {text.text}" for text in root.iter(f"{name}text")]
    marks: dict[str, int] = {}
    for mark in root.iter(f"{name}use"):
        colour = re.search(r"fill: var\(--chart-(\w+)", mark.get("style", ""))
        if colour:
            marks[colour[1]] = marks.get(colour[1], 0) + 1
    return "\n".join([*texts, *(f"marks {colour} {count}" for colour, count in sorted(marks.items()))]) + "\n"


@pytest.mark.parametrize("name", OF_RUNS)
def test_snapshots(runs: dict[str, StoredRun], snapshot: Callable[[str, str], None], name: str) -> None:
    run = runs[name]
    for width, suffix in zip(WIDTHS, ("wide", "narrow"), strict=True):
        svg = CHARTS[name].svg(shown(run, name), run.peaks, width)
        snapshot(f"chart-{name}-{suffix}.txt", outline(svg))


@pytest.mark.parametrize("name", OF_RUNS)
def test_the_same_frame_gives_the_same_svg(runs: dict[str, StoredRun], name: str) -> None:
    run = runs[name]
    frame = shown(run, name)
    with mpl.rc_context({"font.size": 20, "svg.fonttype": "path", "text.usetex": False}):
        first = CHARTS[name].svg(frame, run.peaks)
    assert CHARTS[name].svg(frame, run.peaks) == first
    assert "dc:date" not in first
    assert mpl.__version__ not in first


@pytest.mark.parametrize("name", OF_RUNS)
def test_an_svg_is_right_on_light_and_dark_pages(runs: dict[str, StoredRun], name: str) -> None:
    run = runs[name]
    svg = CHARTS[name].svg(shown(run, name), run.peaks)
    bare = re.sub(r"var\(--chart-\w+, #[0-9a-f]{6}\)", "", svg)
    assert not re.findall(r"#[0-9a-f]{6}\b", bare), "every colour is a variable"
    assert "<style" not in svg
    alone = CHARTS[name].svg(shown(run, name), run.peaks, standalone=True)
    assert "prefers-color-scheme: dark" in alone
    ET.fromstring(alone)  # noqa: S314


def test_a_chart_can_be_put_in_the_table_and_taken_out() -> None:
    charts = type(CHARTS)({})
    charts["mine"] = CHARTS["latency"]
    assert isinstance(charts["mine"], Chart)
    assert list(charts) == ["mine"]
    del charts["mine"]
    assert len(charts) == 0


def test_a_row_has_the_name_of_its_chart() -> None:
    assert {name: chart.name for name, chart in CHARTS.items()} == {name: name for name in CHARTS}


def test_ids_of_two_charts_differ(synthetic: StoredRun) -> None:
    frame = load(synthetic)
    ids = [set(re.findall(r'\bid="([^"]+)"', CHARTS["latency"].svg(frame, name=name))) for name in ("one", "two")]
    assert ids[0]
    assert not ids[0] & ids[1]
    svg = CHARTS["latency"].svg(frame, name="one")
    for target in re.findall(r"url\(#([^)]+)\)", svg) + re.findall(r'href="#([^"]+)"', svg):
        assert target in ids[0]


def many(frame: pd.DataFrame, workloads: int, devices: int) -> pd.DataFrame:
    """`workloads` long names on `devices` devices, with two engines."""
    pair = frame.query("device == 'pi4' and workload == 'tiny_larq.tflite op 3'")
    rows = [
        pair.assign(
            workload=f"a_customer_model_with_a_long_name_v{index}_quantised.tflite op {index * 7}",
            device=f"device-number-{device}",
            latency_ns=pair["latency_ns"] * (1 + index) * 3**device,
            latency_low_ns=pair["latency_low_ns"] * (1 + index) * 3**device,
            latency_high_ns=pair["latency_high_ns"] * (1 + index) * 3**device,
            macs_1bit=pair["macs_1bit"] * (1 + index),
        )
        for index in range(workloads)
        for device in range(devices)
    ]
    return pd.concat(rows, ignore_index=True)


def boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    # Matplotlib keeps ticks beyond the axis, and does not draw them.
    for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
        low, high = sorted(axis.get_view_interval())
        beyond = [tick for tick in (*axis.majorTicks, *axis.minorTicks) if not low <= tick.get_loc() <= high]
        hidden = {id(label) for tick in beyond for label in (tick.label1, tick.label2)}
        texts = [text for text in texts if id(text) not in hidden]
    return [
        (
            text.get_text(),
            # An annotation's extent includes its leader, which may touch what it leads to.
            Text.get_window_extent(text, renderer)
            if isinstance(text, Annotation)
            else text.get_window_extent(renderer),
        )
        for text in texts
        if text.get_visible() and text.get_text()
    ]


def assert_readable(figure: Figure) -> None:
    found = boxes(figure)
    assert len(found) > 4
    whole = figure.bbox
    for index, (name, box) in enumerate(found):
        assert box.x0 >= whole.x0 - 1, name
        assert box.x1 <= whole.x1 + 1, name
        assert box.y0 >= whole.y0 - 1, name
        assert box.y1 <= whole.y1 + 1, name
        for other, touched in found[index + 1 :]:
            meets = Bbox.intersection(box.padded(-0.5), touched.padded(-0.5))
            assert meets is None, f"{name!r} meets {other!r}"


@pytest.mark.parametrize("width", [2.2, 3.3, 3.7, 9.2])
@pytest.mark.parametrize("letter", ["a", "W", "国"])
@pytest.mark.filterwarnings("ignore:Glyph")
def test_a_legend_lies_inside_its_figure(runs: dict[str, StoredRun], width: float, letter: str) -> None:
    """However long the names of engines and devices are, and wherever the axes begin."""
    for name in ("latency", "throughput", "size-latency", "latency-accuracy"):
        frame = shown(runs[name], name)
        devices = {device: f"{letter * 30}-{device}" for device in frame["device"].unique()}
        engines = {engine: f"{engine}-{letter * 30}" for engine in frame["engine"].unique()}
        frame = frame.assign(device=frame["device"].map(devices), engine=frame["engine"].map(engines))
        frame = pd.concat([frame, frame.assign(threads=16)], ignore_index=True)
        figure = CHARTS[name].figure(frame, (), width)
        legend = figure.axes[0].get_legend()
        assert legend is not None
        box, whole = legend.get_window_extent(), figure.bbox
        assert len(legend.get_texts()) == 6
        assert box.x0 >= whole.x0
        assert box.x1 <= whole.x1
        assert box.y1 <= whole.y1 + 1
        assert box.y0 >= figure.axes[0].get_window_extent().y1 - 1, "it covers no figures"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("workloads", "devices"), [(1, 1), (40, 1), (40, 2), (5, 4)])
def test_labels_do_not_overlap(synthetic: StoredRun, width: float, workloads: int, devices: int) -> None:
    frame = many(load(synthetic), workloads, devices)
    roofs = [
        Peak(device=f"device-number-{device}", isa=isa, popcount_gops=gops * (1 + device / 20))
        for device in range(devices)
        for isa, gops in (("avx512", 70.0), ("avx2", 68.0))
    ]
    assert_readable(CHARTS["throughput"].figure(frame, roofs, width))
    assert_readable(CHARTS["latency"].figure(frame, roofs, width))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_synthetic_charts_are_readable(runs: dict[str, StoredRun], width: float) -> None:
    for name, chart in ((name, CHARTS[name]) for name in OF_RUNS):
        frame = shown(runs[name], name)
        assert chart.suits(frame, runs[name].peaks)
        assert_readable(chart.figure(frame, runs[name].peaks, width))


READS = {"l1": 100.0, "l2": 90.0, "llc": 40.0, "dram": 8.0}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("workloads", [1, 40])
def test_rooflines_are_readable(synthetic: StoredRun, width: float, workloads: int) -> None:
    frame = many(load(synthetic), workloads, 1)
    roofs = [
        Peak(device="device-number-0", isa="avx512", popcount_gops=700.0, read_gb_s=dict(READS)),
        Peak(device="device-number-0", isa="avx2", popcount_gops=120.0, read_gb_s=dict.fromkeys(READS, 1.0)),
    ]
    figure = CHARTS["roofline"].figure(frame, roofs, width)
    assert_readable(figure)
    texts = [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]
    assert {"avx512 700 GOPS", "avx2 120 GOPS", "L1, L2 100 GB/s", "LLC 40 GB/s", "DRAM 8 GB/s"} <= set(texts)


def test_layers_of_floats_have_a_roof_of_their_own(synthetic: StoredRun) -> None:
    frame = shown(synthetic, "roofline")
    roofs = [Peak(device="pi4", isa="neon", popcount_gops=50.0, fma_gflops=9.5, read_gb_s=dict(READS))]
    frame = frame.assign(device="pi4")

    def lines(frame: pd.DataFrame) -> set[float]:
        heights = [line.get_data()[1] for line in roofline(frame, roofs).lines]
        return {float(ys[0]) for ys in heights if len(ys) == 2 and ys[0] == ys[1]}

    assert lines(frame) == {50.0}
    assert lines(frame.assign(macs_32bit=frame["macs_1bit"], macs_1bit=pd.NA)) == {50.0, 9.5}


@pytest.mark.parametrize("width", [2.0, 152 / 72, 2.2, 40.0])
def test_a_roofline_of_any_width_is_drawn(synthetic: StoredRun, width: float) -> None:
    figure = CHARTS["roofline"].figure(shown(synthetic, "roofline"), synthetic.peaks, width)
    low, high = figure.axes[0].get_xlim()
    assert 0 < low < high < 1e9


def test_dots_stand_under_their_roofs(synthetic: StoredRun) -> None:
    """At 2 * macs / bytes, and the lines at what was measured."""
    frame = shown(synthetic, "roofline")
    frame = frame[frame["engine"] == "native"]
    ax = roofline(frame, synthetic.peaks)
    dots = {tuple(float(v[0]) for v in line.get_data()) for line in ax.lines if line.get_marker() == "o"}
    expected = {
        (2 * row["macs_1bit"] / row["bytes_moved"], row["gops"])
        for row in frame[frame["gops"].notna()].to_dict("records")
    }
    for dot, right in zip(sorted(dots), sorted(expected), strict=True):
        assert dot == pytest.approx(right)
    sloping = [line.get_data() for line in ax.lines if line.get_marker() != "o" and len(set(line.get_data()[1])) == 2]
    peak = next(one for one in synthetic.peaks if one.device == frame["device"].iloc[0])
    assert peak.read_gb_s
    for (x, y), bandwidth in zip(sloping, peak.read_gb_s.values(), strict=True):
        assert y / x == pytest.approx(bandwidth)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda frame: frame, "it shows one device; choose one of pi4, workstation by --where"),
        (lambda frame: frame[frame["device"] == "nowhere"], "no kernel was timed with one thread"),
        (lambda frame: frame[frame["device"] == "pi4"].assign(device="other"), "no roof was measured on other"),
    ],
)
def test_a_roofline_that_cannot_be_drawn(
    synthetic: StoredRun, change: Callable[[pd.DataFrame], pd.DataFrame], sentence: str
) -> None:
    frame = change(load(synthetic))
    assert not CHARTS["roofline"].suits(frame, synthetic.peaks)
    with pytest.raises(ValueError, match=sentence):
        roofline(frame, synthetic.peaks)


def test_the_axis_is_logarithmic_only_when_it_must(synthetic: StoredRun) -> None:
    frame = load(synthetic)
    assert latency_per_workload(frame).get_xscale() == "log"
    near = frame[frame["workload"].str.contains("56x56") & (frame["device"] == "pi4")]
    assert latency_per_workload(near).get_xscale() == "linear"
    assert gops_by_size(near).get_yscale() == "linear"


def test_axes_that_are_given_are_drawn_on(synthetic: StoredRun) -> None:
    axes = Figure().subplots(2)
    assert latency_per_workload(load(synthetic), axes[0]) is axes[0]
    assert gops_by_size(load(synthetic), synthetic.peaks, axes[1]) is axes[1]


def test_roofs_of_other_devices_are_left_out(synthetic: StoredRun) -> None:
    frame = load(synthetic)
    axes = gops_by_size(frame[frame["device"] == "pi4"], synthetic.peaks)
    roofs = [text.get_text() for text in axes.texts]
    assert roofs == ["neon\n67.1 GOPS"]


def test_nothing_to_draw_is_an_error(synthetic: StoredRun) -> None:
    frame = load(synthetic)
    with pytest.raises(ValueError, match="no case has a time"):
        latency_per_workload(frame[frame["status"] != "ok"])
    with pytest.raises(ValueError, match="no case has a throughput"):
        gops_by_size(frame[frame["status"] != "ok"])


@pytest.mark.parametrize("name", ["$\\frac{", "a & b <script>", "日本語のモデル", "\x00\x1b[31m", 'q" onload="x'])
@pytest.mark.filterwarnings("error")
def test_hostile_names_are_only_names(synthetic: StoredRun, family: StoredRun, name: str) -> None:
    frame = load(synthetic).query("device == 'pi4'").head(4).copy()
    frame["workload"] = name
    frame["device"] = name
    frame["engine"] = ["native", name, "numba", "numba"]
    frame.loc[frame.index[3], "latency_ns"] = pd.NA
    frame = frame.assign(**{metric.column: frame["latency_ns"] / 1e9 for metric in OF_METRICS.values()})
    models = load(family).query("device == 'pi4' and engine == 'native'").head(4).copy()
    models["workload"] = [name, "other", name + "2", "third"]
    models["device"] = name
    for chart in (CHARTS[name] for name in OF_RUNS):
        rows = models if chart.name in OF_MODELS else frame
        svg = chart.svg(rows, [Peak(device=name, isa=name, popcount_gops=70.0)], standalone=True)
        root = ET.fromstring(svg)  # noqa: S314
        assert not [element for element in root.iter() if element.tag.endswith("script")]


@pytest.mark.parametrize("width", [9.2, 3.3])
@pytest.mark.parametrize("name", OF_MODELS)
def test_models_beside_published_figures_are_readable(family: StoredRun, name: str, width: float) -> None:
    from bnnbench.harness.cli.published import published_frame

    everything = published_frame()
    others = everything[(everything["device"] == "Pixel 1") & (everything["threads"] == 1)]
    assert_readable(CHARTS[name].figure(load(family), (), width, others))
    assert_readable(CHARTS[name].figure(load(family).iloc[:0], (), width, others))


def test_names_that_find_no_place_are_left_out() -> None:
    axes = Figure(figsize=(3, 3)).subplots()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    crowd = [Label(0.5 + index / 1000, 0.5, 4.0, f"name number {index}") for index in range(60)]
    left_out = place(axes, crowd)
    assert 0 < len(left_out) < 60
    assert crowd[0].text not in left_out


def test_an_engine_has_its_colour_whatever_else_is_there() -> None:
    alone = style.colours(["native"])["native"]
    assert style.colours(["mine", "numba", "native"])["native"] == alone
    several = style.colours([f"engine-{index}" for index in range(6)] + ["native", "native avx2"])
    assert len({colour.role for name, colour in several.items() if name != "native"}) == 7
    assert several["native"] == alone


def _luminance(colour: str) -> float:
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [*style.ENGINES.values(), *style.OTHERS, style.INK, style.MUTED, style.ALARM])
def test_colours_stand_out_on_both_pages(colour: style.Colour) -> None:
    least = 4.5 if colour in (style.INK, style.MUTED, style.ALARM) else 3.0
    assert _contrast(colour.light, style.SURFACE.light) >= least
    assert _contrast(colour.dark, style.SURFACE.dark) >= least
