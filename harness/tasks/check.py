"""What `check` compares: for each baseline its binaries and models against the current ones, on the same device."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from bnnbench.devices.inventory import open_inventory
from bnnbench.results.records import RunRecord
from bnnbench.results.same_machine import Facts, difference
from bnnbench.results.store.baselines import Baseline, Baselines
from bnnbench.results.store.runs import Store
from bnnbench.results.verdict.rows import VerdictRow

from ..errors import CallError, SuiteError
from ..plan.comparisons import CompareConfig
from ..plan.side import Selection, base_of, select
from ..plan.trusted import is_own_baseline
from ..suite.load import load_suites
from ..suite.tables import Suite
from .baselines import asked_of, with_files

_CASES = ("kernel", "model", "seed", "threads")
"""What of a suite decides its cases."""


@dataclass(frozen=True, slots=True)
class Check:
    """One engine's comparison with a baseline. `measured_on` are the facts of its devices when it was saved; `notes`
    say what is judged where that is not all that the baseline was measured with."""

    baseline: str
    config: CompareConfig
    suite: Suite
    devices: list[str]
    threads: list[int] | None = None
    measured_on: Mapping[str, Facts] = field(default_factory=dict)
    notes: Sequence[str] = ()


def planned(
    store: Store,
    names: Sequence[str],
    head: str | None,
    *,
    files: Sequence[Path] | None,
    devices: Sequence[str],
    inventory: Path | None,
    budget_s: float | None,
    trusts: bool = False,
    lab: str | None = None,
) -> list[Check]:
    """The checks of each baseline, in the order given; with `trusts` also of one from elsewhere. `head` None: what the
    baseline was measured with. Cases are those that the baseline was measured of. With a `lab`, it knows the devices.

    Raises CallError, StoreError, SuiteError.
    """
    baselines = Baselines(store.path)
    checks = []
    for name in dict.fromkeys(names):
        baseline = baselines.get(name)
        heads = [head] if head is not None else _heads(baseline)
        for number, text in enumerate(heads):
            judged = select(text, baselines, trusts)
            if judged.model is not None:
                raise CallError(
                    f"--head {text!r} is a model; compare models with bnnbench ab --base A.tflite --head B.tflite."
                )
            base = base_of(baselines, name, judged.engine, trusts)
            always = not is_own_baseline(baselines, name)
            suite, changed = (load_suites(files), []) if files else _suite(baseline, base.models, always)
            _require_declared(judged, base, suite, has_files=bool(files), is_own=not always)
            where = list(devices) or (list(baseline.devices) if lab else _devices(baseline, inventory))
            notes = [*changed, *_notes(baseline, heads if head is None else [judged.engine])] if not number else []
            then = asked_of(baseline)
            compare = CompareConfig(base, judged, budget_s, within=_pattern(baseline, then.filter))
            checks.append(Check(name, compare, suite, where, then.threads, baseline.devices, notes))
    return checks


def _suite(baseline: Baseline, models: Mapping[str, str], always: bool) -> tuple[Suite, list[str]]:
    """The cases of then, with the user's own engines as the suite's file declares them today; and what is to be said
    where it is another one by now. With `always` no file of the suite is read."""
    then = asked_of(baseline)
    suite = with_files(then.suite, models, always)
    if always or not then.sources:
        return suite, []
    saved = f"since {baseline.name} was saved"
    try:
        today = load_suites(list(map(Path, then.sources)), then.layers, then.shapes)
    except SuiteError as error:
        return suite, [f"the suite can no longer be read ({str(error).rstrip('.')}); its saved version is checked"]
    notes = []
    if (today.verdict, today.gate) != (suite.verdict, suite.gate):
        notes.append(f"the suite's gates have changed {saved}; those of today are used")
        suite = msgspec.structs.replace(suite, verdict=today.verdict, gate=today.gate)
    if any(getattr(today, key) != getattr(then.suite, key) for key in _CASES):
        notes.append(f"the suite has changed {saved}; the baseline's cases are checked")
    gone = [name for name in then.suite.engine if name not in today.engine and name in baseline.judged]
    notes += [f"the suite no longer declares the engine {name}; its saved declaration is used" for name in gone]
    return msgspec.structs.replace(suite, engine={**suite.engine, **today.engine}), notes


def _pattern(baseline: Baseline, filter: str | None) -> str | None:
    try:
        re.compile(filter or "")
    except re.error as error:
        raise CallError(f"the filter of baseline '{baseline.name}' is not a regular expression: {error}.") from None
    return filter


def _heads(baseline: Baseline) -> list[str]:
    """The engines to judge: the user's own where it was measured with some, else native, or the first that it holds."""
    measured, own = baseline.judged, [item.engine for item in baseline.declared]
    kept = [name for name in measured if name in baseline.kept]
    if own or not measured:
        return own or ["native"]
    if not kept:
        held = " or ".join(f"--head {name}" for name in baseline.kept)
        lacking = "; ".join(f"{name}: {baseline.not_kept.get(name, 'not kept')}" for name in measured)
        raise CallError(
            f"the baseline '{baseline.name}' holds none of the engines that it was measured with ({lacking}); save it "
            f"again, or judge another engine with {held}."
        )
    return ["native"] if "native" in kept else kept[:1]


def _notes(baseline: Baseline, judged: Sequence[str]) -> list[str]:
    """What the user may take to be judged and is not."""
    measured = baseline.judged
    others = [name for name in measured if name not in judged]
    if measured and not set(judged) & set(measured):
        return [f"the baseline '{baseline.name}' was measured with {', '.join(measured)}, not with {', '.join(judged)}"]
    gone = [name for name in others if name not in baseline.kept]
    return [f"the baseline '{baseline.name}' was also measured with {name}, which is not checked" for name in gone] + [
        f"the baseline '{baseline.name}' was also measured with {name}; judge it with --head {name}"
        for name in others
        if name not in gone
    ]


def _require_declared(judged: Selection, base: Selection, suite: Suite, *, has_files: bool, is_own: bool) -> None:
    """Raises CallError where nothing says what the user's own engine is today."""
    if base.declared is None:
        return
    if not has_files and not is_own:
        raise CallError(
            f"{base.text} is an engine that a suite declared, and the baseline is from elsewhere; name the suite that "
            "declares it here: bnnbench check SUITE.toml --baseline NAME --trust."
        )
    if judged.engine not in suite.engine:
        raise CallError(f"suite {suite.name} declares no engine '{judged.engine}', which {base.text} is compared with.")


def with_machines(rows: Sequence[VerdictRow], checked: Check, record: RunRecord) -> list[VerdictRow]:
    """The rows, which say where a device is another machine than the baseline was measured on: its binaries were run
    again on the one that is there now, so the verdicts are about that one."""
    others = {
        name: other
        for name, facts in record.devices.items()
        if (other := difference(checked.measured_on.get(name, {}), facts))
    }
    return [_with_machine(row, others[row.record.device]) if row.record.device in others else row for row in rows]


def _with_machine(row: VerdictRow, other: str) -> VerdictRow:
    note = f"the baseline was saved on another machine of this name ({other}), and both sides were run on this one"
    why = "; ".join(part for part in (row.verdict.why, note) if part)
    return replace(row, verdict=msgspec.structs.replace(row.verdict, why=why))


def _devices(baseline: Baseline, inventory: Path | None) -> list[str]:
    """The devices that the baseline was measured on. Raises CallError when one is not known any more."""
    known = open_inventory(inventory).devices
    gone = [name for name in baseline.devices if name not in known and "://" not in name]
    if gone:
        listed = ", ".join(gone)
        raise CallError(
            f"the baseline '{baseline.name}' was measured on {listed}, which is not in the inventory; add it, or name "
            "another --device."
        )
    return list(baseline.devices)
