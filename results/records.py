"""The typed records of a run: what `run.json` and `journal.jsonl` hold.

Every record is a frozen msgspec struct built with keywords. What was not measured is None. Fields that a
newer version added are skipped when an older one reads the file, so a store can be shared between versions.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

SCHEMA = 1

Status = Literal["ok", "wrong_output", "failed", "skipped", "unstable", "unverified"]
Kind = Literal["kernel", "model"]
Outcome = Literal["complete", "interrupted", "incomplete"]
Side = Literal["base", "head"]
Word = Literal["regression", "improvement", "equivalent", "inconclusive"]

# Bounds of what is read back: a column of a frame or of a Parquet file holds 64 bits, and sums stay finite.
Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
Invocations = Annotated[int, msgspec.Meta(ge=0, le=20_000)]
Size = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1e30)]
Real = Annotated[float, msgspec.Meta(ge=-1e30, le=1e30)]
Elapsed = Annotated[float, msgspec.Meta(ge=0, le=1e18)]
"""ns of an execution."""


class CaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One planned row of a report: workload x engine build x device x threads.

    `params` are the op's keys (`h w c oc kh kw ...`), `source` is where the workload came from, for example
    `tiny_larq.tflite op 3`; `engine_build` is the sha256 of the engine's binary, `plan_sha256` that of a model's
    plan file.
    """

    id: str
    workload: str
    kind: Kind
    engine: str
    device: str
    threads: Count
    op: str | None = None
    variant: str | None = None
    params: dict[str, Any] = {}
    source: str | None = None
    macs_1bit: Size | None = None
    macs_32bit: Size | None = None
    bytes_moved: Size | None = None
    size_bytes: Size | None = None
    plan_sha256: str | None = None
    engine_build: str | None = None
    isa: str | None = None


class ComparisonRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Two planned cases that are compared on one device; `base` and `head` say what they are.

    `extra_ppm`: the head executes so many more iterations per million, a slow-down that is known. `number` tells
    comparisons of the same two cases apart.
    """

    id: str
    workload: str
    device: str
    threads: Count
    base_case: str
    head_case: str
    base: str
    head: str
    extra_ppm: Whole = 0
    number: Whole = 0


class Skip(msgspec.Struct, frozen=True, kw_only=True):
    """A combination of the suite that was never planned as a case, and why; `code` is a word for the kind
    of reason, for programs. What the workload is, as in `CaseRecord`, and the code are None in records of before."""

    workload: str
    engine: str
    device: str
    threads: Count
    reason: str
    code: str | None = None
    kind: Kind | None = None
    op: str | None = None
    variant: str | None = None
    macs_1bit: Size | None = None
    macs_32bit: Size | None = None
    bytes_moved: Size | None = None
    size_bytes: Size | None = None
    plan_sha256: str | None = None


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """One engine binary of a run; `build` is the engine's own description of its build."""

    engine: str
    triple: str
    sha256: str
    isa: str | None = None
    build: str | None = None


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was known when a run began: `run.json`.

    `created` is ISO 8601 in UTC, `version` that of bnnbench. `devices` maps a device's name to its facts,
    each `{"value": ..., "source": ...}`; the value of an absent fact is null. On the devices `counted`, instructions
    are counted, once, and nothing is timed. `after` is the moment that it is sorted by where the clock had been
    set back since the last run: just after that one.
    """

    run_id: str
    created: str
    version: str
    suite_name: str
    seed: Whole
    cases: list[CaseRecord]
    invocations_per_case: Invocations
    samples_per_invocation: Count
    schema: Whole = SCHEMA
    commit: str | None = None
    command: list[str] = []
    suite: dict[str, Any] = {}
    host: dict[str, Any] = {}
    devices: dict[str, dict[str, Any]] = {}
    builds: list[Build] = []
    skips: list[Skip] = []
    comparisons: list[ComparisonRecord] = []
    counted: list[str] = []
    after: str | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Sorts runs, oldest first."""
        return self.after or self.created, self.run_id

    def fact(self, device: str, name: str) -> Any:
        """The value of a device's fact, or None when the device or the fact is absent."""
        fact = self.devices.get(device, {}).get(name)
        return fact.get("value") if isinstance(fact, dict) else fact

    def emulated(self, device: str) -> bool:
        """Whether the device is emulated: its times mean nothing and are never shown."""
        return self.fact(device, "emulated") is True


class Gate(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="gate"):
    """The correctness gate of a case: its output against the reference, and its calibration.

    `block_ns` is how long a timed block of `iterations` took; `input_index` is the input that was verified and is
    timed; `flips` are signs too close to zero to call, in which the engine and the reference differ. `rounding` is the
    variant of int8 rounding under which the output is the reference's; `confirmed_by` names the other interpreters
    that read the model's file for themselves and gave the reference's output (empty: none could be asked)."""

    case_id: str
    status: Status
    reason: str | None = None
    engine_build: str | None = None
    isa: str | None = None
    output_sha256: str | None = None
    iterations: Whole | None = None
    warmup_ns: Real | None = None
    settled: bool | None = None
    block_ns: Real | None = None
    max_abs_difference: Real | None = None
    input_index: Whole = 0
    flips: Whole | None = None
    rounding: str | None = None
    confirmed_by: list[str] | None = None
    run_request_ns: Real | None = None
    wall_ns: Real | None = None
    started: str | None = None


class Invocation(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="invocation"):
    """One fresh engine process: `samples_ns` are ns per iteration, `clock_hz` the engine's own clock by
    sample.

    `order` is its place in the shuffled schedule, `run_request_ns` the time the host waited for the accepted
    `run` request and `wall_ns` that of the whole invocation.
    """

    case_id: str
    index: Whole
    order: Whole
    status: Status
    reason: str | None = None
    started: str | None = None
    isa: str | None = None
    engine_build: str | None = None
    iterations: Whole | None = None
    first_ns: Real | None = None
    load_ns: Real | None = None
    warmup_samples_ns: list[Real] = []
    samples_ns: list[Elapsed] = []
    clock_hz: list[Real] = []
    start_ns: Whole | None = None
    end_ns: Whole | None = None
    cpus_used: list[Whole] = []
    counters: dict[str, Any] | None = None
    counters_error: str | None = None
    watch: dict[str, Any] | None = None
    peak_rss_bytes: Size | None = None
    arena_bytes: Size | None = None
    output_sha256: str | None = None
    comparison_id: str | None = None
    pair: Whole | None = None
    stderr: str | None = None
    run_request_ns: Real | None = None
    wall_ns: Real | None = None
    telemetry: dict[str, Any] = {}


class Pair(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="pair"):
    """Two invocations back to back, one of each side; their figures are the medians of their samples.

    `dropped` is the side that throttled, "both" where that can't be said; `reason` says by what. `drift` of a side is
    the logarithm of its last samples over its first.
    """

    comparison_id: str
    stage: Literal["screen", "confirm"]
    number: Whole
    first: Side
    base_ns: Real
    head_ns: Real
    dropped: Literal["base", "head", "both"] | None = None
    reason: str | None = None
    base_drift: Real | None = None
    head_drift: Real | None = None
    base_clock_hz: Real | None = None
    head_clock_hz: Real | None = None
    started: str | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="verdict"):
    """What became of a comparison, of one metric. `verdict` is None unless `status` is `ok`.

    It is written as part of a `Verdicts`; in older journals it is a record of its own.

    `effect`, `low`, `high` and `mde` are ratios minus 1 (0.02: the head is 2 % slower, or more), of accuracy
    differences of shares (-0.002: 0.2 percentage points fewer images are right); `level` is that of the interval, 1 of
    exact figures. `base_value` and `head_value` have the unit `unit`. `side` is the side that fails, is wrong
    or has no figure, where it is one side's. `why` is what the recorded figures say about the cause.
    """

    comparison_id: str
    metric: str
    unit: str
    status: Status
    verdict: Word | None = None
    effect: Real | None = None
    low: Real | None = None
    high: Real | None = None
    level: Real | None = None
    mde: Real | None = None
    sigma: Real | None = None
    base_value: Real | None = None
    head_value: Real | None = None
    pairs: Whole = 0
    dropped_base: Whole = 0
    dropped_head: Whole = 0
    confirmed: bool = False
    reason: str | None = None
    side: Side | None = None
    why: str | None = None
    finished: str | None = None


class Verdicts(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="verdicts"):
    """All verdicts of a comparison, one for each metric, the first that of latency or instructions.

    They are one record, so that a comparison is done with all of them or with none.
    """

    comparison_id: str
    verdicts: list[Verdict]


class Accuracy(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="accuracy"):
    """A case's predictions for labelled images, made on its device.

    `images` were predicted, drawn with `seed` from `of_images` when these are more; `dataset_sha256` is that of all of
    them. `correct` and `correct_top5` were right; `confusion[label][predicted]` counts images. `differing` predictions
    are not the reference's, and signs too close to zero to call explain `explained` of these. `right` holds which
    images were right (`results/image_flags.py`). `infer_ns` is the engine's time for all images.
    """

    case_id: str
    status: Status
    dataset: str
    dataset_sha256: str
    images: Count
    of_images: Count
    reason: str | None = None
    seed: Whole | None = None
    correct: Size | None = None
    correct_top5: Size | None = None
    confusion: list[list[Whole]] | None = None
    classes: list[str] = []
    differing: Size | None = None
    explained: Whole | None = None
    predictions_sha256: str | None = None
    right: str | None = None
    infer_ns: Real | None = None
    wall_ns: Real | None = None
    started: str | None = None


class Peak(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="peak"):
    """The measured roofs of a device at one ISA level and thread count."""

    device: str
    isa: str | None = None
    threads: Count = 1
    popcount_gops: Rate | None = None
    fma_gflops: Rate | None = None
    read_gb_s: dict[str, Rate | None] | None = None
    clock_hz: Real | None = None
    started: str | None = None


class DeviceEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="device_event"):
    """Something that happened to a device during a run; `kind` is one word such as `lost`, `gave_up` or
    `lock`."""

    device: str
    kind: str
    message: str
    started: str | None = None


class RunEnd(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="end"):
    """How a run ended. `overhead` maps a device's name to figures such as `per_invocation_ns_median`,
    `run_share` (share of the wall time inside accepted `run` requests, 0 to 1) and `builds_and_push_ns`."""

    finished: str
    outcome: Outcome
    wall_ns: Real | None = None
    overhead: dict[str, dict[str, Real | None]] = {}


def just_after(moment: str) -> str:
    """A moment that sorts behind `moment`, both ISO 8601 in UTC; text that is no moment is made one by sorting."""
    try:
        later = (datetime.fromisoformat(moment) + timedelta(microseconds=1)).isoformat(timespec="microseconds")
    except (ValueError, OverflowError):
        later = ""
    return later if later > moment else moment + "+"


Entry = Gate | Invocation | Pair | Verdict | Verdicts | Accuracy | Peak | DeviceEvent | RunEnd
