"""`bnnbench engines`: list, build, check, install."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from bnnbench.devices.closest import there_is_no

from .engines_check import check
from .examples import give_own_examples
from .options import DebugOption, JsonOption

app = App(
    name="engines",
    help="List, build, install and check engines.",
    help_epilogue="""Examples:
  bnnbench engines list
  bnnbench engines list --kernels             # the native engine's inner loops, by ISA level
  bnnbench engines build --target aarch64-linux-musl
  bnnbench engines check ./my_engine -d pi4   # is its protocol right?
  bnnbench engines install lce                # Larq Compute Engine, to compare with
  bnnbench engines install larq               # Larq and TensorFlow, for training""",
)


@app.command(name="list")
def list_(
    *,
    kernels: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="List the native engine's micro-kernels, by ISA level."),
    ] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the engines, what they run, and whether they are installed."""
    from bnnbench.kernels.engines import ENGINES
    from bnnbench.kernels.engines.installation import RUNTIMES, installed
    from bnnbench.kernels.sources import isas_of
    from bnnbench.kernels.targets import TRIPLES, caveats_of
    from bnnbench.results.sheet import Column, Sheet, say

    from .documents.document import text_of
    from .documents.engines import ListedEngine
    from .terminal import Console

    if kernels:
        _list_kernels(json)
        return
    states = {name: "installed" if installed(name) else "not installed" for name in RUNTIMES}
    rows = [
        ListedEngine(
            name=name,
            runs=[
                {"op": "kernels", "plan": "models", "tflite": "models", "onnx": "models"}[kind]
                for kind in sorted(engine.accepts - {"lce"})
            ],
            targets={triple: isas_of(name, triple) for triple in TRIPLES} if engine.builds else None,
            state="built when needed" if engine.builds else states[getattr(engine, "runtime", name)],
            about=engine.about,
        )
        for name, engine in ENGINES.items()
    ]
    if json:
        print(text_of(rows))
        return
    sheet = Sheet(Column("engine"), Column("runs", folds=True), Column("state", folds=True), Column("what", folds=True))
    for row in rows:
        sheet.add(row.name, ", ".join(row.runs), row.state, row.about)
    console = Console()
    sheet.print(console)
    for triple in TRIPLES:
        levels = isas_of("native", triple)
        say(console, f"built for {triple}: {', '.join(levels)}")
        for caveat in caveats_of(levels):
            say(console, caveat)


def _list_kernels(json: bool) -> None:
    from dataclasses import asdict

    from bnnbench.kernels.targets import ISA_LEVELS, micro_kernels
    from bnnbench.results.sheet import Column, Sheet, say

    from .documents.document import text_of
    from .documents.engines import ListedKernel
    from .terminal import Console

    found = [kernel for level in ISA_LEVELS for kernel in micro_kernels(level)]
    if json:
        print(text_of([ListedKernel(**asdict(kernel), tile=kernel.tile) for kernel in found]))
        return
    sheet = Sheet(
        Column("name"), Column("target"), Column("ops", folds=True), Column("how", folds=True), Column("source", rank=1)
    )
    for kernel in found:
        sheet.add(kernel.name, kernel.triple.partition("-")[0], ", ".join(kernel.ops), kernel.how, kernel.source)
    console = Console()
    sheet.print(console)
    say(
        console,
        'A name is ISA level and tile, pixels x channels. In a suite: micro_kernel = "avx2-4x8" in a [[kernel]].',
    )


@app.command
def install(name: str, /, *, debug: DebugOption = False) -> None:
    """Install a runtime to compare with (lce, litert) or to train with (larq), in an environment of its own."""
    import sys

    from bnnbench.kernels.engines.installation import RUNTIMES
    from bnnbench.kernels.engines.installation import install as make

    from ..errors import CallError

    if name not in RUNTIMES:
        raise CallError(f"{there_is_no('runtime to install', name, RUNTIMES)}.")
    python = make(name, lambda line: print(line, file=sys.stderr, flush=True))
    print(f"{name} is installed:", file=sys.stderr)
    print(python)


@app.command
def build(
    *,
    target: Annotated[list[str] | None, Parameter(negative="", help="Target triples; default: a wheel's.")] = None,
    engine: Annotated[list[str] | None, Parameter(name=["--engine", "-e"], negative="", help="Default all.")] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Build the engines into the cache, for a first run that starts at once."""
    import sys

    from bnnbench.kernels.sources import RECIPES, levels_for
    from bnnbench.kernels.targets import DEFAULT_TRIPLES, TRIPLES
    from bnnbench.kernels.toolchain import build as build_engine

    from ..errors import CallError
    from .documents.document import text_of
    from .documents.engines import BuiltEngine

    buildable = list(RECIPES)
    for name in engine or []:
        if name not in buildable:
            raise CallError(f"{there_is_no('engine to build', name, buildable)}.")
    tell = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    for triple in target or ():
        if triple not in TRIPLES:
            raise CallError(f"{there_is_no('target', triple, TRIPLES)}.")
    builds = [
        build_engine(name, triple, isa, tell)
        for triple in target or DEFAULT_TRIPLES
        for name in engine or buildable
        for isa in levels_for(name, triple)
    ]
    if json:
        print(
            text_of(
                [
                    BuiltEngine(
                        engine=b.engine, triple=b.triple, isa=b.isa, build=b.build, sha256=b.sha256, path=str(b.path)
                    )
                    for b in builds
                ]
            )
        )
        return
    for b in builds:
        print(f"{b.engine} {b.triple} {b.isa or 'all levels'} {b.path.stat().st_size / 1000:.0f} kB {b.path}")


app.command(check)


give_own_examples(app)
