"""Baselines of a user's own engine: what was measured is kept, and judged again beside what it is now."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bnnbench.harness.errors import CallError
from bnnbench.harness.tasks.baselines import described, save_baseline
from bnnbench.harness.tasks.check import planned
from bnnbench.results.records import Build, Gate, RunEnd
from bnnbench.results.store.baselines import Baselines
from bnnbench.results.store.runs import Store
from bnnbench.results.store.signature import sign
from bnnbench.results.store.stored_run import StoredRun
from tests.harness.bench import Bench, one_sentence

FAKE = Path(__file__).with_name("fake_engine.py")
SUITE = """
name = "own"
engines = ["mine"]
invocations = 1
samples = 3
min_sample_ms = 0.1
warmup_ms = 1

[[kernel]]
op = "bmaxpool2d"
input = [8, 8, 33]

[engine.mine]
command = ["{binary}", "{files}"]
binary = { x86_64 = "mine", aarch64 = "mine" }
files = ["settings"]
"""


def engine(bench: Bench, version: str, mode: str = "right") -> None:
    """An engine whose library says how it behaves."""
    program = f"#!{sys.executable}\n# version {version}\n"
    program += "import sys, pathlib\nsys.argv[1:] = pathlib.Path(sys.argv[1]).read_text().split()\n"
    bench.write("mine", program + FAKE.read_text().replace("from __future__ import annotations\n", "")).chmod(0o755)
    bench.write("settings", mode)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of mine 1, saved as `main`."""
    bench = Bench(tmp_path_factory.mktemp("own"))
    bench.write("own.toml", SUITE)
    engine(bench, "1")
    bench.measure("own.toml")
    done = bench.run("baseline", "save", "main", "--store", "store")
    assert done.returncode == 0, done.stderr
    bench.write("saved.txt", done.stdout)
    return bench.folder


def baselines(bench: Bench) -> Baselines:
    return Baselines(bench.folder / "store")


def test_what_was_measured_is_kept_and_said(measured: Path) -> None:
    baseline = Baselines(measured / "store").get("main")
    assert (baseline.measured, baseline.not_kept) == (["mine"], {})
    found = Baselines(measured / "store").declared("main", "mine")
    assert found is not None
    assert found.command == ["{binary}", "{files}"]
    assert Path(next(iter(found.binary.values()))).read_bytes() == (measured / "mine").read_bytes()
    assert [Path(file).read_text() for file in found.files] == ["right"]
    said = (measured / "saved.txt").read_text()
    assert "mine for x86_64 (" in said or "mine for aarch64 (" in said
    assert "suite own on local with mine (latency of 1 case)" in said


def test_check_runs_mine_of_then_beside_mine_of_now(measured: Path, bench: Bench) -> None:
    """Mine of now is wrong: with native, or with itself, that would go unseen."""
    for name in ("own.toml", "store", "user-home/.local"):
        source = measured / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, bench.folder / name)
    engine(bench, "2", "wrong")
    words = ("check", "own.toml", "--baseline", "main", "--store", "store", "--budget", "1s", "--format", "json")
    done = bench.run(*words)
    assert done.returncode == 1, done.stderr
    verdicts = json.loads(done.stdout)["verdicts"]
    assert {(one["base"], one["head"]) for one in verdicts} == {("mine@main", "mine")}
    assert any("head" in (one["reason"] or "") for one in verdicts), verdicts
    native = bench.run(*words, "--head", "native")
    assert "the baseline 'main' was measured with mine, not with native" in native.stderr


def test_from_elsewhere_its_programs_need_trust_and_a_suite(measured: Path, bench: Bench) -> None:
    shutil.copytree(measured / "store", bench.folder / "store")  # without the key
    refused = bench.run("check", "--baseline", "main", "--store", "store")
    assert refused.returncode == 2
    sha = baselines(bench).get("main").declared[0].binary
    said = one_sentence(refused.stderr)
    assert "would run `" in said
    assert f"and engines/{next(iter(sha.values()))[:12]} (mine)" in said
    trusted = bench.run("check", "--baseline", "main", "--store", "store", "--trust")
    assert trusted.returncode == 2
    assert "name the suite that declares it here" in one_sentence(trusted.stderr)


@pytest.mark.parametrize("name", ["mine", "settings"])
def test_an_engine_that_changed_since_is_not_kept_as_what_was_measured(measured: Path, bench: Bench, name: str) -> None:
    run = Store(measured / "store").run()
    path = measured / name
    before = path.read_bytes()
    try:
        path.write_bytes(before + b"\n")
        with pytest.raises(CallError, match="changed since run"):
            save_baseline(baselines(bench), "x", run, trusts=True)
        path.unlink()
        with pytest.raises(CallError, match="cannot be read"):
            save_baseline(baselines(bench), "x", run, trusts=True)
    finally:
        path.write_bytes(before)
        path.chmod(0o755)
    assert not baselines(bench).names()


def made(run: StoredRun, folder: Path, **changed: Any) -> StoredRun:
    """The run with another record."""
    return StoredRun(msgspec.structs.replace(run.record, **changed), run.entries, folder)


def suite_of(run: StoredRun, **changed: Any) -> dict[str, Any]:
    return {**run.record.suite, "suite": {**run.record.suite["suite"], **changed}}


def test_one_of_something_else_is_replaced_only_when_that_is_said(measured: Path, tmp_path: Path) -> None:
    """Another suite, filter, device, engine or metric; the same again needs no word, as in CI after each merge."""
    store, run = Baselines(tmp_path), Store(measured / "store").run()
    save_baseline(store, "main", run, trusts=True)
    assert save_baseline(store, "main", run, trusts=True).replaced is not None
    facts = dict(run.record.devices["local"])
    emulated = {**facts, "emulated": {"value": True, "source": "x"}}
    (case,) = run.record.cases
    others = {
        "suite": {"suite": suite_of(run, name="another")},
        "filter": {"suite": {**run.record.suite, "filter": "pool"}},
        "device": {"devices": {"pi4": facts}, "cases": [msgspec.structs.replace(case, device="pi4")]},
        "engine": {"cases": [msgspec.structs.replace(case, engine="native")]},
        "metric": {"devices": {"local": emulated}},
    }
    for what, changed in others.items():
        other = made(run, tmp_path, **changed)
        with pytest.raises(CallError, match=f"is of another {what}.*--replace") as caught:
            save_baseline(store, "main", other, trusts=True)
        assert "suite own on local with mine (latency of 1 case)" in str(caught.value)
    saved = save_baseline(store, "main", made(run, tmp_path, **others["suite"]), trusts=True, replaces=True)
    assert saved.replaced is not None
    assert (described(saved.replaced), store.get("main").suite["suite"]["name"]) == (
        "suite own on local with mine (latency of 1 case)",
        "another",
    )


def with_status(run: StoredRun, folder: Path, *statuses: str) -> StoredRun:
    """A run with a case for each status."""
    (case,) = run.record.cases
    cases = [msgspec.structs.replace(case, id=f"c{i}", workload=f"w{i}") for i, _ in enumerate(statuses)]
    entries: list[Any] = []
    for one, status in zip(cases, statuses, strict=True):
        entries.append(Gate(case_id=one.id, status=status, reason="it said no"))  # type: ignore[arg-type]
        if status == "ok":
            (old,) = run.invocations
            entries.append(msgspec.structs.replace(old, case_id=one.id))
    record = msgspec.structs.replace(run.record, cases=cases)
    return StoredRun(record, [*entries, run.end], folder)  # type: ignore[list-item]


@pytest.mark.parametrize("statuses", [("failed",), ("wrong_output", "failed")])
def test_a_run_of_which_all_failed_is_no_baseline(measured: Path, tmp_path: Path, statuses: tuple[str, ...]) -> None:
    run = with_status(Store(measured / "store").run(), tmp_path, *statuses)
    with pytest.raises(CallError, match=r"no case of run .* was measured, so it is not a baseline \(w0 on mine, local"):
        save_baseline(Baselines(tmp_path), "main", run, trusts=True)


def test_a_run_of_which_some_failed_is_kept_and_they_are_named(measured: Path, tmp_path: Path) -> None:
    run = with_status(Store(measured / "store").run(), tmp_path, "ok", "wrong_output")
    saved = save_baseline(Baselines(tmp_path), "main", run, trusts=True)
    assert list(saved.warnings) == ["it holds nothing of w1 on mine, local: wrong output"]


@pytest.mark.parametrize("outcome", ["interrupted", "incomplete", None])
def test_a_run_that_was_cut_off_is_finished_first(measured: Path, tmp_path: Path, outcome: str | None) -> None:
    run = Store(measured / "store").run()
    entries = [one for one in run.entries if not isinstance(one, RunEnd)]
    if outcome and run.end:
        entries.append(msgspec.structs.replace(run.end, outcome=outcome))
    with pytest.raises(CallError, match="is not complete; finish it with bnnbench run --resume"):
        save_baseline(Baselines(tmp_path), "main", StoredRun(run.record, entries, tmp_path), trusts=True)


def runtime_only(run: StoredRun, folder: Path) -> StoredRun:
    """As `run -e lce` leaves it."""
    (case,) = run.record.cases
    suite = {**suite_of(run, engine={}, engines=["lce"])}
    builds = [one for one in run.record.builds if one.engine != "mine"]
    builds.append(Build(engine="lce", triple=builds[0].triple, sha256="0" * 64, build="0" * 64))
    return made(
        run,
        folder,
        cases=[msgspec.structs.replace(case, engine="lce")],
        suite={**run.record.suite, **suite},
        builds=builds,
    )


def test_an_installed_runtime_is_kept_by_its_version_and_nothing_else_is_judged_for_it(
    measured: Path, tmp_path: Path
) -> None:
    store, run = Store(tmp_path), Store(measured / "store").run()
    saved = save_baseline(Baselines(tmp_path), "main", runtime_only(run, tmp_path), trusts=True)
    assert "larq-compute-engine==0.16.0 is installed and not a file" in saved.baseline.not_kept["lce"]
    words: dict[str, Any] = {"files": None, "devices": [], "inventory": None, "budget_s": None}
    with pytest.raises(CallError, match=r"holds none of the engines that it was measured with .lce: larq"):
        planned(store, ["main"], None, **words, trusts=True)
    with pytest.raises(CallError, match=r"holds no engine 'lce' \(larq-compute-engine"):
        planned(store, ["main"], "lce", **words, trusts=True)
    (check,) = planned(store, ["main"], "native", **words, trusts=True)
    assert check.notes == ["the baseline 'main' was measured with lce, not with native"]


def test_a_baseline_of_before_that_lacks_what_it_was_measured_with_is_not_judged_by_another(
    measured: Path, tmp_path: Path
) -> None:
    """Older versions kept native alone, whatever was measured."""
    baselines = Baselines(tmp_path)
    save_baseline(baselines, "main", Store(measured / "store").run(), trusts=True)
    document = baselines.document("main")
    old = {**json.loads(document.read_text()), "schema": 1}
    for key in ("declared", "measured", "not_kept"):
        del old[key]
    document.write_text(json.dumps(old))
    sign(document)
    words: dict[str, Any] = {"files": None, "devices": [], "inventory": None, "budget_s": None}
    with pytest.raises(CallError, match=r"holds none of the engines that it was measured with .mine: not kept"):
        planned(Store(tmp_path), ["main"], None, **words)
