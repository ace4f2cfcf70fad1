"""The measured roofs of one device, outside any run."""

from __future__ import annotations

from pathlib import Path

from bnnbench.kernels.engines import ENGINES
from bnnbench.kernels.engines.replies import Peaks

from ..bench.one_off import one_off
from ..bench.reach import Tell

_PEAK_NS = 1_000_000_000


def measure_peaks(device: str, inventory: Path | None, threads: int, tell: Tell) -> dict[str, Peaks]:
    """ISA level -> roofs, by the native engine. Raises as `one_off`."""
    with one_off(device, inventory, ENGINES["native"], threads, "bnnbench peak", tell, times=True) as native:
        isas = native.hello.isas
        return {isa: native.client.peak(isa=isa, threads=threads, limit_ns=_PEAK_NS) for isa in isas}
