"""Writers, readers and indexers of one store at once, some of which are killed in between: no row is lost, doubled or
half seen."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from bnnbench.results import Store, load
from bnnbench.results.index.make import make_index
from bnnbench.results.store.parts import UNDER_WAY, index_folder

WORKER = Path(__file__).with_name("store_worker.py")


def start(store: Path, number: int, seed: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(WORKER.parents[3])}
    with (store / f"errors-{number}-{seed}").open("w") as errors:
        return subprocess.Popen([sys.executable, WORKER, store, str(number), str(seed)], stderr=errors, env=environment)


def operations(store: Path) -> list[list[str]]:
    """What the workers noted, a list of words each; of a killed one, the last may be cut off."""
    texts = [path.read_text() for path in store.glob("progress-*")]
    return [line.split() for text in texts for line in text.rpartition("\n")[0].splitlines()]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("processes", "least", "kills"),
    [(3, 60, 3), pytest.param(8, 2000, 40, marks=pytest.mark.slow)],
    ids=["quick", "whole"],
)
def test_no_row_is_lost_doubled_or_half_seen(tmp_path: Path, processes: int, least: int, kills: int) -> None:
    """Each worker writes runs, adds them to the index, reads and checks all that it wrote, and makes the index anew;
    it notes each operation. Some are killed at any moment, and others take their places."""
    dice = random.Random(7)  # noqa: S311
    (tmp_path / "runs").mkdir()
    workers = {number: start(tmp_path, number, number) for number in range(processes)}
    seed, killed, deadline = processes, 0, time.monotonic() + 800
    try:
        while (done := len(operations(tmp_path))) < least:
            assert time.monotonic() < deadline, f"{done} operations"
            time.sleep(dice.uniform(0.2, 0.6))
            for number, worker in workers.items():
                assert worker.poll() is None, "".join(path.read_text() for path in tmp_path.glob(f"errors-{number}-*"))
            if killed < kills * done / least:
                number = dice.randrange(processes)
                workers[number].kill()
                workers[number].wait(10)
                seed, killed = seed + 1, killed + 1
                workers[number] = start(tmp_path, number, seed)
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait(10)
    noted = operations(tmp_path)
    counts = Counter(name for name, *_ in noted)
    assert killed >= kills - 1
    assert counts.keys() == {"write", "add", "read", "index"}
    store = Store(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of runs that a kill cut off
        expected = load(store.runs())
        pd.testing.assert_frame_equal(load(store), expected)
        make_index(store.path, store.runs_path)
        pd.testing.assert_frame_equal(load(store), expected)
    assert {words[1] for words in noted if words[0] == "write"} <= set(expected["run_id"])
    assert not expected.duplicated(["run_id", "workload", "engine", "variant", "threads"]).any()
    left = [path for path in index_folder(store.path).iterdir() if path.name.startswith(UNDER_WAY)]
    assert len(left) <= killed + processes
