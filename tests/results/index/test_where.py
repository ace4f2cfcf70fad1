"""Conditions: pandas decides, and what Arrow is told never loses a row that pandas would take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnbench.results.arrow_types import schema
from bnnbench.results.index.where import Where, where

COLUMNS = {"device": "string", "threads": "Int64", "latency_ns": "Float64", "emulated": "boolean", "kind": "string"}
VALUES: dict[str, list[Any]] = {
    "device": ["pi4", "pi5", "", None, "it's", 'a "b"', "ä"],
    "threads": [1, 2, 0, -1, None, 2**53, 2**53 + 1],
    "latency_ns": [0.0, 1.5, -0.0, 1e300, 0.1, None],
    "emulated": [True, False, None],
    "kind": ["kernel", "model", None],
}
ROWS = [
    {name: values[(place * step) % len(values)] for step, (name, values) in enumerate(VALUES.items(), 3)}
    for place in range(60)
]
FRAME = pd.DataFrame(
    {
        name: pd.Series([row[name] for row in ROWS], dtype=pd.StringDtype("python") if kind == "string" else kind)
        for name, kind in COLUMNS.items()
    }
)
TABLE = pa.table({name: [row[name] for row in ROWS] for name in COLUMNS}, schema=schema(COLUMNS)).append_column(
    "at", pa.array(np.arange(len(ROWS)))
)


def taken(condition: Where) -> tuple[set[int], set[int]]:
    """The rows that pandas takes, and those that Arrow lets through."""
    pandas = condition.rows(FRAME.assign(at=range(len(FRAME))))
    arrow = condition.about(COLUMNS)
    through = TABLE if arrow is None else TABLE.filter(arrow)
    return set(pandas["at"]), set(through["at"].to_pylist())


NAMES = st.sampled_from(sorted(COLUMNS))


@st.composite
def simple(draw: st.DrawFn) -> str:
    name = draw(NAMES)
    # Constants of other columns too: what pandas makes of those is its own affair.
    value = draw(st.sampled_from([item for items in VALUES.values() for item in items if item is not None]))
    form = draw(st.integers(0, 4))
    if form == 0:
        return f"{name}.isna()"
    if form == 1:
        return f"{name} in {draw(st.lists(st.sampled_from(VALUES[name]), max_size=3))!r}"
    if form == 2:
        return f"{name} not in {[value]!r}"
    if form == 3 and COLUMNS[name] == "boolean":
        return name
    return f"{name} {draw(st.sampled_from(['==', '!=', '<', '<=', '>', '>=']))} {value!r}"


CONDITIONS = st.recursive(
    simple(),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(" and ".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) or ({pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) & ({pair[1]})"),
        st.tuples(inner, inner, st.sampled_from(["and", "or", "&", "|"])).map(
            lambda part: f"{part[0]} {part[2]} {part[1]}"
        ),
        inner.map(lambda text: f"not {text}"),
        inner.map(lambda text: f"~({text})"),
        inner.map(lambda text: f"not ({text})"),
    ),
    max_leaves=6,
)


@given(CONDITIONS)
@settings(max_examples=400, deadline=None)
def test_arrow_loses_no_row_that_pandas_takes(text: str) -> None:
    try:
        pandas, arrow = taken(where(text, COLUMNS))
    except ValueError:
        return  # pandas does not compare these
    assert pandas <= arrow


@pytest.mark.parametrize(
    ("text", "names", "conjuncts"),
    [
        ("device == 'pi4' and threads > 1", {"device", "threads"}, 2),
        ("(device == 'pi4') & (threads in [1, 2])", {"device", "threads"}, 2),
        ("device == 'pi4' or kind.isna()", {"device", "kind"}, 1),
        ("not emulated", {"emulated"}, 1),
        ("device.str.startswith('pi') and threads == 1", {"device", "threads"}, 1),
        ("latency_ns * 2 > 3", {"latency_ns"}, 0),
        ("threads == 'one'", {"threads"}, 0),
        ("`device` == 'pi4'", set(COLUMNS), 0),
        ("threads == 9007199254740993", {"threads"}, 0),
    ],
)
def test_what_arrow_is_told(text: str, names: set[str], conjuncts: int) -> None:
    found = where(text, COLUMNS)
    assert found.names == names
    assert len(found.conjuncts) == conjuncts


def test_simple_conditions_are_told_whole() -> None:
    """Else the index would be read whole, which is right but slow."""
    for text in ("device == 'pi4'", "threads in [1, 2] and not emulated", "latency_ns >= 1.5 or kind != 'model'"):
        pandas, arrow = taken(where(text, COLUMNS))
        assert pandas == arrow, text


@pytest.mark.parametrize(
    "text",
    [
        "(device == 'pi4') and (kind == 'kernel') | (threads == 2)",
        "(device == 'pi4') | (kind == 'kernel') and (threads == 2)",
        "not (device == 'pi4') | (kind == 'kernel')",
        "~(device == 'pi4') | (kind == 'kernel')",
        "threads not in [1.5]",
        "threads in [1.5, 2.0]",
    ],
)
def test_operators_bind_as_with_pandas(text: str) -> None:
    pandas, arrow = taken(where(text, COLUMNS))
    assert pandas <= arrow
    assert pandas


def test_values_by_column() -> None:
    hostile = "`a` @b\n' or True or '"
    frame = pd.DataFrame({"device": pd.array([hostile, "pi4", None], dtype=pd.StringDtype("python"))})
    assert list(where({"device": hostile}, COLUMNS).rows(frame)["device"]) == [hostile]
    assert list(where({"device": ["pi4", "pi5"]}, COLUMNS).rows(frame)["device"]) == ["pi4"]
    assert where({"device": []}, COLUMNS).rows(frame).empty
    with pytest.raises(ValueError, match="there is no column 'devise'; the columns are device"):
        where({"devise": "pi4"}, COLUMNS)


@pytest.mark.parametrize("text", ["", "device ==", "no_such == 1", "__import__('os').system('true')", "1 +", "threads"])
def test_what_is_no_condition_is_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be used \(.*\); write it as \"device == 'pi4' and threads == 1\""):
        where(text, COLUMNS).rows(FRAME)
