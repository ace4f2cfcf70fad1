"""A directed graph without circles as boxes and lines: where each box stands, and how each line runs.

Boxes stand in rows by the longest way to them. The longest chain of all is one straight line; side branches, and lines
that pass boxes, take lanes to the right of it. Long charts are cut into columns, where the fewest lines are cut.
Pure geometry, in inches, y downwards.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import sqrt

BOX_WIDTH, BOX_HEIGHT = 2.5, 0.38
GAP = 0.22
"""Between rows: lines that are not straight run sideways in it."""
LANE = 0.16
"""Width of a lane that only lines take."""
_MARGIN = 0.3
_APART = 0.07
"""Between lines from the foot of a column to the head of another."""
_PORT = 0.3
"""Share of a box's width right of its middle, where lines that are not straight begin and end."""
_ASPECT = 1.3
"""Height of a chart of several columns over its width."""
_UNEVEN = 6.0
"""Lines that may be cut more, for a column of the usual length and not of twice as much."""

Point = tuple[float, float]
Edge = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """`boxes` are middles, by the number of the node; `lines` lead from box to box, in the order of the edges."""

    boxes: tuple[Point, ...]
    lines: tuple[tuple[Point, ...], ...]
    width: float
    height: float


def laid_out(count: int, edges: Sequence[Edge]) -> Layout:
    """Nodes are 0 to count - 1, and each edge leads from a lower to a higher number: else ValueError."""
    if any(not 0 <= a < b < count for a, b in edges):
        raise ValueError("an edge leads backwards, or to no node")
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        before[b].append(a)
        after[a].append(b)
    rows = _rows(before, after)
    lanes, passes = _lanes(rows, edges, before)
    return _Placing(rows, lanes, passes, edges).layout()


def _rows(before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> list[int]:
    rows: list[int] = []
    for sources in before:
        rows.append(max((rows[source] + 1 for source in sources), default=0))
    for node in range(len(rows) - 1, -1, -1):  # what needs nothing stands right above what needs it first
        if after[node] and not before[node]:
            rows[node] = min(rows[later] for later in after[node]) - 1
    return rows


def _lanes(
    rows: Sequence[int], edges: Sequence[Edge], before: Sequence[Sequence[int]]
) -> tuple[list[int], list[int | None]]:
    """Of each node its lane, 0 for the straight line, and of each edge the lane in which it passes boxes."""
    straight = _longest_chain(rows, before)
    lanes = [0] * len(rows)
    boxes: dict[int, list[int]] = {}
    for row, node in sorted((rows[node], node) for node in range(len(rows)) if node not in straight):
        near = [lanes[source] for source in before[node] if lanes[source]]
        lane = next(lane for lane in (*near, *range(1, len(rows) + 1)) if boxes.get(lane, [])[-1:] != [row])
        boxes.setdefault(lane, []).append(row)
        lanes[node] = lane
    passes: list[int | None] = [None] * len(edges)
    ends: dict[int, int] = {}
    long = [(rows[a] + 1, rows[b] - 1, number) for number, (a, b) in enumerate(edges) if rows[b] - rows[a] > 1]
    for first, last, number in sorted(long):
        lane = 1
        while ends.get(lane, -1) >= first or _any_between(boxes.get(lane, []), first, last):
            lane += 1
        ends[lane] = last
        passes[number] = lane
    return lanes, passes


def _any_between(ordered: Sequence[int], first: int, last: int) -> bool:
    place = bisect_left(ordered, first)
    return place < len(ordered) and ordered[place] <= last


def _longest_chain(rows: Sequence[int], before: Sequence[Sequence[int]]) -> set[int]:
    """A node of each row down to the last, each needed by the next."""
    node: int | None = max(range(len(rows)), key=lambda each: (rows[each], -each), default=None)
    chain = set()
    while node is not None:
        chain.add(node)
        node = next((source for source in before[node] if rows[source] == rows[node] - 1), None)
    return chain


class _Placing:
    """Rows and lanes become inches."""

    def __init__(
        self, rows: Sequence[int], lanes: Sequence[int], passes: Sequence[int | None], edges: Sequence[Edge]
    ) -> None:
        self.rows, self.lanes, self.passes, self.edges = rows, lanes, passes, edges
        total = max(rows, default=0) + 1
        self.firsts = _columns(total, rows, edges)
        self.column = [sum(first <= row for first in self.firsts) - 1 for row in range(total)]
        self.crossing = self._places()
        most = max(self.crossing.values(), default=-1) + 1
        self.margin = _MARGIN + _APART * most
        self.head = _MARGIN / 2 + GAP / 2 + _APART * most
        lengths = [end - first for first, end in zip(self.firsts, [*self.firsts[1:], total], strict=True)]
        self.foot = self.head + max(lengths) * (BOX_HEIGHT + GAP) - GAP
        self.lefts: list[float] = []
        self.middles: list[dict[int, float]] = []
        at = self.margin
        for number in range(len(self.firsts)):
            self.lefts.append(at)
            self.middles.append({})
            at = self._lanes_of(number, at) + self.margin
        self.width = at

    def _places(self) -> dict[int, int]:
        """Of each line to another column a place among those that it would run into below and between columns."""
        places: dict[int, int] = {}
        taken: set[tuple[int, int]] = set()
        for number, (a, b) in enumerate(self.edges):
            gaps = range(self.column[self.rows[a]], self.column[self.rows[b]])
            if gaps:
                place = next(p for p in range(len(self.edges)) if not any((gap, p) in taken for gap in gaps))
                taken |= {(gap, place) for gap in gaps}
                places[number] = place
        return places

    def _lanes_of(self, column: int, at: float) -> float:
        """Notes the middles of a column's lanes; its right end."""
        boxes = {lane for lane, row in zip(self.lanes, self.rows, strict=True) if self.column[row] == column}
        lines = {
            lane
            for lane, (a, b) in zip(self.passes, self.edges, strict=True)
            if lane is not None and self.column[self.rows[a]] <= column <= self.column[self.rows[b]]
        }
        for lane in range(max(boxes | lines, default=0) + 1):
            width = BOX_WIDTH if lane in boxes else LANE
            self.middles[column][lane] = at + width / 2
            at += width + (LANE / 2 if lane in boxes else 0)
        return at

    def layout(self) -> Layout:
        """All of it."""
        boxes = tuple(self.box(node) for node in range(len(self.rows)))
        lines = tuple(tuple(self._line(number, *edge)) for number, edge in enumerate(self.edges))
        return Layout(boxes, lines, self.width, self.foot + self.head)

    def box(self, node: int) -> Point:
        """Its middle."""
        row = self.rows[node]
        return self.middles[self.column[row]][self.lanes[node]], self.y(row)

    def y(self, row: int) -> float:
        """The middle of a row."""
        return self.head + (row - self.firsts[self.column[row]]) * (BOX_HEIGHT + GAP) + BOX_HEIGHT / 2

    def _line(self, number: int, a: int, b: int) -> Iterator[Point]:
        (ax, ay), (bx, by), lane = self.box(a), self.box(b), self.passes[number]
        leaves, enters = ay + BOX_HEIGHT / 2, by - BOX_HEIGHT / 2
        is_straight = lane is None and self.lanes[a] == self.lanes[b]
        from_x = ax if lane is None and self.lanes[a] >= self.lanes[b] else ax + _PORT * BOX_WIDTH
        to_x = bx if lane is None and self.lanes[a] <= self.lanes[b] else bx + _PORT * BOX_WIDTH
        yield from_x, leaves
        if number in self.crossing:
            yield from self._around(number, a, b, from_x, to_x)
        elif lane is not None:
            x = self.middles[self.column[self.rows[a]]][lane]
            below, above = leaves + 0.3 * GAP, enters - 0.4 * GAP
            yield from ((from_x, below), (x, below), (x, above), (to_x, above))
        elif not is_straight:
            between = enters - 0.4 * GAP if self.lanes[a] > self.lanes[b] else leaves + 0.3 * GAP
            yield from ((from_x, between), (to_x, between))
        yield to_x, enters

    def _around(self, number: int, a: int, b: int, from_x: float, to_x: float) -> Iterator[Point]:
        """From one column to another: below all columns, up between two, and in from above."""
        place, lane = self.crossing[number], self.passes[number]
        first, last = self.column[self.rows[a]], self.column[self.rows[b]]
        foot, head = self.foot + GAP / 2 + place * _APART, self.head - GAP / 2 - place * _APART
        x = from_x
        is_last = self.rows[a] + 1 == (self.firsts[first + 1] if first + 1 < len(self.firsts) else 0)
        if lane is not None and not is_last:
            x = self.middles[first][lane]
            below = self.box(a)[1] + BOX_HEIGHT / 2 + 0.3 * GAP
            yield from ((from_x, below), (x, below))
        between = self.lefts[last] - _MARGIN / 2 - place * _APART
        yield from ((x, foot), (between, foot), (between, head))
        if lane is not None and self.rows[b] != self.firsts[last]:
            x = self.middles[last][lane]
            above = self.box(b)[1] - BOX_HEIGHT / 2 - 0.4 * GAP
            yield from ((x, head), (x, above), (to_x, above))
        else:
            yield to_x, head


def _columns(total: int, rows: Sequence[int], edges: Sequence[Edge]) -> list[int]:
    """First rows of columns of about one length, cut where few lines are cut."""
    many = max(1, round(sqrt(total * (BOX_HEIGHT + GAP) / (BOX_WIDTH + _MARGIN + 2 * LANE) / _ASPECT)))
    usual = total / many
    changes = [0] * (total + 1)
    for a, b in edges:
        changes[rows[a] + 1] += 1
        changes[min(rows[b] + 1, total)] -= 1
    cut = [*accumulate(changes)]
    # Of each row the least cost at which a column ends above it, and where this column begins.
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for number in range(1, many + 1):
        ends = [total] if number == many else range(1, total)
        best.append({})
        for end in ends:
            choices = [
                (cost + ((end - first) / usual - 1) ** 2 * _UNEVEN, first)
                for first, (cost, _) in best[number - 1].items()
                if 0 < end - first <= 2 * usual
            ]
            if choices:
                cost, first = min(choices)
                best[number][end] = (cost + (cut[end] if end < total else 0), first)
    firsts, end = [], total
    for number in range(many, 0, -1):
        end = best[number][end][1]
        firsts.append(end)
    return firsts[::-1]
