"""What `check` compares: for each baseline its binaries and models against the current ones, on the same device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnbench.devices.inventory import open_inventory
from bnnbench.results.baselines import Capsule, Capsules
from bnnbench.results.store import Store

from .baselines import suite_of, with_files
from .comparisons import Compare
from .errors import CallError
from .selection import base_of, select
from .suite import load_suites
from .suite_tables import Suite


@dataclass(frozen=True, slots=True)
class Check:
    """One baseline's comparison."""

    config: Compare
    suite: Suite
    devices: list[str]


def planned(
    store: Store,
    names: Sequence[str],
    head: str,
    files: Sequence[Path] | None,
    devices: Sequence[str],
    inventory: Path | None,
    budget_s: float | None,
) -> list[Check]:
    """A check for each baseline, in the order given. Raises CallError, StoreError, SuiteError."""
    capsules = Capsules(store.path)
    judged = select(head, capsules)
    if judged.model is not None:
        raise CallError(f"--head {head!r} is a model; compare models with bnnbench ab --base A.tflite --head B.tflite.")
    checks = []
    for name in dict.fromkeys(names):
        capsule = capsules.get(name)
        base = base_of(capsules, name, judged.engine)
        suite = load_suites(files) if files else with_files(suite_of(capsule), base.models)
        where = list(devices) or _devices(capsule, inventory)
        checks.append(Check(Compare(base, judged, budget_s), suite, where))
    return checks


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
