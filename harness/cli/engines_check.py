"""`bnnbench engines check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from .options import DebugOption, InventoryOption, JsonOption, OneDeviceOption, WaitOption

if TYPE_CHECKING:
    from bnnbench.kernels.engines import Engine

    from ..tasks.protocol_subject import Point
    from .terminal import Console

_FAILED = 1


def check(
    engine: Annotated[str, Parameter(help="A program, an engine declared in --suite, or a built-in engine.")],
    /,
    *,
    suite: Annotated[
        Path | None, Parameter(help="Suite that declares the engine, with its arguments and files.")
    ] = None,
    device: OneDeviceOption = "local",
    inventory: InventoryOption = None,
    wait: WaitOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Check an engine against the protocol, point by point. Exit status 1: a point is broken."""
    import sys

    from msgspec.json import encode

    from ..tasks.protocol_check import check_engine
    from .terminal import Console

    console = Console()
    points = check_engine(
        _engine(engine, suite),
        device,
        inventory,
        lambda line: print(line, file=sys.stderr),
        (lambda _: None) if json else lambda point: _show(point, console),
    )
    failed = [point for point in points if point.outcome == "failed"]
    if json:
        print(encode(points).decode())
    else:
        broken = f"{len(failed)} of {len(points)} points are broken: docs/protocol.md says what is right"
        print(broken if failed else f"all {len(points)} points are kept")
    return _FAILED if failed else 0


def _engine(name: str, suite: Path | None) -> Engine:
    """Raises CallError, SuiteError."""
    from bnnbench.kernels.engines import ENGINES, CustomEngine
    from bnnbench.kernels.targets import TRIPLES

    from ..errors import CallError
    from ..plan.config import RunConfig
    from ..suite.load import load_suites

    if suite is not None:
        return RunConfig(suite=load_suites([suite]), devices=[], engines=[name]).chosen_engines()[0]
    if name in ENGINES:
        return ENGINES[name]
    path = Path(name)
    if not path.is_file():
        raise CallError(f"{name} is neither a program nor an engine; give a file, or one of: {', '.join(ENGINES)}.")
    binary = {triple.architecture: path.absolute() for triple in TRIPLES.values()}
    return CustomEngine(path.name, ("{binary}",), binary)


def _show(point: Point, console: Console) -> None:
    from rich.text import Text

    from bnnbench.results.sheet import say

    words = {"ok": Text("ok    ", "green"), "failed": Text("FAIL  ", "bold red"), "absent": Text("none  ", "dim")}
    why = f": {point.why}" if point.why else ""
    say(console, words[point.outcome].append_text(Text(f"{point.name}: {point.what}{why}")))
