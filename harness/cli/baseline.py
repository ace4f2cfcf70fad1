"""`bnnbench baseline`: save, list."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from .examples import give_own_examples
from .options import DebugOption, JsonOption, StoreOption, TrustOption

app = App(
    name="baseline",
    help="Save runs as baselines, and list them.",
    help_epilogue="""Examples:
  bnnbench run suite.toml && bnnbench baseline save main
  bnnbench baseline save v1.2 --pin            # drift is measured against the oldest pinned one
  bnnbench baseline list
  bnnbench check --baseline main --baseline v1.2""",
)


@app.command
def save(
    name: Annotated[
        str,
        Parameter(help="Name. An older baseline of this name with the same suite, devices and engines is replaced."),
    ],
    run: Annotated[str, Parameter(help="Run to save: an id, a unique prefix, or latest.")] = "latest",
    /,
    *,
    pin: Annotated[
        bool, Parameter(negative="", show_default=False, help="Measure drift against this baseline.")
    ] = False,
    replace: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="Replace the baseline even if its suite, devices or engines differ."
        ),
    ] = False,
    trust: TrustOption = False,
    store: StoreOption = None,
    debug: DebugOption = False,
) -> None:
    """Save a run's engines, models and suite as a baseline, to compare newer code with."""
    from bnnbench.results.store.baselines import Baselines
    from bnnbench.results.store.runs import Store
    from bnnbench.results.verdict.rows import signed

    from ..tasks.baselines import described, drift_since_pinned, save_baseline

    results = Store(store)
    baselines = Baselines(results.path)
    saved = save_baseline(baselines, name, results.run(run), pin=pin, trusts=trust, replaces=replace)
    results.upload()
    baseline = saved.baseline
    engines = [f"{engine.engine} for {engine.isa or engine.triple}" for engine in baseline.engines]
    for own in baseline.declared:
        digests = ", ".join(sha[:12] for sha in (*own.binary.values(), *own.files)) or "no files"
        on = f" for {' and '.join(own.binary)}" if own.binary else ""
        engines.append(f"{own.engine}{on} ({digests})")
    print(f"baseline {name}: {', '.join(engines)}; {len(baseline.models)} models; saved in {saved.path}")
    print(f"of run {baseline.run_id}: {described(baseline)}")
    if saved.replaced:
        print(f"replaced: the baseline of run {saved.replaced.run_id}, {described(saved.replaced)}")
    for own in baseline.declared:
        if not any(kept in own.command[0] for kept in ("{binary}", "{folder}")):
            print(f"not kept: {own.command[0]}, which starts {own.engine}: the device's own is run")
    for engine, why in baseline.not_kept.items():
        print(f"not kept: {engine}: {why}")
    for warning in saved.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    drifts = drift_since_pinned(baselines, name)
    if drifts:
        print(
            f"latency since {drifts[0].since}, the oldest pinned baseline (ratios of two runs, no verdict; for one: "
            f"bnnbench check --baseline {drifts[0].since}):"
        )
        for item in sorted(drifts, key=lambda drift: -drift.ratio):
            print(f"  {signed(item.ratio):>9}  {item.workload} on {item.device}")


@app.command(name="list")
def list_(*, store: StoreOption = None, json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the baselines of the store, oldest first."""
    from msgspec.json import encode

    from bnnbench.results.sheet import Column, Sheet
    from bnnbench.results.store.baselines import Baselines
    from bnnbench.results.store.place import require_store
    from bnnbench.results.store.runs import Store

    from .terminal import Console

    folder = Store(store).path
    require_store(folder)
    found = Baselines(folder)
    if json:
        print(encode(found.all()).decode())
        return
    sheet = Sheet(
        *(Column("name", folds=True), Column("saved", rank=1), Column("commit", rank=2), Column("cases", right=True)),
        *(Column("devices", folds=True), Column("pinned")),
    )
    for item in found.all():
        sheet.add(
            item.name,
            item.created[:16].replace("T", " "),
            (item.commit or "")[:10],
            str(len(item.figures)),
            ", ".join(item.devices),
            "pinned" if item.pinned else "",
        )
    console = Console()
    sheet.print(console)
    console.print(f"baselines in {found.path}", style="dim", highlight=False, markup=False, soft_wrap=True)


give_own_examples(app)
