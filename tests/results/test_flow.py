"""Charts of models: boxes and lines that keep apart, and files that repeat byte for byte."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnbench.results.charts.flow import FORMATS, MOST_BOXES, Box, draw, save
from bnnbench.results.charts.flow_layout import BOX_HEIGHT, BOX_WIDTH, Edge, Layout, laid_out

pytestmark = pytest.mark.timeout(60)
BLOCK = [(0, 1), (1, 2), (2, 3), (0, 3)]


def residual(blocks: int) -> tuple[int, list[Edge]]:
    """A chain of blocks of three, each with a line around it."""
    return 3 * blocks + 1, [(3 * n + a, 3 * n + b) for n in range(blocks) for a, b in BLOCK]


@st.composite
def graphs(draw_: st.DrawFn) -> tuple[int, list[Edge]]:
    count = draw_(st.integers(1, 40))
    edges = set()
    for b in range(1, count):
        for back in draw_(st.sets(st.integers(1, min(b, 6)), max_size=3)):
            edges.add((b - back, b))
    return count, sorted(edges)


def inside(layout: Layout) -> list[str]:
    """What is wrong: boxes that overlap, lines that go through boxes they do not belong to, or leave the chart."""
    wrong = []
    for n, (x, y) in enumerate(layout.boxes):
        if not (BOX_WIDTH / 2 <= x <= layout.width - BOX_WIDTH / 2):
            wrong.append(f"box {n} is out of the chart")
        for m, (other_x, other_y) in enumerate(layout.boxes[:n]):
            if abs(x - other_x) < BOX_WIDTH and abs(y - other_y) < BOX_HEIGHT:
                wrong.append(f"boxes {m} and {n} overlap")
    for number, line in enumerate(layout.lines):
        for (ax, ay), (bx, by) in pairwise(line):
            if ax != bx and ay != by:
                wrong.append(f"line {number} is oblique")
            if min(ax, bx, ay, by) < 0 or max(ax, bx) > layout.width or max(ay, by) > layout.height:
                wrong.append(f"line {number} leaves the chart")
            for n, (x, y) in enumerate(layout.boxes):
                hits_x = min(ax, bx) < x + BOX_WIDTH / 2 - 1e-9 and max(ax, bx) > x - BOX_WIDTH / 2 + 1e-9
                hits_y = min(ay, by) < y + BOX_HEIGHT / 2 - 1e-9 and max(ay, by) > y - BOX_HEIGHT / 2 + 1e-9
                if hits_x and hits_y:
                    wrong.append(f"line {number} goes through box {n}")
    return wrong


@settings(max_examples=40, deadline=None, derandomize=True)
@given(graphs())
def test_nothing_overlaps(graph: tuple[int, list[Edge]]) -> None:
    count, edges = graph
    layout = laid_out(count, edges)
    assert len(layout.boxes) == count
    assert len(layout.lines) == len(edges)
    assert inside(layout) == []
    for (a, b), line in zip(edges, layout.lines, strict=True):
        for node, (x, y), side in ((a, line[0], 1), (b, line[-1], -1)):
            assert abs(x - layout.boxes[node][0]) < BOX_WIDTH / 2
            assert y == pytest.approx(layout.boxes[node][1] + side * BOX_HEIGHT / 2)


@pytest.mark.parametrize("blocks", [1, 20, 60])
def test_residual_networks_are_one_straight_line_in_columns_of_like_length(blocks: int) -> None:
    layout = laid_out(*residual(blocks))
    assert inside(layout) == []
    columns = {x: [y for other, y in layout.boxes if other == x] for x, _ in layout.boxes}
    lengths = [len(column) for column in columns.values()]
    assert max(lengths) <= 1.5 * min(lengths) or blocks == 1
    assert 0.3 < layout.width / layout.height < 1.6 or blocks == 1


def test_a_large_chart_is_laid_out_in_seconds() -> None:
    started = time.monotonic()
    laid_out(*residual(MOST_BOXES // 3))
    last = MOST_BOXES - 1
    laid_out(MOST_BOXES, [(n, n + 1) for n in range(last)] + [(n, last) for n in range(last - 1)])
    assert time.monotonic() - started < 10


def test_what_is_no_graph_or_too_large_is_refused() -> None:
    for edges in ([(1, 0)], [(0, 0)], [(0, 2)], [(-1, 1)]):
        with pytest.raises(ValueError, match="backwards"):
            laid_out(2, edges)
    with pytest.raises(ValueError, match="too many"):
        draw([Box("a", "", "float")] * (MOST_BOXES + 1), [], "m", "", "")
    assert laid_out(0, []).boxes == ()


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_same_model_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    count, edges = residual(3)
    boxes = [Box(f"{n}  ADD $x$ <&", "1x1", ("binary", "int8", "float", "end")[n % 4], n / 100) for n in range(count)]
    files = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for file in files:
        save(draw(boxes, edges, "m\x1b.tflite", "3 ops", "work"), file, "m\x1b.tflite")
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].stat().st_size > 1000
