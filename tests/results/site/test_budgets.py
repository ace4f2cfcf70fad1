"""The models page's data: groups that can be compared, and budgets of sliders."""

from __future__ import annotations

import pandas as pd
import pytest

from bnnbench.results.frames import load
from bnnbench.results.metrics import METRICS
from bnnbench.results.models import COLUMNS, OF_MODELS
from bnnbench.results.site.choosing.budgets import data_of, steps
from bnnbench.results.site.choosing.groups import PublishedModel, frames, groups
from tests.results.generated_store import DEVICES, Team


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    path = tmp_path_factory.mktemp("store")
    Team(60).write(path)
    return load(path, where=OF_MODELS, columns=COLUMNS)


def test_a_group_for_each_device_and_data_set(rows: pd.DataFrame) -> None:
    found = groups(rows)
    assert {one.device for one in found} == set(DEVICES)
    assert {one.dataset for one in found} <= {"fashion-mnist", ""}
    for one in found:
        assert any(choice.on_front for choice in one.choices)
        assert len(one.choices) == len(frames(rows)[one.key])


def test_published_figures_stand_beside_their_own_data_set_only(rows: pd.DataFrame) -> None:
    published = [
        PublishedModel("m", "lce", "Pixel 1", 1, dataset, "a paper") for dataset in ("imagenet", "fashion-mnist")
    ]
    for one in groups(rows, published=published):
        assert [choice.source for choice in one.published] == (["a paper"] if one.dataset == "fashion-mnist" else [])


def test_two_versions_of_a_data_set_are_two_groups(rows: pd.DataFrame) -> None:
    other = rows.copy()
    rated = other.index[other["accuracy"].notna() & (other["device"] == "pi4")]
    other.loc[rated[0], "dataset_sha256"] = "f" * 64
    titles = [one.title for one in groups(other) if one.device == "pi4"]
    assert len(titles) == 2
    assert any(title.endswith("ffffffff") for title in titles)


def test_steps_are_round_and_reach_from_the_best_to_the_worst() -> None:
    latency = steps(METRICS["latency"], [1.1e6, 34e6])
    assert latency[0] == (1.2e6, "1.20 ms")
    assert latency[-1] == (40e6, "40.0 ms")
    assert [value for value, _ in latency] == sorted({value for value, _ in latency})
    assert 10e6 in [value for value, _ in latency]
    accuracy = steps(METRICS["accuracy"], [0.883, 0.912])
    assert accuracy[0] == (0.91, "91.0 %")
    assert accuracy[-1] == (0.88, "88.0 %")
    assert steps(METRICS["size"], []) == []
    assert steps(METRICS["size"], [0.0, float("inf")])
    assert len(steps(METRICS["latency"], [1e-300, 1e300])) < 200


def test_the_data_has_no_number_that_json_lacks(rows: pd.DataFrame) -> None:
    import json

    json.dumps(data_of(groups(rows)), allow_nan=False)
