"""The typed records of a run: what `run.json` (`plan`) and `journal.jsonl` (`entries`) hold.

Every record is a frozen msgspec struct built with keywords. What was not measured is None. Fields that a
newer version added are skipped when an older one reads the file, so a store can be shared between versions.
"""

from bnnbench.results.records.bounds import SCHEMA, SIDES, Kind, Outcome, Side, Status, Word
from bnnbench.results.records.entries import (
    Accuracy,
    DeviceEvent,
    Entry,
    Gate,
    Invocation,
    Pair,
    Peak,
    RunEnd,
    Verdict,
    Verdicts,
    Window,
)
from bnnbench.results.records.environment import Environment
from bnnbench.results.records.plan import (
    Asked,
    Build,
    CaseRecord,
    ComparisonRecord,
    RunRecord,
    Skip,
    Strictness,
    Sustain,
    just_after,
)
from bnnbench.results.records.policy import Allowance, MetricRules, ScopedRules, SuiteRules, VerdictRules

__all__ = [
    "SCHEMA",
    "SIDES",
    "Accuracy",
    "Allowance",
    "Asked",
    "Build",
    "CaseRecord",
    "ComparisonRecord",
    "DeviceEvent",
    "Entry",
    "Environment",
    "Gate",
    "Invocation",
    "Kind",
    "MetricRules",
    "Outcome",
    "Pair",
    "Peak",
    "RunEnd",
    "RunRecord",
    "ScopedRules",
    "Side",
    "Skip",
    "Status",
    "Strictness",
    "SuiteRules",
    "Sustain",
    "Verdict",
    "VerdictRules",
    "Verdicts",
    "Window",
    "Word",
    "just_after",
]
