"""`bnnbench profile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from .options import DebugOption, InventoryOption, JsonOption, OneDeviceOption, ThreadsOption

if TYPE_CHECKING:
    from ..tasks.profile import ModelProfile

EXAMPLES = """Examples:
  bnnbench profile quicknet.tflite
  bnnbench profile quicknet.tflite -d pi4 --threads 4
  bnnbench profile quicknet.tflite --trace steps.json      # open it in Perfetto
  bnnbench profile quicknet.tflite --roofline steps.svg    # every step against the device's roofs"""


def profile(
    model: Annotated[Path, Parameter(help="A .tflite file, or the name of a shipped model.")],
    /,
    *,
    device: OneDeviceOption = "local",
    threads: ThreadsOption = 1,
    runs: Annotated[int, Parameter(help="How often every step is timed.")] = 50,
    trace: Annotated[Path | None, Parameter(help="Also write the steps as a trace for Chrome or Perfetto.")] = None,
    roofline: Annotated[
        Path | None, Parameter(help="Also draw the steps against the device's roofs: a .pdf, .svg or .png.")
    ] = None,
    inventory: InventoryOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Time every step of a model on the native engine: its share, its speed, and how close it is to the roof."""
    import sys
    from dataclasses import asdict
    from json import dumps

    import msgspec

    from bnnbench.results.charts.paper import FORMATS

    from ..errors import CallError
    from ..suite.load import model_path
    from ..tasks.profile import profile as measure
    from ..tasks.profile import save_roofline

    if threads < 1 or runs < 1:
        raise CallError("--threads and --runs are at least 1.")
    if roofline is not None and roofline.suffix.removeprefix(".") not in FORMATS:
        raise CallError(f"--roofline is written as {', '.join(FORMATS)}; give a file with such a suffix.")
    tell = lambda line: print(line, file=sys.stderr)  # noqa: E731
    done = measure(
        model_path(str(model), Path()), device=device, inventory=inventory, threads=threads, runs=runs, tell=tell
    )
    if trace is not None:
        from bnnbench.results.export.chrome_trace import spans

        steps = ((op.name, op.time_ns, {"kernel": op.kernel, "gops": op.gops, "roof": op.roof}) for op in done.ops)
        trace.write_text(spans(model.name, device, steps) + "\n", "utf-8")
    if roofline is not None:
        try:
            caption = save_roofline(done, model.name, device, roofline)
        except ValueError as error:
            raise CallError(f"--roofline has nothing to draw: {error}.") from None
        print(f"{roofline}, described in {caption}", file=sys.stderr)
    if json:
        print(dumps(asdict(done) | {"peaks": msgspec.to_builtins(done.peaks)}, indent=1))
    else:
        _show(model, device, done)


def _show(model: Path, device: str, done: ModelProfile) -> None:
    from rich.table import Table
    from rich.text import Text

    from bnnbench.harness.cli.terminal import Console
    from bnnbench.results.quantity import duration, percentage, rate

    table = Table(box=None, pad_edge=False)
    for title, justify in [
        ("#", "right"),
        ("step", "left"),
        ("kernel", "left"),
        ("time", "right"),
        ("share", "right"),
        ("speed", "right"),
        ("of roof", "right"),
        ("roof", "left"),
    ]:
        table.add_column(title, justify=justify, no_wrap=title != "step", overflow="fold")  # type: ignore[arg-type]
    for op in done.ops:
        table.add_row(
            str(op.index),
            Text(op.name),
            Text(op.kernel),
            duration(op.time_ns),
            percentage(op.share),
            "" if op.gops is None else rate(op.gops),
            "" if op.roof_share is None else percentage(op.roof_share),
            op.roof or "",
        )
    console = Console()
    console.print(table)
    counts = f"{done.runs} runs, {done.threads} thread{'s' if done.threads > 1 else ''}"
    console.print(
        f"{model.name} on {device}: {duration(done.total_ns)} in all, the steps add up to {duration(done.sum_ns)} "
        f"({percentage(done.sum_ns / done.total_ns)}); medians of {counts}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
