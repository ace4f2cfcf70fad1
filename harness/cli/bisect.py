"""`bnnbench bisect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from .options import (
    DebugOption,
    FilterOption,
    InventoryOption,
    JsonOption,
    OneDeviceOption,
    StoreOption,
    ThreadCountsOption,
    TrustOption,
    WaitOption,
)

if TYPE_CHECKING:
    from ..tasks.bisect.outcome import BisectResult, CaseFound
    from .terminal import Console

EXAMPLES = """Examples:
  bnnbench bisect --good v1.2 --build "make engine" --engine mine@build/mine suite.toml
  bnnbench bisect --good v1.2 --bad main --build make --engine mine@mine suite.toml -d pi4
  bnnbench bisect --good v1.2 --model model.tflite --metric size      # a file in git
  bnnbench bisect --good v1.2 --build "python train.py" --model out/model.tflite
  bnnbench bisect --resume                                            # go on with the last one
Exit status: 0 found, 2 the call is wrong, 3 no regression, undecided or not measured,
130 interrupted."""

app = App(name="bisect", help_epilogue=EXAMPLES)
_LATEST = "latest"


@app.default
def bisect(
    files: Annotated[list[Path] | None, Parameter(help="Suites (.toml); default: quickstart.")] = None,
    /,
    *,
    good: Annotated[str | None, Parameter(help="Commit, tag or branch that is not worse yet.")] = None,
    bad: Annotated[str, Parameter(help="Commit, tag or branch that is.")] = "HEAD",
    build: Annotated[str | None, Parameter(help="Shell command that builds a commit, run in its checkout.")] = None,
    engine: Annotated[
        str | None, Parameter(help="NAME@PATH: engine of the suite, and its binary in the repository.")
    ] = None,
    model: Annotated[str | None, Parameter(help="Model file in the repository, tracked or made by --build.")] = None,
    metric: Annotated[str, Parameter(help="latency, instructions, size or accuracy.")] = "latency",
    smallest: Annotated[
        str | None, Parameter(help="Smallest step to look for, such as 2%; larger takes fewer pairs.")
    ] = None,
    paths: Annotated[
        list[str], Parameter(name="--path", negative="", show_default=False, help="Only commits that change this path.")
    ] = [],  # noqa: B006 - the parser copies it
    device: OneDeviceOption = "local",
    threads: ThreadCountsOption = None,
    filter: FilterOption = None,
    build_timeout: Annotated[str, Parameter(help="Longest time of a build, such as 90s or 1h.")] = "30m",
    resume: Annotated[
        bool, Parameter(negative="", show_default=False, help="Go on with a bisection: the last, or that of --id.")
    ] = False,
    id: Annotated[str, Parameter(help="Which bisection to go on with.")] = _LATEST,
    keep: Annotated[
        bool, Parameter(negative="", show_default=False, help="Keep the checkout in which commits are built.")
    ] = False,
    json: JsonOption = False,
    store: StoreOption = None,
    inventory: InventoryOption = None,
    trust: TrustOption = False,
    wait: WaitOption = None,
    debug: DebugOption = False,
) -> int:
    """Find the commit that made an engine or a model worse, with the probability that it did."""
    import msgspec

    from bnnbench.devices.inventory import open_inventory
    from bnnbench.results.store.runs import Store

    from ..bench.choosing import one_word
    from ..errors import CallError
    from ..tasks.bisect.begin import Asked, begin
    from ..tasks.bisect.bisecting import Bisecting
    from ..tasks.bisect.comparing import StepInterrupted
    from ..tasks.bisect.state import BisectState
    from .measuring import INTERRUPTED, NOT_MEASURED, called
    from .next_command import with_store
    from .terminal import Console
    from .words import pattern, seconds, share, thread_counts

    if resume == (good is not None):
        raise CallError("give --good COMMIT to begin a bisection, or --resume to go on with one.")
    results = Store(store)
    device = one_word(device, open_inventory(inventory))
    with called(results, [device], inventory, thread_counts(threads), pattern(filter)) as call:
        if resume:
            state = BisectState.open(results.path, id, trust)
        else:
            timeout_s = seconds(build_timeout) or 0.0
            least = share(smallest, "--smallest") if smallest is not None else None
            asked = Asked(str(good), bad, build, engine, model, metric, tuple(paths), timeout_s, least)
            state = begin(call, Path.cwd(), files or [], asked)
        bisecting = Bisecting(call, state)
        hint = f"go on with bnnbench bisect --resume --id {state.plan.id}{with_store('', store)}"
        try:
            result = bisecting.run()
        except (KeyboardInterrupt, StepInterrupted):
            call.watcher.note(f"interrupted: {hint}")
            return INTERRUPTED
        except Exception:
            call.watcher.note(f"what was measured is kept: {hint}")
            raise
        finally:
            state.close()
        if not keep:
            bisecting.worktree.remove()
    if json:
        print(msgspec.json.format(msgspec.json.encode(result), indent=1).decode())
    else:
        print_result(result, Console())
    return 0 if result.is_found else NOT_MEASURED


def print_result(result: BisectResult, console: Console) -> None:
    """The measured commits of each case, then what was found."""
    from bnnbench.results.sheet import say

    from ..tasks.bisect.outcome import sentences

    for case in result.cases:
        if case.levels:
            _print_levels(result, case, console)
    for skipped in result.skipped:
        say(console, f"skipped {skipped.commit.short} ({skipped.commit.subject}): {skipped.reason}", "yellow")
    for text in sentences(result):
        say(console, text, "bold")


def _print_levels(result: BisectResult, case: CaseFound, console: Console) -> None:
    from bnnbench.results.metrics import METRICS
    from bnnbench.results.sheet import Column, Sheet, say

    from ..tasks.bisect.outcome import effect_text

    metric = METRICS[result.metric]
    say(console, f"{case.case}, {metric.label} against {result.good.short}:")
    sheet = Sheet(*map(Column, ("commit", "date", "effect", "pairs" if metric.is_paired else metric.word, "subject")))
    for level in case.levels:
        figure = str(level.pairs) if level.value is None else metric.text(level.value)
        effect = effect_text(level, metric.in_points, sign=True)
        sheet.add(level.commit.short, level.commit.date, effect, figure, level.commit.subject)
    sheet.print(console)
