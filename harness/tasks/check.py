"""What `check` compares: for each baseline its binaries and models against the current ones, on the same device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from bnnbench.devices.inventory import open_inventory
from bnnbench.results.records import RunRecord
from bnnbench.results.store.baselines import Capsule, Capsules
from bnnbench.results.store.runs import Store
from bnnbench.results.verdict.rows import VerdictRow

from ..errors import CallError
from ..plan.comparisons import Compare
from ..plan.side import base_of, select
from ..plan.trusted import is_own_baseline
from ..run.same_machine import Facts, difference
from ..suite.load import load_suites
from ..suite.tables import Suite
from .baselines import suite_of, with_files


@dataclass(frozen=True, slots=True)
class Check:
    """One baseline's comparison. `measured_on` are the facts of its devices when it was saved."""

    config: Compare
    suite: Suite
    devices: list[str]
    measured_on: Mapping[str, Facts] = field(default_factory=dict)


def planned(
    store: Store,
    names: Sequence[str],
    head: str,
    *,
    files: Sequence[Path] | None,
    devices: Sequence[str],
    inventory: Path | None,
    budget_s: float | None,
    trusts: bool = False,
) -> list[Check]:
    """A check for each baseline, in the order given; with `trusts` also of one from elsewhere.

    Raises CallError, StoreError, SuiteError.
    """
    capsules = Capsules(store.path)
    judged = select(head, capsules, trusts)
    if judged.model is not None:
        raise CallError(f"--head {head!r} is a model; compare models with bnnbench ab --base A.tflite --head B.tflite.")
    checks = []
    for name in dict.fromkeys(names):
        capsule = capsules.get(name)
        base = base_of(capsules, name, judged.engine, trusts)
        always = not is_own_baseline(capsules, name)
        suite = load_suites(files) if files else with_files(suite_of(capsule), base.models, always)
        where = list(devices) or _devices(capsule, inventory)
        checks.append(Check(Compare(base, judged, budget_s), suite, where, capsule.devices))
    return checks


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


def _devices(capsule: Capsule, inventory: Path | None) -> list[str]:
    """The devices that the baseline was measured on. Raises CallError when one is not known any more."""
    known = open_inventory(inventory).devices
    gone = [name for name in capsule.devices if name not in known and "://" not in name]
    if gone:
        listed = ", ".join(gone)
        raise CallError(
            f"the baseline '{capsule.name}' was measured on {listed}, which is not in the inventory; add it, or name "
            "another --device."
        )
    return list(capsule.devices)
