"""`bnnbench engines`: list, build."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from .options import DebugOption, JsonOption

app = App(
    name="engines",
    help="The programs that execute workloads.",
    help_epilogue="""Examples:
  bnnbench engines list
  bnnbench engines build --target aarch64-linux-musl""",
)


@app.command(name="list")
def list_(*, json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the engines and the platforms and ISA levels they are built for."""
    from json import dumps

    from rich.console import Console
    from rich.table import Table

    from bnnbench.kernels.engines import ENGINES
    from bnnbench.kernels.targets import ISA_LEVELS, TRIPLES

    isas = {triple: [level.isa for level in ISA_LEVELS if level.triple == triple] for triple in TRIPLES}
    if json:
        print(
            dumps(
                {name: {"protocol": engine.protocol, "targets": isas} for name, engine in ENGINES.items()},
                indent=1,
            )
        )
        return
    table = Table("engine", "target", "ISA levels", "what", box=None, pad_edge=False)
    for name, engine in ENGINES.items():
        for triple, levels in isas.items():
            table.add_row(name, triple, " ".join(levels), (type(engine).__doc__ or "").split("\n")[0])
    Console().print(table)


@app.command
def build(
    *,
    target: Annotated[list[str] | None, Parameter(negative="", help="Triples; default all.")] = None,
    engine: Annotated[list[str] | None, Parameter(name=["--engine", "-e"], negative="", help="Default both.")] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Build the engines into the cache, for a first run that starts at once."""
    import sys
    from json import dumps

    from bnnbench.kernels.engines import ENGINES
    from bnnbench.kernels.targets import ISA_LEVELS, TRIPLES
    from bnnbench.kernels.toolchain import build_native, build_numba

    from ..errors import CallError

    for name in engine or []:
        if name not in ENGINES:
            raise CallError(f"there is no engine '{name}' to build; there are {', '.join(ENGINES)}.")
    tell = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    for triple in target or ():
        if triple not in TRIPLES:
            raise CallError(f"nothing is built for '{triple}'; the targets are {', '.join(TRIPLES)}.")
    names = engine or list(ENGINES)
    builds = []
    for triple in target or TRIPLES:
        if "native" in names:
            builds.append(build_native(triple, tell))
        if "numba" in names:
            levels = [level.isa for level in ISA_LEVELS if level.triple == triple]
            builds += [build_numba(triple, isa, tell) for isa in levels]
    if json:
        print(
            dumps(
                [
                    {
                        "engine": b.engine,
                        "triple": b.triple,
                        "isa": b.isa,
                        "build": b.build,
                        "sha256": b.sha256,
                        "path": str(b.path),
                    }
                    for b in builds
                ],
                indent=1,
            )
        )
        return
    for b in builds:
        print(f"{b.engine} {b.triple} {b.isa or 'all levels'} {b.path.stat().st_size / 1000:.0f} kB {b.path}")
