"""Fronts and picks against brute force, the published zoo, and what is known of simple cases."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnbench.harness.cli.published import published_frame
from bnnbench.results import load
from bnnbench.results.columns import CASE_COLUMNS, build
from bnnbench.results.metrics import OBJECTIVES, USUAL
from bnnbench.results.models import choices, passed_over
from bnnbench.results.pareto import between_runs, pareto
from bnnbench.results.pick import pick
from bnnbench.results.store.stored_run import StoredRun

# Few values, so that ties and missing ones are common.
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "size_bytes": st.none() | st.integers(1, 4),
            "latency_ns": st.none() | st.sampled_from([1.0, 2.0, 3.5]),
            "accuracy": st.none() | st.sampled_from([0.0, 0.5, 0.9, 1.0]),
            "device": st.sampled_from(["a", "b"]),
        }
    ),
    max_size=12,
)
SUBSETS = [names for count in (1, 2, 3) for names in itertools.combinations(USUAL, count)]


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    known = {"kind": "model", "status": "ok", "engine": "native", "threads": 1, "dataset_sha256": "x", "run_id": "r"}
    return build(({**known, "workload": f"m{number}", **row} for number, row in enumerate(rows)), CASE_COLUMNS)


def beats(one: dict[str, Any], other: dict[str, Any], names: tuple[str, ...]) -> bool:
    better = False
    for name in names:
        objective = OBJECTIVES[name]
        mine, theirs = one[objective.column], other[objective.column]
        if not objective.smaller_is_better:
            mine, theirs = -mine, -theirs
        if mine > theirs:
            return False
        better = better or mine < theirs
    return better


@settings(deadline=None, max_examples=60)
@given(rows=ROWS, names=st.sampled_from(SUBSETS), across=st.booleans())
def test_fronts_are_those_of_brute_force(rows: list[dict[str, Any]], names: tuple[str, ...], across: bool) -> None:
    told = pareto(table(rows), names, across_devices=across)
    columns = [OBJECTIVES[name].column for name in names]
    for number, row in enumerate(rows):
        found = told["on_front"].iloc[number]
        if any(row[column] is None for column in columns):
            assert pd.isna(found)
            assert pd.isna(told["front_probability"].iloc[number])
            continue
        rivals = [
            other
            for other in rows
            if (across or other["device"] == row["device"]) and all(other[column] is not None for column in columns)
        ]
        beaten = any(beats(other, row, names) for other in rivals)
        assert bool(found) is not beaten
        by = told["beaten_by"].iloc[number]
        assert pd.isna(by) is not beaten
        if beaten:
            assert beats(rows[int(by[1:])], row, names)


BUDGETS = st.fixed_dictionaries(
    {
        "max_latency_ns": st.none() | st.sampled_from([0.5, 1.0, 2.0, 9.0]),
        "max_size_bytes": st.none() | st.sampled_from([0.0, 2.0, 3.0, 9.0]),
        "min_accuracy": st.none() | st.sampled_from([0.0, 0.5, 0.95, 1.0]),
    }
)


def _fits(row: dict[str, Any], budgets: dict[str, float | None], but: str | None = None) -> bool:
    limits = {
        "latency": ("latency_ns", budgets["max_latency_ns"], 1),
        "size": ("size_bytes", budgets["max_size_bytes"], 1),
        "accuracy": ("accuracy", budgets["min_accuracy"], -1),
    }
    return all(
        limit is None or name == but or (row[column] is not None and sign * row[column] <= sign * limit)
        for name, (column, limit, sign) in limits.items()
    )


def _order(row: dict[str, Any]) -> tuple[float, ...]:
    accuracy, latency, size = row["accuracy"], row["latency_ns"], row["size_bytes"]
    return (
        math.inf if accuracy is None else -accuracy,
        math.inf if latency is None else latency,
        math.inf if size is None else size,
    )


@settings(deadline=None, max_examples=200)
@given(rows=ROWS, budgets=BUDGETS)
def test_picks_are_those_of_brute_force(rows: list[dict[str, Any]], budgets: dict[str, float | None]) -> None:
    made = pick(table(rows), **budgets)
    fitting = [row for row in rows if _fits(row, budgets)]
    assert made.fitting == len(fitting)
    assert (made.best is None) is (not fitting)
    if made.best is not None:
        assert _order(rows[int(made.best["workload"][1:])]) == min(map(_order, fitting))
    for moved in made.moved:
        better = rows[int(moved.choice["workload"][1:])]
        assert _fits(better, budgets, but=moved.objective)
        assert not _fits(better, budgets)
        assert made.best is None or _order(better) < min(map(_order, fitting))
        column = OBJECTIVES[moved.objective].column
        sign = 1 if OBJECTIVES[moved.objective].smaller_is_better else -1
        asked = [
            sign * row[column]
            for row in rows
            if row[column] is not None
            and _fits(row, budgets, but=moved.objective)
            and not _fits(row, budgets)
            and (made.best is None or _order(row) < min(map(_order, fitting)))
        ]
        assert sign * moved.budget == min(asked)


def test_a_budget_may_be_used_up() -> None:
    rows = [{"size_bytes": 2, "latency_ns": 3.5, "accuracy": 0.9, "device": "a"}]
    budgets = {"max_latency_ns": 3.5, "max_size_bytes": 2.0, "min_accuracy": 0.9}
    made = pick(table(rows), **budgets)
    assert (made.fitting, made.moved) == (1, ())
    for name, tighter in (("max_latency_ns", 3.4), ("max_size_bytes", 1.9), ("min_accuracy", 0.91)):
        assert pick(table(rows), **{**budgets, name: tighter}).best is None


def zoo(device: str) -> pd.DataFrame:
    frame = published_frame()
    return frame[(frame["device"] == device) & (frame["threads"] == 1) & (frame["engine"] == "larq-compute-engine")]


@pytest.mark.parametrize(
    ("names", "front"),
    [
        (("latency", "accuracy"), {"QuickNetSmall", "QuickNet", "QuickNetLarge"}),
        (("size", "accuracy"), {"MeliusNet22", "QuickNet", "RealToBinaryNet", "QuickNetLarge"}),
    ],
)
def test_the_published_zoo_has_the_front_of_larqs_own_chart(names: tuple[str, ...], front: set[str]) -> None:
    told = pareto(zoo("Pixel 1"), names)
    assert set(told.loc[told["on_front"].fillna(False), "workload"]) == front
    assert len(told) == 13


def test_a_choice_is_the_newest_of_each_figure(family: StoredRun) -> None:
    everything = load(family)
    frame = everything[everything["accuracy"].notna()]
    older = frame.assign(created=frame["created"] - pd.Timedelta(days=1), latency_ns=1.0, accuracy=0.0)
    timed = frame.assign(accuracy=pd.NA, created=frame["created"] + pd.Timedelta(days=1))
    found = choices(pd.concat([timed, older, frame], ignore_index=True))
    assert len(found) == len(frame)
    assert (found["latency_ns"] > 1.0).all()
    assert found["accuracy"].min() > 0.8
    assert choices(frame.iloc[:0]).empty
    assert choices(frame.assign(status="failed")).empty


def test_a_newer_accuracy_of_fewer_images_does_not_replace_one_of_more(family: StoredRun) -> None:
    everything = load(family)
    frame = everything[everything["accuracy"].notna()]
    later = frame["created"] + pd.Timedelta(days=1)
    few = frame.assign(created=later, run_id="later", accuracy=0.5, accuracy_n=100, latency_ns=1.0)
    found = choices(pd.concat([frame, few], ignore_index=True))
    assert len(found) == len(frame)
    assert (found["latency_ns"] == 1.0).all()  # of that, the newest
    assert found["accuracy"].min() > 0.8
    row = {str(key): value for key, value in found.iloc[0].items()}
    told = passed_over(pd.concat([few, frame], ignore_index=True), row)
    assert told is not None
    assert [one.images for one in told] == [frame["accuracy_n"].iloc[0], 100]
    assert [one.run_id for one in told] == [frame["run_id"].iloc[0], "later"]
    assert passed_over(frame, row) is None
    # As many images: the newest. Another plan is another model: what is known of it alone.
    again = few.assign(accuracy_n=frame["accuracy_n"])
    assert (choices(pd.concat([frame, again], ignore_index=True))["accuracy"] == 0.5).all()
    retrained = few.assign(plan_sha256="f" * 64)
    both = pd.concat([frame, retrained], ignore_index=True)
    assert (choices(both)["accuracy"] == 0.5).all()
    assert passed_over(both, row) is None


def test_probabilities_say_how_sure_a_place_is() -> None:
    clear = table(
        [
            {"latency_ns": 1.0, "latency_low_ns": 0.99, "latency_high_ns": 1.01, "accuracy": 0.9, "accuracy_n": 10_000},
            {"latency_ns": 2.0, "latency_low_ns": 1.99, "latency_high_ns": 2.01, "accuracy": 0.8, "accuracy_n": 10_000},
        ]
    )
    assert list(pareto(clear, ("latency", "accuracy"))["front_probability"]) == [1.0, 0.0]
    close = clear.assign(accuracy=[0.9, 0.9], latency_ns=[1.0, 2.0])
    # The slower one is on the front when its accuracy is drawn higher, which is every second time.
    assert pareto(close, ("latency", "accuracy"))["front_probability"].iloc[1] == pytest.approx(0.5, abs=0.03)
    fewer = close.assign(accuracy=[0.9, 0.88], accuracy_n=[10_000, 100])
    many = close.assign(accuracy=[0.9, 0.88], accuracy_n=[10_000, 10_000])
    unsure, sure = (pareto(one, ("latency", "accuracy"))["front_probability"].iloc[1] for one in (fewer, many))
    # By the normal approximation: a difference of 0.02 with standard errors of 0.0326 and of 0.0044.
    assert unsure == pytest.approx(0.27, abs=0.04)
    assert sure < 0.005


def test_the_spread_between_runs_counts_and_may_be_unknown() -> None:
    near = table(
        [
            {"workload": "x", "latency_ns": 1.0, "latency_low_ns": 1.0, "latency_high_ns": 1.0, "size_bytes": 2},
            {"workload": "y", "latency_ns": 1.1, "latency_low_ns": 1.1, "latency_high_ns": 1.1, "size_bytes": 2},
        ]
    )
    alone = pareto(near, ("size", "latency"), history=near)
    assert alone["between_runs"].isna().all()
    assert list(alone["front_probability"]) == [1.0, 0.0]
    factors = (0.9, 1.0, 1.1)
    past = pd.concat([near.assign(latency_ns=near["latency_ns"] * factor) for factor in factors], ignore_index=True)
    told = pareto(near, ("size", "latency"), history=past)
    spread = float(np.std(np.log(factors), ddof=1))
    assert list(told["between_runs"]) == pytest.approx([spread, spread])
    assert list(between_runs(near, past)) == pytest.approx([spread, spread])
    # P(y < x) of two log-normals that are log(1.1) apart.
    expected = 0.5 * math.erfc(math.log(1.1) / (spread * math.sqrt(2)) / math.sqrt(2))
    assert told["front_probability"].iloc[1] == pytest.approx(expected, abs=0.03)


def test_accuracies_of_different_datasets_are_not_compared() -> None:
    rows = table([{"accuracy": 0.9, "size_bytes": 1}, {"accuracy": 0.5, "size_bytes": 2}])
    assert list(pareto(rows)["on_front"].isna()) == [True, True]
    names = ("size", "accuracy")
    assert list(pareto(rows, names)["on_front"]) == [True, False]
    assert list(pareto(rows.assign(dataset_sha256=["x", "y"]), names)["on_front"]) == [True, True]


def several_runs(run: StoredRun, count: int = 3) -> pd.DataFrame:
    """The same models in several runs, a day apart; the newest are the fastest."""
    frame = load(run)
    return pd.concat(
        [
            frame.assign(
                run_id=f"run{number}",
                created=frame["created"] + pd.Timedelta(days=number),
                latency_ns=frame["latency_ns"] / (1 + number),
            )
            for number in range(count)
        ],
        ignore_index=True,
    )


def test_a_device_has_one_front_over_its_runs(family: StoredRun) -> None:
    from bnnbench.results.charts.tradeoff import latency_accuracy
    from bnnbench.results.report.models import models

    frame = several_runs(family)
    axes = latency_accuracy(frame)
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["native", "lce", "workstation", "pi4"]
    fronts = [line for line in axes.get_lines() if len(np.asarray(line.get_xdata())) > 1]
    assert len(fronts) == 2
    section = models(frame, frame)
    assert section is not None
    assert {row.place for row in section.rows} == {"workstation", "pi4"}
    fastest = min(row.latency.order or 0.0 for row in section.rows)
    assert fastest == pytest.approx(float(frame["latency_ns"].min()))


def two_data_sets(run: StoredRun) -> pd.DataFrame:
    frame = load(run)
    other = frame.assign(
        run_id="other",
        created=frame["created"] + pd.Timedelta(days=1),
        accuracy=frame["accuracy"] / 2,
        accuracy_low=frame["accuracy_low"] / 2,
        accuracy_high=frame["accuracy_high"] / 2,
        dataset=frame["dataset"].where(frame["dataset"].isna(), "imagenet"),
        dataset_sha256=frame["dataset_sha256"].where(frame["dataset_sha256"].isna(), "e" * 64),
    )
    return pd.concat([frame, other], ignore_index=True)


def test_accuracies_of_two_data_sets_share_no_axis(family: StoredRun) -> None:
    from bnnbench.results.charts import CHARTS
    from bnnbench.results.charts.tradeoff import latency_accuracy
    from bnnbench.results.models import data_sets, of_data_set

    frame = two_data_sets(family)
    found = choices(frame)
    assert len(found[found["accuracy"].notna()]) == 2 * len(choices(load(family)).dropna(subset=["accuracy"]))
    with pytest.raises(ValueError, match="several data sets are not compared; choose one of fashion-mnist, imagenet"):
        latency_accuracy(frame)
    with pytest.raises(ValueError, match="several data sets are not compared; choose one of fashion-mnist, imagenet"):
        CHARTS["accuracy"].figure(frame)
    assert CHARTS["accuracy"].per_data_set
    assert not CHARTS["latency-accuracy"].suits(frame, ())
    assert CHARTS["size-latency"].suits(frame, ())
    for dataset, most in zip(data_sets(frame), (0.926, 0.463), strict=True):
        low, high = latency_accuracy(of_data_set(frame, dataset)).get_ylim()
        assert most - 0.1 < low < most < high


def test_a_published_accuracy_is_shown_beside_its_own_data_set_only(family: StoredRun) -> None:
    from bnnbench.results.charts.tradeoff import latency_accuracy

    measured = load(family)
    others = zoo("Pixel 1")
    low, _ = latency_accuracy(measured, published=others).get_ylim()
    assert low > 0.8
    same = measured.assign(dataset=measured["dataset"].where(measured["dataset"].isna(), "imagenet"))
    low, _ = latency_accuracy(same, published=others).get_ylim()
    assert low < 0.7


def test_a_model_file_that_was_replaced_is_no_choice_any_more(family: StoredRun) -> None:
    frame = load(family)
    smaller = frame.assign(size_bytes=frame["size_bytes"] - 1, created=frame["created"] + pd.Timedelta(days=1))
    assert len(choices(pd.concat([smaller, frame], ignore_index=True))) == len(choices(frame))
