"""Replies of the engine protocol, version 1, with a bound on every field: an engine is a stranger's program."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

MOST_SAMPLES = 1_000_000
"""In one list: as many as the longest warm-up has blocks of 10 us."""

Word = Annotated[str, Meta(max_length=300)]
Sentence = Annotated[str, Meta(max_length=4_000)]
FilePath = Annotated[str, Meta(min_length=1, max_length=1_024)]
Reading = Annotated[str, Meta(max_length=255)]
"""What stands in a watched file: engines read so much of it."""
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Cpu = Annotated[int, Meta(ge=0, le=65_535)]
Clock = Annotated[float, Meta(ge=1e3, le=1e12)]
"""Hz."""
SHORTEST_NS, LONGEST_NS = 0.01, 1e14
"""Of one execution: from a hundredth of a clock cycle to a day."""
Nanoseconds = Annotated[float, Meta(ge=SHORTEST_NS, le=LONGEST_NS)]
Coarse = Annotated[float, Meta(ge=0, le=LONGEST_NS)]
"""The same, of a single execution, which a coarse clock may not see."""
Spent = Annotated[int, Meta(ge=0, le=10**14)]
"""ns that something took once; 0 where the clock is coarse."""
Instant = Annotated[int, Meta(ge=0, le=2**62)]
"""ns on the device's own clock."""
Rate = Annotated[float, Meta(gt=1e-6, le=1e12)]
Cpus = Annotated[list[Cpu], Meta(max_length=4_096)]
Samples = Annotated[list[Nanoseconds], Meta(max_length=MOST_SAMPLES)]
Clocks = Annotated[list[Clock], Meta(max_length=MOST_SAMPLES)]
Words = Annotated[list[Word], Meta(max_length=1_000)]
Shape = Annotated[list[Count], Meta(max_length=16)]
Counted = Annotated[float, Meta(ge=0, le=1e18)]


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine says of itself."""

    protocol: Count
    engine: Word = ""
    version: Word = ""
    build: Word = ""
    isa: Word | None = None
    isas: Words = []
    accepts: Words = []
    ops: Words | None = None
    cpus: Cpus = []
    max_threads: Count | None = None
    counters: Words | None = None
    clock_hz: Clock | None = None


class Array(msgspec.Struct, frozen=True, kw_only=True):
    """An input or output of what is loaded; `dtype` is the protocol's word (f32, i8, i32, u32)."""

    name: Word = ""
    shape: Shape
    dtype: Word


Arrays = Annotated[list[Array], Meta(max_length=1_000)]


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """Reply to `load`."""

    inputs: Arrays = []
    outputs: Arrays = []
    arena_bytes: Count | None = None
    load_ns: Spent | None = None


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """Reply to `run`; times in ns per iteration. The client checks `samples_ns` itself, and says which cannot be."""

    samples_ns: Annotated[list[float], Meta(max_length=MOST_SAMPLES)]
    iterations: Annotated[int, Meta(ge=1, le=10**12)] | None = None
    first_ns: Coarse | None = None
    warmup_samples_ns: Annotated[list[Coarse], Meta(max_length=MOST_SAMPLES)] = []
    warmup_clock_hz: Clocks = []
    clock_hz: Clocks = []
    start_ns: Instant | None = None
    end_ns: Instant | None = None
    cpus_used: Cpus = []
    counters: Annotated[dict[Word, Counted], Meta(max_length=64)] | None = None
    counters_error: Sentence | None = None
    watch: (
        Annotated[dict[FilePath, Annotated[list[Reading], Meta(min_length=2, max_length=2)]], Meta(max_length=16)]
        | None
    ) = None
    peak_rss_bytes: Count | None = None
    missed: Count | None = None


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """Reply to `output`."""

    sha256: Digest
    bytes: Count | None = None


class Inferred(msgspec.Struct, frozen=True, kw_only=True):
    """Reply to `infer`: ns of all `count` inputs together."""

    count: Count
    ns: Spent


class Traced(msgspec.Struct, frozen=True, kw_only=True):
    """One stored tensor in a trace's file: `bytes` from `offset` on, as `step` left it."""

    step: Count
    name: Sentence
    shape: Shape
    dtype: Word
    offset: Count
    bytes: Count


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Reply to `trace`."""

    tensors: Annotated[list[Traced], Meta(max_length=100_000)]


class ProfiledOp(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a model: `ns` has a number for each run, 0 where the clock is coarse; so has each counter. `node` is
    the op of a `.tflite` file that it is, where a runtime that reads these files says so."""

    index: Count
    node: Count | None = None
    op: Word
    name: Sentence = ""
    kernel: Word = ""
    ns: Annotated[list[Coarse], Meta(max_length=MOST_SAMPLES)]
    counters: (
        Annotated[dict[Word, Annotated[list[Counted], Meta(max_length=MOST_SAMPLES)]], Meta(max_length=64)] | None
    ) = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Reply to `profile`, ops in the order in which they run. `counters_cost` is what one reading of the counters
    costs: `ns`, and what it adds to each counter."""

    ops: Annotated[list[ProfiledOp], Meta(max_length=100_000)]
    total_ns: Samples
    counters_error: Sentence | None = None
    counters_cost: Annotated[dict[Word, Counted], Meta(max_length=64)] | None = None


class DividedStep(msgspec.Struct, frozen=True, kw_only=True):
    """How a step is cut: into so many `parts` of its `units`, of which threads take one after another. Before that they
    share `prepare_units` of what fills a workspace, one part each. One part is the first thread's alone."""

    units: Count
    parts: Annotated[int, Meta(ge=1, le=1_000_000)]
    prepare_units: Count = 0


class Division(msgspec.Struct, frozen=True, kw_only=True):
    """Reply to `divide`, in the order of the plan's steps."""

    steps: Annotated[list[DividedStep], Meta(max_length=100_000)]


class Peaks(msgspec.Struct, frozen=True, kw_only=True):
    """Reply to `peak`; roofs that the engine does not measure are None."""

    popcount_gops: Rate | None = None
    fma_gflops: Rate | None = None
    int8_gops: Rate | None = None
    read_gb_s: Annotated[dict[Word, Rate], Meta(max_length=16)] | None = None
    clock_hz: Clock | None = None


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What the launcher's role `start` says: ns from the start of a program to each of its `replies`, and which share
    of the dropped files stayed in memory."""

    ns: Annotated[list[Spent], Meta(max_length=16)]
    replies: Annotated[list[str], Meta(max_length=16)]
    resident: Annotated[list[Annotated[float, Meta(ge=0, le=1)]], Meta(max_length=32)] = []


class Outcome(msgspec.Struct):
    """What every reply begins with."""

    ok: bool
    error: str = ""
