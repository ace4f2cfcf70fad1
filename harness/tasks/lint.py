"""What makes a model slower or larger than it has to be, on a device or in multiply-accumulates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.lint import NOMINAL, Finding, Roofs, lint_file, lint_model, measured_rates
from bnnbench.kernels.models.lint.linting import RULES
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.shapes import with_shapes

from ..bench.reach import Tell
from ..errors import CallError
from ..suite.shape_words import shapes_of
from .caches import caches
from .profile import profile


@dataclass(frozen=True, slots=True)
class Lint:
    """`unit` of costs is ns on `device`, or MACs where there is none; `total` is the cost of one inference in it.

    `trust` is the grade of the device's times with `doubts`, both empty without a device. `not_imported` says why only
    the file was looked at, and not its ops.
    """

    findings: tuple[Finding, ...]
    unit: str
    total: float
    file_bytes: int
    device: str | None = None
    trust: str = ""
    doubts: tuple[str, ...] = ()
    not_imported: str = ""

    def failing(self, fail_on: str) -> list[Finding]:
        """The findings that `--fail-on` names: see `condition`."""
        return [] if fail_on == "none" else [each for each in self.findings if _fails(each, fail_on)]


def condition(words: str) -> str:
    """What `--fail-on` says: none, any, an id, or a share such as 10%. Raises CallError."""
    if words in ("none", "any") or words in RULES or _share(words) is not None:
        return words
    raise CallError(f"--fail-on {words} is none of: none, any, a share such as 10%, {', '.join(RULES)}.")


def lint(
    file: Path,
    *,
    device: str | None,
    inventory: Path | None,
    threads: int,
    runs: int,
    tell: Tell,
    shapes: Sequence[str] = (),
) -> Lint:
    """Without a device nothing is measured. `shapes` are words of `--shape`. Raises ModelError, and with a
    device what `profile` raises."""
    model = with_shapes(read_model(file), shapes_of(shapes))
    try:
        graph = graph_of(model)
        plan = make_plan(graph)
    except ModelError as error:
        if device is not None:
            raise
        found = lint_file(model)
        return Lint(found.findings, NOMINAL.unit, found.total, model.size_bytes, not_imported=str(error))
    if device is None:
        found = lint_model(model, graph, plan)
        return Lint(found.findings, NOMINAL.unit, found.total, model.size_bytes)
    sizes = caches(device, inventory)
    timed = profile(file, device=device, inventory=inventory, threads=threads, runs=runs, tell=tell, shapes=shapes)
    peaks = timed.peaks
    read = peaks.read_gb_s or {}
    roofs = Roofs(peaks.popcount_gops, peaks.fma_gflops, read, sizes.l2_bytes, sizes.last_bytes)
    times = {op.index: op.time_ns for op in timed.ops}
    rates = measured_rates(plan.steps, times, roofs)
    found = lint_model(model, graph, plan, rates)
    return Lint(found.findings, rates.unit, found.total, model.size_bytes, device, timed.trust, timed.doubts)


def _fails(finding: Finding, fail_on: str) -> bool:
    share = _share(fail_on)
    return finding.share >= share if share is not None else fail_on in ("any", finding.id)


def _share(words: str) -> float | None:
    number = words.removesuffix("%").strip()
    try:
        share = float(number) / 100
    except ValueError:
        return None
    return share if words.endswith("%") and 0 <= share <= 1 else None
