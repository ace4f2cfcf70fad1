"""Comparisons with a verdict: `bnnbench.ab` and `bnnbench.check`."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

from .error import plain, raises_sentences
from .measuring import calling
from .runs import Results, Run, Runs, run_of
from .words import command, duration, names, opened, path_of, paths, teller, waits

if TYPE_CHECKING:
    import pandas as pd


@raises_sentences
@waits
def ab(
    files: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
    /,
    *,
    base: str,
    head: str,
    device: str | Sequence[str] = "local",
    any: int | None = None,
    all: bool = False,
    threads: int | str | Sequence[int] | None = None,
    filter: str | None = None,
    tails: bool = False,
    deadline: str | None = None,
    starts: bool = False,
    budget: str | float | None = None,
    trust: bool = False,
    store: str | PathLike[str] | None = None,
    inventory: str | PathLike[str] | None = None,
    lab: str | None = None,
    wait: str | float | None = None,
    progress: bool = False,
) -> Run:
    """Compares two engines, builds or models in interleaved pairs, with a verdict for each case.

    Does the same as `bnnbench ab`, with its options as arguments.

    Args:
        files: Suites (`.toml`) and models (`.tflite`), one or several; default: quickstart.
        base: Reference side: `ENGINE`, `ENGINE@FILE`, `ENGINE@BASELINE`, or a model.
        head: Candidate side, in the same forms.
        device: Names of the inventory, pools, queries such as "soc=bcm2712", `local`, or addresses such as
            `ssh://pi@pi4.lab`.
        any: Take this many free devices, of those that `device` names, else of the inventory or lab.
        all: Take every device that is not quarantined, of those that `device` names, else of the inventory or lab.
        threads: Thread counts, such as 4, [1, 4] or "1,4".
        filter: Only workloads whose name matches this regular expression.
        tails: Also time single executions, for p99 and p99.9.
        deadline: Also count executions that take longer, such as "33ms".
        starts: Also time processes from start to first result, with their files in memory and not.
        budget: Time limit: seconds, or text such as "90s", "5min" or "1h".
        trust: Trust a run or baseline from elsewhere: run its programs and read its files.
        store: Folder of stored runs; default: `runs` in the project.
        inventory: Device list; default: `devices.toml` here or in a parent folder, then your own.
        lab: Address of the lab that has the devices, such as "tls://lab.local:8786".
        wait: How long to wait for a busy device: seconds, or text such as "30s", "10m" or "1h".
        progress: Show progress on stderr.

    Returns:
        The stored run; its `verdicts` have a row for each case and metric.

    Raises:
        CallError: An argument, a side, a suite or the inventory is wrong.
        MeasureError: Nothing could be measured.
        KeyboardInterrupt: The run was interrupted; the message has the command that finishes it.

    Example:
        >>> import bnnbench as bnn
        >>> run = bnn.ab(base="quicknet_xs", head="quicknet_s", budget="1s", store="results")
        >>> sorted(set(run.verdicts["head"]))
        ['quicknet_s']
    """
    from ..cli.words import nanoseconds
    from ..plan.extras import Extras
    from ..tasks.measure import compare_sides

    budget_s = duration(budget)
    asked = {"base": base, "head": head, "device": device, "threads": threads, "filter": filter, "budget": budget}
    asked |= {"any": any, "all": all, "tails": tails, "deadline": deadline, "starts": starts}
    words = command("ab", files, {**asked, "trust": trust, "store": store, "inventory": inventory, "lab": lab})
    extras = Extras(tails, nanoseconds(deadline), starts)
    with calling(words, progress, store, device, inventory, threads, filter, lab=lab, any=any, all=all) as call:
        done = compare_sides(call, paths(files), base, head, budget_s=budget_s, trusts=trust, extras=extras)
    return run_of(done, call.store)


@dataclass(frozen=True)
class Check:
    """What became of a check.

    Attributes:
        runs: The comparisons that were measured.
        status: The exit status of `bnnbench check`: 0 passed; 1 regression or wrong output; 3 not measured, or too many
            inconclusive.
        not_measured: Devices, baselines and cases without a verdict, with the reason: `{"device 'pi4'": "..."}`.
        notes: Further remarks, as sentences.
    """

    runs: Runs
    status: int
    not_measured: dict[str, str]
    notes: tuple[str, ...]

    @property
    def is_fine(self) -> bool:
        """Whether there is no regression, and enough cases have a verdict."""
        return self.status == 0

    @property
    def verdicts(self) -> "pd.DataFrame":
        """A row for each case and metric; see `Run.verdicts`."""
        return self.runs.verdicts

    def __repr__(self) -> str:
        return f"<bnnbench.Check status={self.status} runs={[run.id for run in self.runs]}>"

    def _repr_html_(self) -> str:
        return Results._repr_html_(self.runs)


@raises_sentences
@waits
def check(
    files: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
    /,
    *,
    baseline: str | Sequence[str],
    head: str | None = None,
    device: str | Sequence[str] = (),
    any: int | None = None,
    all: bool = False,
    filter: str | None = None,
    budget: str | float | None = None,
    strict: bool = False,
    max_inconclusive: str | float = "100%",
    trust: bool = False,
    store: str | PathLike[str] | None = None,
    inventory: str | PathLike[str] | None = None,
    lab: str | None = None,
    wait: str | float | None = None,
    progress: bool = False,
) -> Check:
    """Compares with a baseline, both sides measured now in interleaved pairs.

    Does the same as `bnnbench check`, with its options as arguments. A regression raises no exception.

    Args:
        files: Suites (`.toml`) and models (`.tflite`), one or several; default: the baseline's suite.
        baseline: Names of baselines, one or several.
        head: Candidate side: `ENGINE` or `ENGINE@FILE`; default: the baseline's engines.
        device: Names of the inventory, pools, queries, `local`, or addresses; default: the baseline's devices.
        any: Take this many free devices, of those that `device` names, else of the baseline's.
        all: Take every device that is not quarantined, of those that `device` names, else of the baseline's.
        filter: Only workloads whose name matches this regular expression.
        budget: Time limit of each comparison: seconds, or text such as "90s", "5min" or "1h".
        strict: Whether an inconclusive case makes the status 3.
        max_inconclusive: Allowed share of inconclusive cases, such as 0.2 or "20%".
        trust: Trust a run or baseline from elsewhere: run its programs and read its files.
        store: Folder of stored runs; default: `runs` in the project.
        inventory: Device list; default: `devices.toml` here or in a parent folder, then your own.
        lab: Address of the lab that has the devices, such as "tls://lab.local:8786".
        wait: How long to wait for a busy device: seconds, or text such as "30s", "10m" or "1h".
        progress: Show progress on stderr.

    Returns:
        The result: `Check.is_fine`, `Check.verdicts`.

    Raises:
        CallError: An argument, a baseline, a suite or the inventory is wrong.
        MeasureError: Nothing could be measured.
        KeyboardInterrupt: The run was interrupted; the message has the command that finishes it.

    Example:
        >>> bnn.check(baseline="main", device="pi4").is_fine  # doctest: +SKIP
        True
    """
    from bnnbench.results.verdict.remarks import together

    from ..cli.exit_status import exit_status, worst
    from ..cli.measuring import NOT_MEASURED
    from ..cli.words import share
    from ..tasks.check import planned
    from ..tasks.checking import checked

    budget_s, most_unclear, where = duration(budget), share(str(max_inconclusive), "--max-inconclusive"), opened(store)
    asked = {"baseline": baseline, "head": head, "device": device, "filter": filter, "budget": budget, "strict": strict}
    asked |= {"any": any, "all": all}
    if max_inconclusive != "100%":
        asked["max_inconclusive"] = max_inconclusive
    words = command("check", files, {**asked, "trust": trust, "store": store, "inventory": inventory, "lab": lab})
    checks = planned(
        *(where, names(baseline), head),
        files=paths(files),
        devices=names(device),
        inventory=path_of(inventory),
        budget_s=budget_s,
        trusts=trust,
        lab=lab,
    )
    calls = lambda: calling(words, progress, store, device, inventory, None, filter, lab=lab, any=any, all=all)  # noqa: E731
    runs, statuses, all_remarks, errors = [], [], [], []
    for done in checked(checks, calls, teller(progress), strict=strict, most_unclear=most_unclear):
        all_remarks.append(done.remarks(where, lambda error: str(plain(error))))
        if done.result is None:
            errors += [done.error] if done.error else []
            statuses.append(NOT_MEASURED)
            continue
        runs.append(run_of(done.result, where))
        statuses.append(exit_status(done.result, done.rows))
    if not runs:
        raise errors[0]
    everything = together(all_remarks)
    left = {item.what: item.reason for item in everything.unmeasured}
    return Check(Runs(runs, where), worst(statuses), left, tuple(everything.notes))
