"""What is known when a run begins: `run.json`."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from bnnbench.results.errors import StoreError
from bnnbench.results.records.bounds import SCHEMA, Count, Invocations, Kind, Real, Size, Whole
from bnnbench.results.records.policy import SuiteRules


class CaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One planned row of a report: workload x engine build x device x threads.

    `params` are the op's keys (`h w c oc kh kw ...`), `source` is where the workload came from, for example
    `tiny_larq.tflite op 3`; `engine_build` is the sha256 of the engine's binary, `plan_sha256` that of a model's
    plan file. `caveat` is what has to be said beside every ratio to this engine there, a few words.
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
    caveat: str | None = None


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


class Strictness(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the exit status of a comparison: whether every case needs a verdict, which share of the cases may
    lack one, and in a check of several baselines the ids of `earlier` runs and the names of `later` baselines."""

    strict: bool = False
    most_unclear: Real = 1.0
    earlier: list[str] = []
    later: list[str] = []


class Sustain(msgspec.Struct, frozen=True, kw_only=True):
    """How cases are run on and on: each for `seconds`, in windows of `window_s`, after a pause of `pause_s` from the
    second case on; with `fps`, each execution begins at its tick."""

    seconds: Real
    window_s: Real
    pause_s: Real = 0.0
    fps: Real | None = None

    @property
    def first_s(self) -> float:
        """What is called the first minute: a tenth of a run that is shorter than ten."""
        return min(60.0, self.seconds / 10)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was asked for, as far as results depend on it; `compare` is None for a run without comparisons.
    `pools` are devices that are alike, by the pool or query that they were chosen by."""

    suite: SuiteRules = SuiteRules()
    compare: Strictness | None = None
    sustain: Sustain | None = None
    pools: dict[str, list[str]] = {}


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was known when a run began: `run.json`.

    `suite` is what the harness was asked for, whole; `asked` is what results depend on of it. `created` is ISO 8601
    in UTC, `version` that of bnnbench. `devices` maps a device's name to its facts, each
    `{"value": ..., "source": ...}`; the value of an absent fact is null. On the devices `counted`, instructions are
    counted, once, and nothing is timed. `models` maps the paths of the models that were measured to the SHA-256 of what
    was read there; it is empty in records of before. `after` is the moment that it is sorted by where the clock had
    been set back since the last run: just after that one.
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
    models: dict[str, str] = {}
    after: str | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Sorts runs, oldest first."""
        return self.after or self.created, self.run_id

    @property
    def asked(self) -> Asked:
        """Typed, from `suite`. Raises StoreError when that is something else."""
        try:
            return msgspec.convert(self.suite, Asked)
        except msgspec.ValidationError as error:
            raise StoreError(f"run {self.run_id}: what it was asked for is damaged ({error})") from None

    def fact(self, device: str, name: str) -> Any:
        """The value of a device's fact, or None when the device or the fact is absent."""
        fact = self.devices.get(device, {}).get(name)
        return fact.get("value") if isinstance(fact, dict) else fact

    def emulated(self, device: str) -> bool:
        """Whether the device is emulated: its times mean nothing and are never shown."""
        return self.fact(device, "emulated") is True


def just_after(moment: str) -> str:
    """A moment that sorts behind `moment`, both ISO 8601 in UTC; text that is not a moment is made one by sorting."""
    try:
        later = (datetime.fromisoformat(moment) + timedelta(microseconds=1)).isoformat(timespec="microseconds")
    except (ValueError, OverflowError):
        later = ""
    return later if later > moment else moment + "+"
