"""Stores of any size, seeded and varied, as a team's would be after years: several boards and suites, commits with
changes of speed, models with accuracies, comparisons, runs that failed or were cut off. Every figure is made up."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import msgspec

from bnnbench.results.records import (
    Accuracy,
    CaseRecord,
    ComparisonRecord,
    Entry,
    Gate,
    Invocation,
    Pair,
    Peak,
    RunEnd,
    RunRecord,
    Skip,
    Verdict,
    Verdicts,
)
from bnnbench.results.store.journal import encode
from bnnbench.results.store.seal import seal_document
from bnnbench.results.store.stored_run import END, JOURNAL, RECORD, read_run
from bnnbench.results.tables.run_files import write_tables

BEGIN = datetime(2024, 1, 8, 6, tzinfo=UTC)
DEVICES = {
    "pi4": ("Raspberry Pi 4 Model B Rev 1.4", "neon", 14.0),
    "pi5": ("Raspberry Pi 5 Model B Rev 1.0", "neon-dot", 5.0),
    "phone": ("Pixel 8", "i8mm", 4.0),
}
ENGINES = {"native": 1.0, "numba": 4.0, "lce": 1.4, "litert": 2.0}
SUITES = {"kernels": 0.55, "models": 0.2, "nightly": 0.25}
SHAPES = [(side, channels, kernel) for side in (56, 28, 14, 7) for channels in (64, 128, 256) for kernel in (1, 3)]
MODELS = {f"quicknet_{name}": size for name, size in (("xs", 14e3), ("s", 36e3), ("m", 100e3), ("l", 219e3))}
ROWS_OF_A_RUN = 25
INVOCATIONS = 3
SAMPLES = 5
DATASET = sha256(b"images").hexdigest()


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Team:
    """`runs` runs from `seed`; `every` hours lie between two."""

    runs: int
    seed: int = 17
    every: float = 0.75

    def write(self, store: Path, first: int = 0, stop: int | None = None, *, tables: bool = True) -> None:
        """Writes runs `first` to `stop` into a store; each is the same whatever the others are."""
        for number in range(first, self.runs if stop is None else stop):
            write_run(store / "runs", *self.run(number), tables=tables)

    def run(self, number: int) -> tuple[RunRecord, list[Entry]]:
        """A run's record and its journal."""
        dice = random.Random(f"{self.seed}/{number}")  # noqa: S311
        created = BEGIN + timedelta(hours=self.every * number, seconds=dice.randrange(600))
        device = list(DEVICES)[number % len(DEVICES)]
        suite = dice.choices(list(SUITES), list(SUITES.values()))[0]
        is_comparison = dice.random() < 0.08
        workloads = _workloads(suite, dice)
        record = RunRecord(
            run_id=f"{created:%Y%m%d-%H%M%S}-{digest(f'{self.seed}/{number}')[:6]}",
            created=created.isoformat(timespec="microseconds"),
            version="0.2.0",
            suite_name=suite,
            seed=number,
            commit=digest(f"commit {number // 3}")[:40],
            command=["bnnbench", "run", f"{suite}.toml"],
            devices={device: _facts(device, number)},
            cases=_comparison_cases(workloads, device) if is_comparison else _cases(workloads, device),
            skips=[] if is_comparison else _skips(workloads, device),
            comparisons=_comparisons(workloads, device) if is_comparison else [],
            invocations_per_case=INVOCATIONS,
            samples_per_invocation=SAMPLES,
        )
        return record, _journal(record, number, dice)


def write_run(runs: Path, record: RunRecord, entries: list[Entry], *, tables: bool = True) -> Path:
    """A run's folder as bnnbench leaves it, without its fsyncs. One without an end was cut off."""
    folder = runs / record.run_id
    folder.mkdir(parents=True)
    (folder / JOURNAL).write_bytes(b"".join(encode(entry, number) for number, entry in enumerate(entries, 1)))
    (folder / RECORD).write_bytes(seal_document(msgspec.json.format(msgspec.json.encode(record), indent=1)))
    if isinstance(entries[-1], RunEnd):
        (folder / END).write_bytes(b"%d\n" % (len(entries) - 1))
        if tables:
            write_tables(folder, read_run(folder))
    return folder


def _workloads(suite: str, dice: random.Random) -> list[tuple[str, int | None]]:
    """Names with the sizes of models; a nightly suite has some of both."""
    kernels = [(f"bconv2d {s}x{s}x{c} to {c}, {k}x{k}", None) for s, c, k in SHAPES]
    models = [(name, int(size)) for name, size in MODELS.items()]
    if suite == "models":
        return models
    if suite == "kernels":
        return kernels[:8] if dice.random() < 0.3 else dice.sample(kernels, 8)
    return [*dice.sample(kernels, 4), *dice.sample(models, 2)]


def _cases(workloads: list[tuple[str, int | None]], device: str) -> list[CaseRecord]:
    engines = list(ENGINES) if device != "phone" else ["native", "lce", "litert"]
    found = [
        _case(name, size, engine, device, threads)
        for name, size in workloads
        for engine in engines
        for threads in (1, 2)
        if threads == 1 or engine in ("native", "lce")
    ]
    return found[: ROWS_OF_A_RUN - len(_skips(workloads, device))]


def _case(
    name: str, size: int | None, engine: str, device: str, threads: int, variant: str | None = None
) -> CaseRecord:
    binary = 400 * (size or 90_000)
    return CaseRecord(
        id=f"{device}/{engine}/{variant}/{name}/{threads}",
        workload=name,
        kind="kernel" if size is None else "model",
        op="bconv2d" if size is None else None,
        engine=engine,
        variant=variant,
        device=device,
        threads=threads,
        macs_1bit=binary,
        macs_32bit=binary // 20,
        bytes_moved=binary // 50,
        size_bytes=size,
        plan_sha256=None if size is None else digest(name),
        engine_build=digest(f"{engine} {device}"),
        caveat="portable C++" if engine == "lce" and device == "phone" else None,
    )


def _skips(workloads: list[tuple[str, int | None]], device: str) -> list[Skip]:
    if device != "phone":
        return []
    reason = "numba has no build for this device"
    return [Skip(workload=workloads[0][0], engine="numba", device=device, threads=1, reason=reason, code="no_build")]


def _comparison_cases(workloads: list[tuple[str, int | None]], device: str) -> list[CaseRecord]:
    return [_case(name, size, "native", device, 1, side) for name, size in workloads for side in ("base", "head")]


def _comparisons(workloads: list[tuple[str, int | None]], device: str) -> list[ComparisonRecord]:
    return [
        ComparisonRecord(
            id=f"{device}/{name}",
            workload=name,
            device=device,
            threads=1,
            base_case=f"{device}/native/base/{name}/1",
            head_case=f"{device}/native/head/{name}/1",
            base="native@main",
            head="native",
        )
        for name, _ in workloads
    ]


def _facts(device: str, number: int) -> dict[str, dict[str, object]]:
    model, isa, _ = DEVICES[device]
    facts: dict[str, object] = {
        "model": model,
        "machine": "aarch64",
        "kernel": f"Linux 6.{6 + number // 9000}.{number // 900 % 10}",
        "governor": "performance" if number % 11 else "ondemand",
        "boot_id": digest(f"boot {device} {number // 400}")[:32],
        "machine_id": digest(device)[:16],
        "isa_features": [isa],
        "memory_bytes": 8 << 30,
        "emulated": False,
    }
    return {name: {"value": value, "source": "made up"} for name, value in facts.items()}


def _journal(record: RunRecord, number: int, dice: random.Random) -> list[Entry]:
    device = next(iter(record.devices))
    entries: list[Entry] = [
        Peak(device=device, isa=DEVICES[device][1], popcount_gops=4000.0, read_gb_s={"l1": 500.0}, clock_hz=1.8e9)
    ]
    figures = {}
    for case in record.cases:
        gate = _gate(case, dice)
        entries.append(gate)
        if gate.status == "ok":
            figures[case.id] = _level(case, number, dice)
    for index in range(record.invocations_per_case):
        entries += [_invocation(case, index, figures[case.id], dice) for case in record.cases if case.id in figures]
    if number % 40 == 30:  # it was cut off
        return entries[: len(entries) // 2]
    for case in record.cases:
        if case.kind == "model" and case.id in figures and record.suite_name == "models" and not record.comparisons:
            entries.append(_accuracy(case, dice))
    for comparison in record.comparisons:
        if comparison.base_case in figures and comparison.head_case in figures:
            entries += _verdicts(comparison, figures, dice)
    outcome = "incomplete" if dice.random() < 0.02 else "complete"
    entries.append(RunEnd(finished=record.created, outcome=outcome, wall_ns=dice.uniform(60e9, 600e9)))
    return entries


def _level(case: CaseRecord, number: int, dice: random.Random) -> float:
    """Of the case, with steps: it gains at some commits, and loses at others."""
    phase = int(digest(case.workload)[:6], 16)
    steps = sum(math.copysign(0.05, math.sin(step * 1.7 + phase)) for step in range(number // 4000 + phase % 2))
    size = (case.macs_1bit or 0) / 1000
    level = size * ENGINES[case.engine] * DEVICES[case.device][2] * (1 + steps) / case.threads**0.8
    return level * math.exp(dice.gauss(0, 0.01))


def _gate(case: CaseRecord, dice: random.Random) -> Gate:
    chance = dice.random()
    if chance < 0.01:
        return Gate(case_id=case.id, status="failed", reason=f"the engine ended with signal {dice.choice((6, 9, 11))}")
    if chance < 0.015:
        return Gate(case_id=case.id, status="wrong_output", reason="17 of 16384 output bits differ")
    return Gate(
        case_id=case.id,
        status="ok",
        engine_build=case.engine_build,
        isa="neon",
        output_sha256=digest(case.workload),
        iterations=400,
        settled=chance < 0.9,
    )


def _invocation(case: CaseRecord, index: int, level: float, dice: random.Random) -> Invocation:
    return Invocation(
        case_id=case.id,
        index=index,
        order=index,
        status="ok" if dice.random() < 0.999 else "failed",
        isa="neon",
        engine_build=case.engine_build,
        iterations=400,
        first_ns=round(level * 3, 1),
        load_ns=250_000.0,
        samples_ns=[round(level * (1 + abs(dice.gauss(0, 0.004))), 1) for _ in range(SAMPLES)],
        clock_hz=[1.8e9] * SAMPLES,
        cpus_used=[1],
        peak_rss_bytes=1_200_000 + 4096 * dice.randrange(20),
        arena_bytes=400_000,
        output_sha256=digest(case.workload),
        telemetry={"temperature_celsius": [51.0, 52.5]},
    )


def _accuracy(case: CaseRecord, dice: random.Random) -> Accuracy:
    images = dice.choice((1000, 10_000))
    right = round(images * (0.9 + 0.01 * list(MODELS).index(case.workload)) + dice.gauss(0, 2))
    return Accuracy(
        case_id=case.id,
        status="ok",
        dataset="fashion-mnist",
        dataset_sha256=DATASET,
        images=images,
        of_images=10_000,
        correct=right,
        correct_top5=images - 3,
        differing=0,
    )


def _verdicts(comparison: ComparisonRecord, figures: dict[str, float], dice: random.Random) -> list[Entry]:
    base, head = figures[comparison.base_case], figures[comparison.head_case]
    pairs: list[Entry] = [
        Pair(
            comparison_id=comparison.id,
            stage="screen",
            number=number,
            first=dice.choice(("base", "head")),
            base_ns=base * math.exp(dice.gauss(0, 0.004)),
            head_ns=head * math.exp(dice.gauss(0, 0.004)),
        )
        for number in range(6)
    ]
    effect = head / base - 1
    word = "regression" if effect > 0.02 else "improvement" if effect < -0.02 else "equivalent"
    verdict = Verdict(
        comparison_id=comparison.id,
        metric="latency",
        unit="ns",
        status="ok",
        verdict=word,
        effect=effect,
        low=effect - 0.004,
        high=effect + 0.004,
        level=0.99,
        mde=0.01,
        sigma=0.004,
        base_value=base,
        head_value=head,
        pairs=6,
    )
    return [*pairs, Verdicts(comparison_id=comparison.id, verdicts=[verdict])]
