"""`bnnbench peak`."""

from __future__ import annotations

from cyclopts import App

from .options import DebugOption, InventoryOption, JsonOption, OneDeviceOption, ThreadsOption, WaitOption

app = App(name="peak", help_epilogue="Example: bnnbench peak --device pi4")


@app.default
def peak(
    *,
    device: OneDeviceOption = "local",
    threads: ThreadsOption = 1,
    inventory: InventoryOption = None,
    wait: WaitOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure a device's roofs per ISA level: popcount and multiply-add throughput, and memory bandwidth."""
    import sys

    from bnnbench.kernels.targets import caveats_of
    from bnnbench.results.quantity import clock, rate
    from bnnbench.results.sheet import Column, Sheet, say

    from ..tasks.peak import measure_peaks
    from .documents.document import text_of
    from .terminal import Console

    peaks = measure_peaks(device, inventory, threads, lambda line: print(line, file=sys.stderr))
    if json:
        print(text_of(peaks))
        return
    levels = list(dict.fromkeys(level for figures in peaks.values() for level in figures.read_gb_s or {}))
    sheet = Sheet(*map(Column, ("ISA level", "popcount", "int8", "f32", *(f"read {name}" for name in levels), "clock")))
    for isa, figures in peaks.items():
        read = figures.read_gb_s or {}
        sheet.add(
            isa,
            "" if figures.popcount_gops is None else rate(figures.popcount_gops),
            "" if figures.int8_gops is None else rate(figures.int8_gops),
            "" if figures.fma_gflops is None else f"{figures.fma_gflops:.3g} GFLOPS",
            *(f"{read[name]:.3g} GB/s" if name in read else "" for name in levels),
            "" if figures.clock_hz is None else clock(figures.clock_hz),
        )
    console = Console()
    sheet.print(console)
    for caveat in caveats_of(peaks):
        say(console, caveat)
