"""Which runs of a store may go, by rules; and those that always stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.records import ComparisonRecord, RunEnd, RunRecord
from bnnbench.results.store.baselines import Baseline, Baselines
from bnnbench.results.store.pruning import Choice, KeepRule, choices, keep_rule
from bnnbench.results.store.removal import removable
from bnnbench.results.store.runs import Store

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def add(
    store: Store,
    run_id: str,
    days: float,
    *,
    suite: str = "s",
    devices: tuple[str, ...] = ("pi4",),
    ended: bool = True,
    compares: bool = False,
    earlier: tuple[str, ...] = (),
) -> None:
    """A run of so many days before `NOW`."""
    comparison = ComparisonRecord(
        id="c", workload="w", device="pi4", threads=1, base_case="a", head_case="b", base="x", head="y"
    )
    record = RunRecord(
        run_id=run_id,
        created=(NOW - timedelta(days=days)).isoformat(),
        version="0",
        suite_name=suite,
        seed=0,
        cases=[],
        invocations_per_case=1,
        samples_per_invocation=1,
        devices={name: {} for name in devices},
        comparisons=[comparison] if compares else [],
        suite={"compare": {"earlier": list(earlier)}} if compares else {},
    )
    with store.create(record) as writer:
        if ended:
            writer.append(RunEnd(finished="x", outcome="complete"))


def going(store: Store, *rules: str, unfinished: bool = False) -> list[str]:
    found = choices(store, [keep_rule(text) for text in rules], unfinished=unfinished, now=NOW)
    return sorted(one.run.run_id for one in found if one.reason is None)


def reasons(store: Store, *rules: str) -> dict[str, str | None]:
    found = choices(store, [keep_rule(text) for text in rules], now=NOW)
    return {one.run.run_id: one.reason for one in found}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("20", KeepRule(newest=20)),
        ("90d", KeepRule(days=90)),
        ("12w", KeepRule(days=84)),
        ("6mo", KeepRule(days=180)),
        ("2y", KeepRule(days=730)),
    ],
)
def test_rules(text: str, rule: KeepRule) -> None:
    assert keep_rule(text) == rule


@pytest.mark.parametrize("text", ["0", "", "-1", "3m", "d", "1.5d", "20 runs", "9" * 30, "٣"])
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 20, 90d, 12w, 6mo or 2y"):
        keep_rule(text)


def test_the_newest_are_of_each_suite_and_devices(store: Store) -> None:
    for number in range(4):
        add(store, f"a{number}", 10 + number)
    add(store, "other-suite", 100, suite="t")
    add(store, "other-device", 100, devices=("pi5",))
    add(store, "both", 100, devices=("pi4", "pi5"))
    add(store, "comparison", 100, compares=True)
    assert going(store, "2") == ["a2", "a3"]
    assert going(store, "1") == ["a1", "a2", "a3"]
    assert reasons(store, "2")["other-suite"] == "newest"


def test_rules_are_a_union(store: Store) -> None:
    for number, days in enumerate((1, 50, 89.9, 90.1, 400)):
        add(store, f"a{number}", days)
    assert going(store, "90d") == ["a3", "a4"]
    assert going(store, "90d", "4") == ["a4"]
    assert going(store, "90d", "2y") == []
    assert going(store, "99999999y") == []


def test_what_always_stays(store: Store, tmp_path: Path) -> None:
    for run_id in ("baseline", "check", "written", "unreadable", "no-date", "old", "linked"):
        add(store, run_id, 1000)
    add(store, "cut", 1000, ended=False)
    add(store, "cut-check", 1000, ended=False, compares=True, earlier=("check",))
    Baselines(store.path).save(
        Baseline(name="main", created="x", version="0", run_id="baseline", suite={}, engines=[]), {}, {}
    )
    (store.runs_path / "linked").rename(tmp_path / "outside")
    (store.runs_path / "linked").symlink_to(tmp_path / "outside")
    (store.runs_path / "unreadable/run.json").write_text("{")
    path = store.runs_path / "no-date/run.json"
    record = msgspec.json.decode(path.read_bytes(), type=RunRecord)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(record, created="long ago")))
    with store.reopen("written"), pytest.warns(StoreWarning, match="unreadable"):
        found = reasons(store, "1d")
    assert found == {
        "baseline": "baseline",
        "check": "check",
        "written": "being_written",
        "cut": "unfinished",
        "cut-check": "unfinished",
        "linked": "link",
        "no-date": "no_date",
        "old": None,
    }
    with pytest.warns(StoreWarning):
        assert going(store, "1d", unfinished=True) == ["cut", "cut-check", "old", "written"]


def test_unfinished_runs_take_no_place_of_finished_ones(store: Store) -> None:
    add(store, "old", 3)
    add(store, "cut", 2, ended=False)
    add(store, "new", 1)
    assert going(store, "2") == []
    assert going(store, "2", unfinished=True) == ["old"]


def test_a_damaged_baseline_keeps_everything(store: Store) -> None:
    """Which run it needs is not known."""
    add(store, "old", 1000)
    Baselines(store.path).save(
        Baseline(name="main", created="x", version="0", run_id="old", suite={}, engines=[]), {}, {}
    )
    Baselines(store.path).document("main").write_text("{")
    with pytest.raises(StoreError, match="not a baseline"):
        going(store, "1d")
    with pytest.raises(StoreError, match="not a baseline"):
        removable(store, ["old"])


AGES = st.lists(st.tuples(st.floats(0, 1000), st.sampled_from("st"), st.booleans()), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(ages=AGES, newest=st.integers(1, 5), days=st.integers(1, 900))
def test_more_rules_keep_more_and_each_keeps_what_it_says(
    tmp_path_factory: pytest.TempPathFactory, ages: list[tuple[float, str, bool]], newest: int, days: int
) -> None:
    store = Store(tmp_path_factory.mktemp("pruned"))
    for number, (age, suite, ended) in enumerate(ages):
        add(store, f"run{number}", age, suite=suite, ended=ended)
    by_number, by_age = set(going(store, str(newest))), set(going(store, f"{days}d"))
    assert set(going(store, str(newest), f"{days}d")) == by_number & by_age
    ended = {f"run{number}": age for number, (age, _, ended) in enumerate(ages) if ended}
    assert by_age == {run_id for run_id, age in ended.items() if age > days}
    for suite in "st":
        mine = [f"run{n}" for n, (_, of, done) in enumerate(ages) if of == suite and done]
        assert len(set(mine) - by_number) == min(newest, len(mine))
        gone, left = set(mine) & by_number, set(mine) - by_number
        assert max((ended[one] for one in left), default=0) <= min((ended[one] for one in gone), default=1001)


def test_choices_are_typed_for_json(store: Store) -> None:
    add(store, "a", 1)
    (one,) = choices(store, [KeepRule(newest=1)], now=NOW)
    assert msgspec.json.decode(msgspec.json.encode(one), type=Choice) == one
