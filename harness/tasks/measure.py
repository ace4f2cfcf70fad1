"""What `run`, `eval` and `ab` measure: from the words of a call to a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msgspec import structs

from bnnbench.devices.closest import closest
from bnnbench.kernels.engines import ENGINES
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.results.records import Sustain
from bnnbench.results.store.baselines import Baselines
from bnnbench.results.store.runs import Store

from ..bench.choosing import Chosen, choose_from
from ..bench.context import Watcher
from ..errors import CallError
from ..lab.choose import candidates_at, hosts_of
from ..plan.comparisons import CompareConfig
from ..plan.config import RunConfig, inventory_path
from ..plan.extras import NONE, Extras
from ..plan.side import select
from ..run.execute import RunResult
from ..run.start import start_run
from ..suite.load import load_suites, located
from ..suite.tables import MOST_INVOCATIONS, ModelTable, Suite


@dataclass(frozen=True, slots=True)
class Call:
    """What every call that measures says: where results go, who watches, the command that runs keep, and what it is
    confined to. `devices` none: this machine; `inventory` None: the one that is found;
    `lab` is the address of the lab that has the devices. Of the devices, `any` takes so
    many that are free, and `all` every one that is not quarantined; with these and no `devices`, of the inventory or
    the lab."""

    store: Store
    watcher: Watcher
    command: Sequence[str]
    devices: Sequence[str] = ()
    inventory: Path | None = None
    threads: list[int] | None = None
    filter: str | None = None
    lab: str | None = None
    any: int | None = None
    all: bool = False

    def chosen(self) -> Chosen:
        """Its devices. Raises CallError, InventoryError, CannotMeasure."""
        candidates = candidates_at(self.lab, self.inventory)
        return choose_from(candidates, self.devices, self.watcher.note, any=self.any, all=self.all)


def measure(
    call: Call,
    suite: Suite,
    *,
    engines: Sequence[str] | None = None,
    compare: CompareConfig | None = None,
    sustain: Sustain | None = None,
    files: Sequence[Path] = (),
    layers: bool = False,
    shapes: Sequence[str] = (),
    health: bool = False,
) -> RunResult:
    """A new run of a suite. `engines` are names, or lists of names with commas; `files`, `layers` and `shapes` are what
    the suite was loaded from. Raises InventoryError, and as `start_run`."""
    chosen = call.chosen()
    config = RunConfig(
        suite=suite,
        devices=chosen.devices,
        pools=chosen.pools,
        engines=[name for names in engines for name in names.split(",")] if engines else None,
        threads=call.threads,
        filter=call.filter,
        compare=compare,
        sustain=sustain,
        sources=[str(file.resolve() if file.is_file() else file) for file in files],
        layers=layers,
        shapes=list(shapes),
        health=health,
        inventory=inventory_path(call.inventory),
        inventory_given=call.inventory is not None,
        lab=call.lab,
    )
    return start_run(config, call.store, call.watcher, call.command, hosts_of(config))


def run_files(
    call: Call,
    files: Sequence[Path],
    *,
    engines: Sequence[str] | None = None,
    invocations: int | None = None,
    layers: bool = False,
    shapes: Sequence[str] = (),
    extras: Extras = NONE,
) -> RunResult:
    """Suites and models; none of them: the quickstart suite. `shapes` are of the models' inputs. Raises SuiteError,
    CallError, and as `measure`."""
    suite = extras.asked_of(with_invocations(load_suites(files, layers, shapes), invocations))
    return measure(call, suite, engines=engines, files=files, layers=layers, shapes=shapes)


def sustain_files(
    call: Call,
    files: Sequence[Path],
    sustain: Sustain,
    *,
    engines: Sequence[str] | None = None,
    shapes: Sequence[str] = (),
) -> RunResult:
    """Suites and models, each case for so long back to back. Raises as `run_files`."""
    if sustain.fps is not None:
        ticking = [engine.name for engine in ENGINES.values() if "period_ns" in engine.run_keys]
        engines = engines or ticking[:1]
    suite = with_invocations(load_suites(files, shapes=shapes), 0)
    return measure(call, suite, engines=engines, sustain=sustain, files=files, shapes=shapes)


def evaluate_models(
    call: Call,
    models: Sequence[str],
    *,
    dataset: str,
    resize: str | None = None,
    normalize: str | None = None,
    images: int | None,
    reference_images: int | Literal["all"] | None,
    seed: int,
    engines: Sequence[str],
    invocations: int,
    shapes: Sequence[str] = (),
) -> RunResult:
    """Models, files or names of shipped ones, on labelled images. Raises SuiteError, CallError, and as `measure`."""
    if min(call.threads or [1]) < 1 or (images is not None and images < 1):
        raise CallError("--threads and --images are at least 1.")
    asked = ModelTable(file="", dataset=dataset, images=images, reference_images=reference_images)
    asked = structs.replace(asked, resize=resize, normalize=normalize, shape=list(shapes))
    tables = [located(structs.replace(asked, file=model), Path()) for model in models]
    suite = Suite(name=" ".join(Path(model).stem for model in models), model=tables, seed=seed)
    return measure(call, with_invocations(suite, invocations), engines=engines)


def compare_sides(
    call: Call,
    files: Sequence[Path],
    base: str,
    head: str,
    *,
    budget_s: float | None = None,
    trusts: bool = False,
    extras: Extras = NONE,
) -> RunResult:
    """Two engines, builds or models in interleaved pairs; with `trusts` also a baseline from elsewhere. Raises
    CallError, StoreError, SuiteError, and as `measure`."""
    baselines = Baselines(call.store.path)
    compare = CompareConfig(select(base, baselines, trusts), select(head, baselines, trusts), budget_s)
    if (compare.base.model is None) != (compare.head.model is None):
        other = compare.base if compare.base.model is None else compare.head
        none = f"{other.text!r}{closest(other.text, shipped_models())}"
        raise CallError(f"one side is a model and the other, {none}, is not; give two models, or two engines.")
    return measure(call, extras.asked_of(load_suites(files)), compare=compare)


def with_invocations(suite: Suite, count: int | None) -> Suite:
    """The suite with so many invocations of each case; None leaves its own. Raises CallError."""
    if count is None:
        return suite
    if count < 0:
        raise CallError(f"--invocations {count} is less than 0, which only verifies.")
    if count > MOST_INVOCATIONS:
        raise CallError(f"--invocations {count} is more than {MOST_INVOCATIONS:,}.")
    return structs.replace(suite, invocations=count)
