"""What docs/compatibility.md promises: the versions it names are those of the code, and old stores are read."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from bnnbench.harness.cli import exit_status, measuring
from bnnbench.harness.measure.runner import RUNNERS
from bnnbench.harness.tasks import selftest
from bnnbench.kernels.models.plan import plan_file
from bnnbench.results import Store, load, load_invocations
from bnnbench.results.archive import manifest as archive
from bnnbench.results.environment import differences, environment_of
from bnnbench.results.export import EXPORTS
from bnnbench.results.index.make import make_index
from bnnbench.results.records import bounds
from bnnbench.results.store import baselines
from bnnbench.results.store.stored_run import read_run
from bnnbench.results.verdict.formats import json as verdicts
from bnnbench.results.verdict.rows import verdict_rows
from bnnbench.results.verify.runs import verify_run
from tests.harness.bench import Bench

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "compatibility.md").read_text()
FROZEN = sorted(path.parent for path in (HERE / "frozen").rglob("run.json"))
"""The runs of each version, as that version wrote them; none is ever written again. Folders: the version, or
version/id."""
STORE = HERE / "frozen/0.2.0"
"""A store of 0.2.0: a run of an own engine, a comparison, an accuracy; and a baseline, without native's file."""
(ENGINE,) = (STORE / "baselines/main/files").glob("*/my_engine.py")


def stated(what: str) -> int:
    """The version of the table under "In short"."""
    row = re.search(rf"^\| {re.escape(what)} \|[^|]*\| (\d+) \|", PAGE, re.MULTILINE)
    assert row is not None, what
    return int(row[1])


@pytest.mark.parametrize(
    ("what", "version"),
    [
        ("verdicts as JSON", verdicts.SCHEMA),
        ("`run.json`", bounds.SCHEMA),
        ("journal", bounds.SCHEMA),
        ("`measurements.parquet`, `cases.parquet`, `verdicts.parquet`", bounds.SCHEMA),
        ("baseline, `capsule.json`", baselines.SCHEMA),
        ("archive, `manifest.json`", archive.FORMAT),
        ("engine protocol", max(version for version in RUNNERS if version is not None)),
        ("plan files", plan_file.VERSION),
        ("report of `selftest`", selftest.SCHEMA),
    ],
)
def test_versions_are_those_of_the_code(what: str, version: int) -> None:
    assert stated(what) == version


def test_exit_statuses_are_those_of_the_code() -> None:
    statuses = {int(number) for number in re.findall(r"^\| (\d+) \| ", PAGE, re.MULTILINE)}
    assert statuses == {0, exit_status.REGRESSION, 2, measuring.NOT_MEASURED, measuring.INTERRUPTED}


def test_every_version_has_runs_and_one_is_a_comparison() -> None:
    """A folder that git ignores would leave none."""
    kept = {folder.relative_to(HERE / "frozen").parts[0] for folder in FROZEN}
    assert kept == {folder.name for folder in (HERE / "frozen").iterdir()}
    assert any(json.loads((folder / "run.json").read_text())["comparisons"] for folder in FROZEN)


@pytest.fixture(params=FROZEN, ids=lambda folder: str(folder.relative_to(HERE / "frozen")))
def frozen(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Store]:
    folder: Path = request.param
    run_id = json.loads((folder / "run.json").read_text())["run_id"]
    shutil.copytree(folder, tmp_path / "runs" / run_id)
    return folder, Store(tmp_path)


@pytest.mark.filterwarnings("error")
def test_every_value_of_an_old_run_is_read(frozen: tuple[Path, Store]) -> None:
    """Columns may be added; those that there were keep name, type and values."""
    folder, store = frozen
    run = store.run("latest")
    assert run.record.version == folder.relative_to(HERE / "frozen").parts[0]
    found = {
        kind: {
            "types": frame.dtypes.astype(str).to_dict(),
            "rows": json.loads(frame.to_json(orient="records", date_format="iso", double_precision=15)),
        }
        for kind, frame in (("cases", load(run)), ("invocations", load_invocations(run)))
        if len(frame)
    }
    if run.record.comparisons:
        found["verdicts"] = {"types": {}, "rows": [verdicts.entry(row) for row in verdict_rows(run)]}
    snapshot = folder / "values.json"
    if os.environ.get("BNNBENCH_UPDATE_SNAPSHOTS") == "1":
        snapshot.write_text(json.dumps(found, indent=1) + "\n")
    for kind, known in json.loads(snapshot.read_text()).items():
        assert known["types"].items() <= found[kind]["types"].items()
        assert len(known["rows"]) == len(found[kind]["rows"])
        for old, new in zip(known["rows"], found[kind]["rows"], strict=True):
            assert {key: new.get(key) for key in old} == old


def test_the_parquet_file_of_an_old_run_is_read(frozen: tuple[Path, Store]) -> None:
    folder, store = frozen
    table = pq.read_table(folder / "measurements.parquet")
    assert table.schema.metadata[b"bnnbench_schema"] == b"1"
    known = load_invocations(store.run("latest"))
    assert table.column("median_ns").to_pylist() == known["median_ns"].tolist()


@pytest.mark.filterwarnings("error")
def test_an_old_run_is_indexed(frozen: tuple[Path, Store]) -> None:
    """It gets the tables that it lacks; what it had stays as it was."""
    folder, store = frozen
    rows = load(store.runs())
    assert make_index(store.path, store.runs_path).added == 1
    pd.testing.assert_frame_equal(load(store), rows)
    for file in folder.iterdir():
        assert (store.folder("latest") / file.name).read_bytes() == file.read_bytes()
    kept = store.folder("latest")
    assert (
        pq.read_table(kept / "cases.parquet")["latency_ns"].to_pylist()
        == rows["latency_ns"].astype(object).where(rows["latency_ns"].notna(), None).tolist()
    )
    assert verify_run(store.path, kept).findings == []


@pytest.mark.parametrize("name", EXPORTS)
def test_an_old_run_is_exported(frozen: tuple[Path, Store], name: str) -> None:
    assert EXPORTS[name](frozen[1].run("latest"))


def test_an_old_baseline_is_read(tmp_path: Path) -> None:
    shutil.copytree(STORE / "baselines", tmp_path / "baselines")
    found = baselines.Baselines(tmp_path)
    assert found.names() == ["main"]
    baseline = found.get("main")
    assert (baseline.schema, baseline.version, [item.engine for item in baseline.declared]) == (2, "0.2.0", ["mine"])
    assert [figure.workload for figure in baseline.figures] == ["bgemm 16x24x200"]
    engine = found.declared("main", "mine")
    assert engine is not None
    assert Path(engine.files[0]).read_bytes() == ENGINE.read_bytes()


def test_an_old_engine_is_measured_in_an_old_suite(tmp_path: Path) -> None:
    """Version 1 of the protocol as an engine of 0.2.0 speaks it, and a suite as it was written then."""
    for path in (STORE / "suite.toml", ENGINE):
        shutil.copy(path, tmp_path / path.name)
    bench = Bench(tmp_path)
    done = bench.run("run", "suite.toml", "--store", "store", "--json")
    assert done.returncode == 0, done.stderr
    assert [case["status"] for case in json.loads(done.stdout)["cases"]] == ["ok"]


def test_what_differs_since_an_old_baseline_is_found() -> None:
    """It has no environment of its own, only the facts of its devices."""
    store = baselines.Baselines(STORE)
    then = store.get("main").surroundings
    (comparison,) = STORE.glob("*-93948e")
    now = environment_of(read_run(comparison))
    assert [(one.where, one.what) for one in differences(then, now)] == [("local", "device's Python")]
