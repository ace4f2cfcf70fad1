"""Damaged and hostile stores against everything that reads one: `make fuzz`.

usage: python -m tests.fuzz.fuzz_store [--count 100000] [--hostile 3000] [--seed 0]

A damaged journal or `run.json` may be read fully (nothing that counts was hit), be read with a warning, or be refused
with a sentence. Anything but a StoreError is an internal error, and figures that differ without a warning are silently
changed: of both there must be none. A hostile store, whose values nobody would have written, must not stop a frame, an
export, a comparison or a report either.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import msgspec

from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.store.runs import Store
from tests.fuzz.store_damage import damaged, hostile_document, hostile_line
from tests.results.conftest import synthetic_record, write_synthetic
from tests.results.family import write_family

READ, WARNED, REFUSED, INTERNAL, SILENT = (
    "read fully", "left out with a warning", "refused with a sentence", "internal errors", "silently changed",
)  # fmt: skip


def small_run(store: Store) -> Path:
    """A finished run with a few records of every kind, for speed; its folder."""
    record = synthetic_record()
    kept = [case for case in record.cases if case.workload == record.cases[0].workload]
    run = write_synthetic(store, msgspec.structs.replace(record, cases=kept, invocations_per_case=3))
    assert run.path is not None
    return run.path


def damage(count: int, seed: int, folder: Path) -> Counter[str]:
    """Damages the journal, and now and then `run.json` and `journal.end`, `count` times; how each ended."""
    store = Store(folder / "damaged")
    path = small_run(store)
    files = {name: (path / name).read_bytes() for name in ("journal.jsonl", "run.json", "journal.end")}
    whole = store.run()
    counts: Counter[str] = Counter()
    for number in range(seed, seed + count):
        name = "run.json" if number % 6 == 0 else "journal.end" if number % 50 == 1 else "journal.jsonl"
        bytes_ = damaged(files[name], number)
        (path / name).write_bytes(bytes_)
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always", StoreWarning)
                run = store.run()
            same = run.record == whole.record and run.entries == whole.entries
            # The last line alone says how the run ended, and a report says so where it is missing.
            ended = run.record == whole.record and run.entries == whole.entries[:-1] and run.end is None
            ending = WARNED if told or ended else READ if same else SILENT
        except StoreError:
            ending = REFUSED
        except Exception:
            traceback.print_exc()
            ending = INTERNAL
        if ending in (INTERNAL, SILENT):
            print(f"damage {number} of {name}: {ending}", flush=True)
        counts[ending] += 1
        (path / name).write_bytes(files[name])
    return counts


def hostile(count: int, seed: int, folder: Path) -> Counter[str]:
    """Puts values that do not fit into a run of kernels and one of models; `internal errors` of what reads them."""
    stores = (Store(folder / "kernels"), Store(folder / "models"))
    small_run(stores[0])
    write_family(stores[1])
    counts: Counter[str] = Counter()
    for number in range(seed, seed + count):
        dice = random.Random(number)  # noqa: S311
        store = stores[number % 2]
        path = store.run().path
        assert path is not None
        name = dice.choice(("journal.jsonl", "run.json"))
        before = (path / name).read_bytes()
        sealed = dice.random() < 0.8
        if name == "run.json":
            now = hostile_document(before, dice, sealed)
        else:
            lines = before.splitlines()
            for at in dice.sample(range(len(lines)), min(len(lines), dice.choice((1, 3, 20)))):
                lines[at] = hostile_line(lines[at], at + 1, dice, sealed)
            now = b"\n".join(lines) + b"\n"
        (path / name).write_bytes(now)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", StoreWarning)
                use(store, folder / "report", draws=number % 16 == 0)
            counts[READ] += 1
        except StoreError:
            counts[REFUSED] += 1
        except Exception:
            traceback.print_exc()
            print(f"hostile store {number} ({name}): {INTERNAL}", flush=True)
            counts[INTERNAL] += 1
        (path / name).write_bytes(before)
    return counts


def use(store: Store, folder: Path, draws: bool) -> None:
    """What people do with a store: frames, Parquet, exports, a comparison, a report; charts where it `draws`."""
    from bnnbench.results import load, load_invocations
    from bnnbench.results.charts import CHARTS
    from bnnbench.results.export import EXPORTS
    from bnnbench.results.history import histories
    from bnnbench.results.ratios import compare
    from bnnbench.results.report import write
    from bnnbench.results.report.page_context import PageContext
    from bnnbench.results.table import notes, table
    from bnnbench.results.tables.of_run import invocation_table
    from bnnbench.results.verdict.rows import verdict_rows

    run = store.run()
    frame = load(store)
    load_invocations(store)
    invocation_table(run)
    histories(frame)
    verdict_rows(run)
    compare(frame, frame)
    notes(frame)
    table(frame).layout(80)
    for render in EXPORTS.values():
        render(run)
    for chart in CHARTS.values():
        if chart.suits(frame, run.peaks) and draws:
            with contextlib.suppress(ValueError):  # "there is nothing to draw"
                chart.figure(frame, run.peaks)
    with nullcontext() if draws else patch.dict(CHARTS, clear=True):
        write([run], folder, "html", PageContext(history=frame))


def main() -> int:
    """0 when nothing broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--hostile", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        counts = damage(arguments.count, arguments.seed, Path(name))
        print(f"{arguments.count} damaged stores: {_listed(counts)}", flush=True)
        more = hostile(arguments.hostile, arguments.seed, Path(name))
        print(f"{arguments.hostile} hostile stores: {_listed(more)}", flush=True)
    return 1 if (counts + more)[INTERNAL] or counts[SILENT] else 0


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[name]} {name}" for name in (READ, WARNED, REFUSED, INTERNAL, SILENT))


if __name__ == "__main__":
    sys.exit(main())
