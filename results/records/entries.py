"""What happens in a run: the records of `journal.jsonl`."""

from typing import Annotated, Any, Literal

import msgspec

from bnnbench.results.records.bounds import Count, Elapsed, Outcome, Rate, Real, Side, Size, Status, Whole, Word

MOST_EACH = 100_000
"""Single executions in a record."""


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
    `run` request and `wall_ns` that of the whole invocation. `each_ns` are single executions after the samples, in
    their order, which should take no longer than `deadline_ns`. `start_warm_ns` and `start_dropped_ns` are the time
    from the start of another process to its first result, with its files in memory and not; `extras_note` says why one
    of these is missing.
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
    each_ns: Annotated[list[Elapsed], msgspec.Meta(max_length=MOST_EACH)] = []
    deadline_ns: Real | None = None
    start_warm_ns: Real | None = None
    start_dropped_ns: Real | None = None
    extras_note: str | None = None
    comparison_id: str | None = None
    pair: Whole | None = None
    stderr: str | None = None
    run_request_ns: Real | None = None
    wall_ns: Real | None = None
    telemetry: dict[str, Any] = {}


class Window(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="window"):
    """Some seconds of an engine process that runs on and on, from `begin_s` to `end_s` after its `start` began.

    `start` counts the processes of the case: one that was cut off begins again. `order` is the case's place in the
    shuffled schedule. `quantiles_ns` are those of 0 %, 1 % ... 100 % of its `samples`, ns per iteration, each a block
    of `iterations`. With `period_ns` each sample began at its tick; `missed` ticks were over before one could.
    `clock_hz` is the median of the engine's own clock.
    """

    case_id: str
    start: Whole
    index: Whole
    order: Whole
    status: Status
    begin_s: Real = 0.0
    end_s: Real = 0.0
    reason: str | None = None
    started: str | None = None
    samples: Count = 0
    iterations: Whole | None = None
    median_ns: Elapsed | None = None
    quantiles_ns: Annotated[list[Elapsed], msgspec.Meta(max_length=101)] = []
    period_ns: Whole | None = None
    missed: Whole | None = None
    clock_hz: Real | None = None
    watch: dict[str, Any] | None = None
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
    images were right (`results/image_flags.py`). The reference was run on `compared` images, drawn with the seed; None:
    on all, in records of before. `infer_ns` is the engine's time for all images. Of a folder of images, `resize` and
    `normalize` say how they were prepared, and `excluded` which were left out, each with its reason.
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
    resize: str | None = None
    normalize: str | None = None
    excluded: list[str] = []
    compared: Count | None = None
    differing: Size | None = None
    explained: Whole | None = None
    predictions_sha256: str | None = None
    right: str | None = None
    infer_ns: Real | None = None
    wall_ns: Real | None = None
    started: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError where more images are right, or differ, than there were."""
        compared = self.images if self.compared is None else self.compared
        for some, of in ((self.correct, self.images), (self.correct_top5, self.images), (self.differing, compared)):
            if some is not None and some > of:
                raise ValueError(f"{some} of {of} images")


class Peak(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="peak"):
    """The measured roofs of a device at one ISA level and thread count."""

    device: str
    isa: str | None = None
    threads: Count = 1
    popcount_gops: Rate | None = None
    fma_gflops: Rate | None = None
    int8_gops: Rate | None = None
    read_gb_s: dict[str, Rate | None] | None = None
    clock_hz: Real | None = None
    started: str | None = None


class DeviceEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="device_event"):
    """Something that happened to a device during a run; `kind` is one word such as `lost`, `gave_up` or
    `lock`. `code` is a word for what speaks against its times, such as `busy`; None in records of before."""

    device: str
    kind: str
    message: str
    code: str | None = None
    started: str | None = None


class RunEnd(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="end"):
    """How a run ended. `overhead` maps a device's name to figures such as `per_invocation_ns_median`,
    `run_share` (share of the wall time inside accepted `run` requests, 0 to 1) and `builds_and_push_ns`."""

    finished: str
    outcome: Outcome
    wall_ns: Real | None = None
    overhead: dict[str, dict[str, Real | None]] = {}


Entry = Gate | Invocation | Window | Pair | Verdict | Verdicts | Accuracy | Peak | DeviceEvent | RunEnd
