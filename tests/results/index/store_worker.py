"""A process of test_many_processes: works on a store until it is ended, and notes each operation that it has done."""

from __future__ import annotations

import random
import sys
import warnings
from pathlib import Path

from bnnbench.results import Store, load
from bnnbench.results.index.make import add_run, make_index
from bnnbench.results.records import RunEnd
from bnnbench.results.tables.run_files import finish
from tests.results.generated_store import Team

TEAM = Team(1_000_000)


def main(path: Path, number: int, seed: int) -> None:
    store, dice = Store(path), random.Random(seed)  # noqa: S311
    rows = dict[str, int]()
    with (path / f"progress-{number}-{seed}").open("a", buffering=1) as progress:
        for count in range(1_000_000):
            chance = dice.random()
            if chance < 0.35:
                record, entries = TEAM.run(number + 8 * (count + 1000 * seed))
                with store.create(record) as writer:
                    half = len(entries) // 2
                    writer.append(*entries[:half])
                    writer.append(*entries[half:])
                    if isinstance(entries[-1], RunEnd):
                        finish(writer)
                rows[record.run_id] = len(record.cases) + len(record.skips)
                print("write", record.run_id, file=progress)
                add_run(path, store.runs_path / record.run_id)
                print("add", record.run_id, file=progress)
            elif chance < 0.9:
                frame = load(store)
                counts = frame.groupby("run_id").size()
                assert not frame.duplicated(["run_id", "workload", "engine", "variant", "threads"]).any(), "doubled"
                for run_id, count_of in rows.items():
                    assert counts.get(run_id) == count_of, f"{run_id}: {counts.get(run_id)} of {count_of} rows"
                print("read", len(frame), file=progress)
            else:
                make_index(path, store.runs_path)
                print("index", file=progress)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of runs that a kill cut off
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
