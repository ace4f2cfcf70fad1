"""`bnnbench devices calibrate`, and what it leaves in the store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from bnnbench.harness.session.pairs import whole_extra
from bnnbench.results.store.calibration import latest
from tests.harness.bench import Bench, one_sentence
from tests.results.calibrated import calibrated

SUITE = 'name = "c"\nwarmup_ms = 1\nmin_sample_ms = 0.2\n[[kernel]]\nop = "bgemm"\nm = 16\nn = 16\nk = 256\n'


@pytest.mark.slow
def test_rates_of_this_machine(bench: Bench) -> None:
    suite = bench.write("suite.toml", SUITE)
    words = ["devices", "calibrate", "local", "--suite", suite, "--comparisons", "4", "--each", "2", "--layouts", "0"]
    done = bench.run(*words, "--slow-downs", "100%", "--store", "store", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["comparisons"] + told["unstable"] == 4
    (slow,) = told["slow_downs"]
    assert (slow["extra_ppm"], slow["called"]) == (1_000_000, slow["comparisons"])
    kept = latest(bench.folder / "store", "local")
    assert kept is not None
    assert kept.run_ids == told["run_ids"]
    assert kept.sigma is not None
    run = bench.store.run(kept.run_ids[-1])
    assert {one.extra_ppm for one in run.record.comparisons} == {0, 1_000_000}
    # A budget then knows what it can see.
    ab = bench.run("ab", suite, "--base", "native", "--head", "native", "--budget", "2s", "--store", "store")
    assert "at the noise of the last calibration" in ab.stderr


@pytest.mark.parametrize(("iterations", "ppm"), [(45, 52_842), (1000, 5000), (7, 20_000), (100, 0), (33, 1_000_000)])
def test_slow_downs_are_as_large_as_they_say(iterations: int, ppm: int) -> None:
    count = whole_extra(iterations, ppm)
    assert iterations <= count <= 2 * iterations
    if ppm:
        extra = round(count * ppm / 1e6)
        assert abs(extra / count * 1e6 / ppm - 1) < 0.25 or count * ppm < 1e6


def test_an_old_calibration_or_another_kernel_is_warned_about() -> None:
    done = calibrated()
    then = datetime(2026, 1, 1, tzinfo=UTC)
    assert done.warning("6.1", then + timedelta(days=29)) is None
    assert "31 days old" in (done.warning("6.1", then + timedelta(days=31)) or "")
    assert "now has 6.6" in (done.warning("6.6", then) or "")
    assert done.at_mde() is None
    assert replace(done, device="x").device == "x"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--slow-downs", "fast"], "is not a list of slow-downs"),
        (["--slow-downs", "1%,2x"], "is not a list of slow-downs"),
        (["--comparisons", "0"], "is at least 1"),
    ],
)
def test_a_wrong_call_is_one_sentence(bench: Bench, words: list[str], said: str) -> None:
    done = bench.run("devices", "calibrate", "local", *words, "--store", "store")
    assert done.returncode == 2
    assert said in one_sentence(done.stderr)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    from bnnbench.results.errors import StoreError

    folder = tmp_path / "devices" / "pi4"
    folder.mkdir(parents=True)
    (folder / "calibration-20260101T000000.json").write_text("{")
    with pytest.raises(StoreError, match="is not a calibration"):
        latest(tmp_path, "pi4")
    assert latest(tmp_path, "other") is None
