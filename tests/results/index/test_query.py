"""SQL over a store: pandas gives the same answers, and nothing but the store can be reached."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from bnnbench.harness.cli.main import main
from bnnbench.results import Store, load, load_invocations
from bnnbench.results.columns import CASE_COLUMNS, INVOCATION_COLUMNS
from bnnbench.results.errors import NoStoreError
from bnnbench.results.index.make import make_index
from bnnbench.results.query.sql import QueryError, query
from bnnbench.results.query.tables import COLUMNS
from bnnbench.results.verdict.frame import VERDICT_COLUMNS, verdict_frame

duckdb = pytest.importorskip("duckdb")


@pytest.fixture(params=["folders", "index", "both"])
def store(years: Store, request: pytest.FixtureRequest) -> Store:
    """Without an index, with one, and with one that a run was added to and another was removed from."""
    if request.param != "folders":
        make_index(years.path, years.runs_path)
    if request.param == "both":
        folders = sorted(years.runs_path.iterdir())
        with years.reopen(folders[7].name):
            (folders[7] / "journal.jsonl").touch()
        for file in folders[9].iterdir():
            file.unlink()
    return years


def test_cases_are_those_of_load(store: Store) -> None:
    found = query(store, "SELECT * FROM cases ORDER BY run_id, workload, engine, variant, threads").to_pandas()
    rows = load(store).sort_values(["run_id", "workload", "engine", "variant", "threads"], na_position="last")
    assert list(found.columns) == list(CASE_COLUMNS)
    assert len(found) == len(rows) > 1000
    for name in ("run_id", "created", "commit", "workload", "status", "latency_ns", "accuracy", "comparison", "reason"):
        expected = rows[name].astype(object).where(rows[name].notna(), None).tolist()
        got = found[name].astype(object).where(found[name].notna(), None).tolist()
        assert got == expected, name


def test_groups_are_those_of_pandas(store: Store) -> None:
    sql = "SELECT device, engine, count(*) AS n, median(latency_ns) AS m FROM cases WHERE status = 'ok' GROUP BY ALL ORDER BY ALL"
    found = query(store, sql).to_pandas()
    rows = load(store, where="status == 'ok'").groupby(["device", "engine"])["latency_ns"].agg(["size", "median"])
    assert found["n"].tolist() == rows["size"].tolist()
    assert found["m"].tolist() == pytest.approx(rows["median"].astype(float).tolist())


def test_every_table_has_its_columns_and_rows(store: Store) -> None:
    runs = store.runs()
    counts = {
        "cases": len(load(runs)),
        "invocations": len(load_invocations(runs)),
        "verdicts": len(verdict_frame(runs)),
        "runs": len(runs),
        "devices": sum(len(run.record.devices) for run in runs),
    }
    assert COLUMNS["invocations"] is INVOCATION_COLUMNS
    assert COLUMNS["verdicts"] is VERDICT_COLUMNS
    for name, count in counts.items():
        found = query(store, f"SELECT * FROM {name}")  # noqa: S608
        assert (found.num_rows, found.column_names) == (count, list(COLUMNS[name])), name


def test_tables_are_joined(years: Store) -> None:
    sql = """
        SELECT r.suite, d.kernel, count(DISTINCT c.run_id) AS n, sum(len(i.samples_ns)) AS samples
        FROM cases c JOIN runs r USING (run_id) JOIN devices d USING (run_id, device)
        JOIN invocations i ON i.run_id = c.run_id AND i.workload = c.workload AND i.engine = c.engine
        WHERE r.outcome = 'complete' GROUP BY ALL ORDER BY ALL"""
    found = query(years, sql).to_pandas()
    assert set(found["suite"]) == {"kernels", "models", "nightly"}
    assert (found["samples"] % 5 == 0).all()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_blob('/proc/self/environ')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM 'https://localhost/x.parquet'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT getenv('HOME')",
        "SELECT * FROM parquet_metadata('/etc/passwd')",
        "SELECT * FROM frame",
        "COPY (SELECT 1) TO 'out.csv'",
        "ATTACH 'other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA enable_profiling",
        "CREATE TABLE t AS SELECT 1",
        "DROP TABLE runs",
        "SELECT 1; DROP TABLE runs",
        "EXPORT DATABASE 'here'",
        "CALL pragma_version()",
        "SELECT * FROM query('SET threads = 1')",
        "",
        "  ;",
        "SELEC 1",
        "SELECT no_such FROM cases",
        "SELECT * FROM no_such",
        "SELECT 1 / 'a'",
        "SELECT '\x00'",
    ],
)
def test_only_the_store_is_reached(years: Store, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    frame = pd.DataFrame({"a": [1]})  # which DuckDB would find by its name
    assert len(frame) == 1
    with pytest.raises(QueryError) as caught:
        query(years, sql)
    assert "\n" not in str(caught.value)
    assert list(empty.iterdir()) == []


def test_the_configuration_is_locked(years: Store) -> None:
    sql = "SELECT name, value FROM duckdb_settings() WHERE name IN ('enable_external_access', 'lock_configuration') ORDER BY 1"
    assert query(years, sql).to_pydict()["value"] == ["false", "true"]
    loaded = query(years, "SELECT extension_name, install_mode FROM duckdb_extensions() WHERE loaded").to_pydict()
    assert set(loaded["install_mode"]) <= {"STATICALLY_LINKED"}


SQL = "SELECT workload, count(*) AS n FROM cases WHERE workload LIKE 'quicknet%' GROUP BY workload ORDER BY workload"


def ask(*words: str, store: Store) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["query", *words, "--store", str(store.path)])
    return int(ended.value.code or 0)


def test_formats(years: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = load(years, where="workload.str.startswith('quicknet')").groupby("workload").size()
    assert ask(SQL, store=years) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table[2:]] == list(expected.index)
    assert ask(SQL, "--format", "csv", store=years) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [f"{name},{n}" for name, n in expected.items()]
    assert ask(SQL, "--format", "json", store=years) == 0
    assert json.loads(capsys.readouterr().out) == [{"workload": name, "n": n} for name, n in expected.items()]
    path = tmp_path / "answer.parquet"
    assert ask(SQL, "-o", str(path), store=years) == 0
    assert capsys.readouterr().out == f"{path}: 4 rows\n"
    assert pq.read_table(path).to_pydict() == {"workload": list(expected.index), "n": expected.tolist()}
    assert ask(SQL, "--explain", store=years) == 0
    assert "quicknet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("SELECT 1", "-o", "x.xlsx"), "answers are written as csv, json, parquet, not as 'xlsx'"),
        (("SELECT 1", "-o", "x"), "not as 'a file without a suffix'"),
        (("SELECT 1", "--format", "parquet"), "Parquet is for files; name one with --output."),
        (
            ("SELECT no_such FROM cases",),
            'the query cannot be run: Binder Error: Referenced column "no_such" not found',
        ),
    ],
)
def test_what_is_wrong_is_said(
    years: Store, words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(*words, store=years) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())


def test_texts_of_a_store_steer_neither_spreadsheet_nor_terminal(
    years: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask("SELECT '=1+1' AS a, chr(27) || ']52;c;x' AS b", "--format", "csv", store=years) == 0
    out = capsys.readouterr().out
    assert "'=1+1" in out
    assert "\x1b" not in out


def test_without_duckdb_it_says_what_to_install(
    years: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    assert ask("SELECT 1", store=years) == 2
    assert "bnnbench query needs DuckDB; run pip install 'bnnbench[query]'." in capsys.readouterr().err


def test_there_must_be_a_store(tmp_path: Path) -> None:
    with pytest.raises(NoStoreError):
        query(Store(tmp_path / "none"), "SELECT 1")
