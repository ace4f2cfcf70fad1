"""The names of the protocol's counters (docs/protocol.md, `run`): the rows of `native/base/counters.cpp`."""

COUNTERS = (
    "cycles",
    "instructions",
    "cache_misses",
    "branch_misses",
    "stalled_cycles",
    "page_faults",
    "task_clock_ns",
)
