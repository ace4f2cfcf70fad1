"""Which devices a run is measured on: those that are named, all of a pool, or some of it that are free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bnnbench.devices.inventory import Inventory
from bnnbench.devices.selecting import Selected, Tell, resolve
from bnnbench.devices.spec import DeviceSpec

from ..errors import CallError, CannotMeasure
from .candidates import Candidates, InventoryCandidates


@dataclass(frozen=True, slots=True)
class Chosen:
    """`devices` as a run keeps them: names, and addresses as they were given. `pools`: by what was asked for, the names
    of the devices that are alike."""

    devices: list[str]
    pools: dict[str, list[str]] = field(default_factory=dict)


def choose(
    words: Sequence[str], inventory: Inventory, tell: Tell, *, any: int | None = None, all: bool = False
) -> Chosen:
    """`choose_from` an inventory. `any` waits for free devices as `--wait` says."""
    return choose_from(InventoryCandidates(inventory), words, tell, any=any, all=all)


def choose_from(
    candidates: Candidates, words: Sequence[str], tell: Tell, *, any: int | None = None, all: bool = False
) -> Chosen:
    """`words` are names, addresses, pools and queries; none of them is `local`, or with `any` or `all` every candidate.
    With `any`, so many that are free. Quarantined devices are left out, and told, except those that are named alone.

    Raises CallError, InventoryError, CannotMeasure where too few are left.
    """
    if any is not None and all:
        raise CallError("--any takes some devices and --all takes every one; give one of them.")
    if any is not None and any < 1:
        raise CallError(f"--any {any} is less than 1.")
    takes_some = bool(any or all)
    if words or not takes_some:
        selected = [candidates.select(word, tell) for word in words or ["local"]]
    else:
        selected = [candidates.every()]
    fit = {item.text: _fit(item, candidates, tell, takes_some) for item in selected}
    every = {spec.name: (word, spec) for item in selected for word, spec in _words(item, fit[item.text])}
    if not every:
        asked = " and ".join(map(repr, fit))
        raise CannotMeasure(f"every device of {asked} is quarantined; see {candidates.list_command}.")
    if any is not None:
        if any > len(every):
            raise CallError(f"--any {any} asks for more devices than there are to choose from: {', '.join(every)}.")
        free = candidates.free([spec for _, spec in every.values()], any, tell)
        every = {spec.name: every[spec.name] for spec in free}
    pools = {
        item.text: members
        for item in selected
        if item.is_pool and (members := [spec.name for spec in fit[item.text] if spec.name in every])
    }
    return Chosen([word for word, _ in every.values()], pools if words else {})


def one_word(word: str, inventory: Inventory) -> str:
    """What a run calls the one device that a text means: by its name where that is a pool or query. Raises
    InventoryError, also where there are several."""
    return word if "://" in word else resolve(word, inventory).name


def _fit(selected: Selected, candidates: Candidates, tell: Tell, takes_some: bool) -> list[DeviceSpec]:
    """A device that is named alone stays, so that the run says why it cannot be used."""
    if not selected.is_pool and not takes_some:
        return list(selected.specs)
    found = []
    for spec in selected.specs:
        if why := candidates.quarantined(spec):
            tell(f"left out: {why}")
        else:
            found.append(spec)
    return found


def _words(selected: Selected, specs: Sequence[DeviceSpec]) -> list[tuple[str, DeviceSpec]]:
    """Each with what a run calls it: as the user wrote it where that is an address."""
    return [(spec.name if selected.is_pool else selected.text, spec) for spec in specs]
