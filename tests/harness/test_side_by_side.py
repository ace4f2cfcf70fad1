"""The same ops in engines that fuse them differently."""

from __future__ import annotations

from bnnbench.harness.tasks.side_by_side import OpGroup, side_by_side

NAMES = ("CONV_2D", "LceQuantize", "LceBconv2d", "ADD", "SOFTMAX")


def test_groups_are_as_small_as_every_engine_allows() -> None:
    native = [((0, 1), 10.0), ((2, 3), 20.0), ((4,), 1.0)]
    apart = [((op,), float(op + 1)) for op in range(5)]
    assert side_by_side(NAMES, [native, apart]) == [
        OpGroup("op0 CONV_2D + LceQuantize", (0, 1), (10.0, 3.0)),
        OpGroup("op2 LceBconv2d + ADD", (2, 3), (20.0, 7.0)),
        OpGroup("op4 SOFTMAX", (4,), (1.0, 5.0)),
    ]


def test_overlapping_fusions_are_one_group() -> None:
    first, second = [((0, 1), 1.0), ((2, 3), 2.0)], [((1, 2), 4.0), ((0,), 8.0), ((3,), 16.0)]
    (group,) = side_by_side(NAMES, [first, second])
    assert group.ops == (0, 1, 2, 3)
    assert group.times_ns == (3.0, 28.0)


def test_ops_without_a_time_and_times_without_an_op() -> None:
    native, other = [((0,), 1.0), ((), 99.0)], [((0,), 2.0), ((4,), 3.0), ((), 77.0)]
    assert [(group.ops, group.times_ns) for group in side_by_side(NAMES, [native, other])] == [
        ((0,), (1.0, 2.0)),
        ((4,), (None, 3.0)),
    ]


def test_ops_in_any_order_of_a_row() -> None:
    (group,) = side_by_side(NAMES, [[((3, 0, 2), 5.0)]])
    assert group.ops == (0, 2, 3)
    assert group.name == "op0 CONV_2D + LceBconv2d + ADD"
