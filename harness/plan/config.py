"""What decides what a run measures."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bnnbench.devices.inventory import find_inventory, load
from bnnbench.devices.selecting import resolve
from bnnbench.devices.spec import DeviceSpec, parse_url
from bnnbench.kernels.engines import DECLARED, Engine
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.results.records import RunRecord, Sustain

from ..errors import CallError
from ..suite.own_engine import wrong_engine, wrong_name
from ..suite.tables import EngineTable, Suite
from .comparisons import CompareConfig
from .engines import engine_named
from .side import Selection


class RunConfig(msgspec.Struct, frozen=True):
    """Everything that decides what a run measures; kept in `run.json`, so that it can be resumed."""

    suite: Suite
    devices: list[str]
    engines: list[str] | None = None
    threads: list[int] | None = None
    filter: str | None = None
    compare: CompareConfig | None = None
    sustain: Sustain | None = None
    sources: list[str] = []
    """The suite files and models that the suite was loaded from, absolute; where it is none of these, none."""
    layers: bool = False
    shapes: list[str] = []
    """Of the models' inputs, as `--shape` says them."""
    pools: dict[str, list[str]] = {}
    """Devices that are alike, by the pool or query that they were chosen by."""
    health: bool = False
    """Whether it is to find out if its devices are fit: then those in quarantine are measured too."""
    inventory: str | None = None
    inventory_given: bool = False
    """Whether the user named it; a file that was only found may not decide how this machine is used."""
    lab: str | None = None
    """The address of the lab that has the devices, under the names of its hosts' inventories."""

    def chosen_engines(self) -> list[Engine]:
        """Raises CallError for an engine that is neither built in nor in the suite, or is to be a file and has none."""
        if self.compare:
            sides = (("base", self.compare.base), ("head", self.compare.head))
            for _, side in sides:
                self._require_binary(side)
            return [side.side(name, self._engine_of(side)) for name, side in sides]
        return [self._engine(name) for name in dict.fromkeys(self.engines or self.suite.engines)]

    def commands(self) -> list[str]:
        """What starts the engines that the suite or a side declares."""
        return [shlex.join(table.command) for table in self._declared()]

    def files(self) -> list[str]:
        """Every file outside the store that the run names: programs first."""
        found = [path for table in self._declared() for path in (*table.binary.values(), *table.files)]
        for side in self._sides():
            found += [*side.binaries.values(), *([side.model] if side.model else []), *side.models.values()]
        return found + [table.file for table in self.suite.model] + ([self.inventory] if self.inventory else [])

    def _sides(self) -> tuple[Selection, ...]:
        return (self.compare.base, self.compare.head) if self.compare else ()

    def _declared(self) -> list[EngineTable]:
        return [*self.suite.engine.values(), *(side.declared for side in self._sides() if side.declared)]

    def _engine(self, name: str) -> Engine:
        declared = {name: _custom(name, table) for name, table in self.suite.engine.items()}
        return engine_named(name, declared, shipped_models() if self.compare else ())

    def _engine_of(self, side: Selection) -> Engine:
        return _custom(side.engine, side.declared) if side.declared else self._engine(side.engine)

    def _require_binary(self, side: Selection) -> None:
        table = self.suite.engine.get(side.engine)
        if table and side.binaries and not table.binary:
            raise CallError(
                f"{side.text!r}: [engine.{side.engine}] has no binary that another file could take the place of; "
                "declare a second engine with the other files, and compare the two."
            )

    def specs(self) -> list[DeviceSpec]:
        """The devices, each once. Raises InventoryError."""
        inventory = load(find_inventory(self.inventory), is_given=self.inventory_given)
        return list({spec.name: spec for spec in (resolve(text, inventory) for text in self.devices)}.values())

    def device_names(self) -> list[str]:
        """Of the devices, also where the inventory lacks them by now."""
        return list(dict.fromkeys(parse_url(text).name if "://" in text else text for text in self.devices))

    def thread_counts(self) -> list[int]:
        """Each count once."""
        return list(dict.fromkeys(self.threads or self.suite.threads))


def inventory_path(explicit: Path | None) -> str | None:
    """The inventory to use, absolute, as a run keeps it. Raises InventoryError when `explicit` is not a file."""
    found = find_inventory(explicit)
    return str(found.resolve()) if found else None


def config_of(record: RunRecord) -> RunConfig:
    """What a stored run was asked to measure. Raises CallError when this version cannot read it."""
    if not record.suite:
        raise CallError(
            f"run {record.run_id} was imported from {record.suite_name} and cannot be run again; take one that "
            "bnnbench measured."
        )
    try:
        return msgspec.convert(record.suite, RunConfig)
    except msgspec.ValidationError as error:
        raise CallError(
            f"run {record.run_id} was made by bnnbench {record.version}, and this version cannot continue it ({error})."
        ) from None


def _custom(name: str, table: EngineTable) -> Engine:
    """Raises CallError for a table that no suite may hold; that of a stored run or baseline was read by nobody else."""
    if wrong := wrong_name(name) or wrong_engine(table):
        raise CallError(f"[engine.{name}]: {wrong}.")
    binary: Mapping[str, Path] = {architecture: Path(file) for architecture, file in table.binary.items()}
    files = tuple(map(Path, table.files))
    kind = DECLARED[str(table.protocol)]
    return kind.declared(name, tuple(table.command), binary, files, frozenset(table.accepts))
