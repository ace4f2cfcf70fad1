"""`bnnbench pick`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from bnnbench.devices.closest import there_is_no

from .options import DebugOption, JsonOption, StoreOption

if TYPE_CHECKING:
    import pandas as pd

    from bnnbench.results.metric import Metric
    from bnnbench.results.models import Sample
    from bnnbench.results.pick import Pick

    from .documents.store import PickDocument
    from .next_command import Missing

EXAMPLES = """Examples:
  bnnbench pick --max-size 50kB                        # the most accurate model up to this size
  bnnbench pick -d pi4 --max-latency 30ms --max-size 5MB
  bnnbench pick -d pi4 --min-accuracy 0.9 --json
Chooses among all models in the store. Measure them first with bnnbench eval."""

app = App(name="pick", help_epilogue=EXAMPLES)

_TIMES = {"ns": 1.0, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}
_SIZES = {"B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024.0, "MiB": 1048576.0}


@app.default
def pick(
    *,
    device: Annotated[
        str | None, Parameter(name=["--device", "-d"], help="Device; default: the only one in the store.")
    ] = None,
    max_latency: Annotated[str | None, Parameter(help="Latency budget, such as 30ms or 800us.")] = None,
    max_sustained: Annotated[
        str | None, Parameter(help="Budget for the latency that lasts (bnnbench sustain), such as 30ms.")
    ] = None,
    max_size: Annotated[str | None, Parameter(help="Budget for the model file, such as 5MB or 50kB.")] = None,
    min_accuracy: Annotated[str | None, Parameter(help="Least accuracy, such as 0.9 or 90%.")] = None,
    dataset: Annotated[str | None, Parameter(help="Dataset of the accuracies; default: the only one.")] = None,
    store: StoreOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Choose the best model within budgets, with the reasons and what a larger budget buys."""
    from bnnbench.devices.spec import parse_url
    from bnnbench.results import load
    from bnnbench.results.columns import equal
    from bnnbench.results.models import COLUMNS, OF_MODELS, choices, passed_over, without_comparisons
    from bnnbench.results.pick import ORDER
    from bnnbench.results.pick import pick as choose
    from bnnbench.results.sheet import say
    from bnnbench.results.store.runs import Store

    from ..errors import CallError
    from .documents.document import text_of
    from .next_command import FIRST, missing_figures, named_first, records_of, with_store
    from .next_command import sentences as next_steps
    from .terminal import Console

    budgets = {
        "max_latency_ns": _quantity("--max-latency", max_latency, _TIMES, "30ms"),
        "max_sustained_latency_ns": _quantity("--max-sustained", max_sustained, _TIMES, "30ms"),
        "max_size_bytes": _quantity("--max-size", max_size, _SIZES, "5MB"),
        "min_accuracy": _share(min_accuracy),
    }
    results = Store(store)
    with named_first(store):
        measured = without_comparisons(load(results, where=OF_MODELS, columns=COLUMNS))
        if equal(measured["comparison"], True).any():  # then there must be no other runs at all
            others = load(results, where="not comparison", columns=["run_id"])
            measured = measured.iloc[: 0 if len(others) else None]
    frame = choices(measured)
    if frame.empty:
        raise CallError(f"the store has no model that was measured; run `{with_store(FIRST, store)}`.")
    name = parse_url(device).name if device and "://" in device else device
    frame = _one(_newest_version(_one(frame, "dataset", dataset)), "device", name)
    made = choose(frame, **budgets)
    missing = missing_figures(frame, dict.fromkeys([*made.budgets, ORDER[0]]), records_of(results, frame), store)
    samples = passed_over(measured, made.best) if made.best is not None else None
    if json:
        print(text_of(_document(made, missing, samples)))
    else:
        console = Console()
        for line in (*sentences(made), *_sample_as_json(samples), *next_steps(missing)):
            say(console, line)
    return 0 if made.best is not None else 3


def _quantity(option: str, text: str | None, units: dict[str, float], example: str) -> float | None:
    from ..errors import CallError

    if text is None:
        return None
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-zµ]+)", text.strip())
    if not match or match[2] not in units:
        raise CallError(f"{option} {text!r} is not a number with one of the units {', '.join(units)}, like {example}.")
    return float(match[1]) * units[match[2]]


def _share(text: str | None) -> float | None:
    from ..errors import CallError

    if text is None:
        return None
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(%?)", text.strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= value <= 1:
        raise CallError(f"--min-accuracy {text!r} is not a share; write it as 0.9 or 90%.")
    return value


def _one(frame: pd.DataFrame, column: str, wanted: str | None) -> pd.DataFrame:
    """The rows of one device or dataset; which, must be said when there are several."""
    from ..errors import CallError

    names = sorted(map(str, frame[column].dropna().unique()))
    if wanted is None:
        if len(names) > 1:
            raise CallError(f"the store has models of several {column}s: {', '.join(names)}; say which by --{column}.")
        return frame
    if wanted not in names:
        raise CallError(f"among the models of this store {there_is_no(column, wanted, names)}.")
    kept = frame[frame[column] == wanted]
    return kept.reset_index(drop=True)


def _newest_version(frame: pd.DataFrame) -> pd.DataFrame:
    """Accuracies of the version of the data set that was predicted last: two versions are not compared."""
    from bnnbench.results.columns import equal

    rated = frame[frame["accuracy"].notna()].sort_values("created", kind="stable")
    if rated["dataset_sha256"].nunique() < 2:
        return frame
    return frame[equal(frame["dataset_sha256"], rated["dataset_sha256"].iloc[-1])].reset_index(drop=True)


def sentences(made: Pick) -> list[str]:
    """What was chosen, why, by how much, and what another budget would buy."""
    from bnnbench.results.metrics import OBJECTIVES
    from bnnbench.results.pick import figure

    asked = ", ".join(
        f"{OBJECTIVES[name].title} {'at most' if OBJECTIVES[name].smaller_is_better else 'at least'} "
        f"{OBJECTIVES[name].text(budget)}"
        for name, budget in made.budgets.items()
    )
    unknown = f" ({made.unknown} without a figure that was asked for)" if made.unknown else ""
    if made.best is None:
        lines = [f"nothing fits: none of {made.considered} models has {asked}{unknown}"]
    else:
        lines = [f"{_name(made.best)}: {_figures(made.best)}"]
        scope = f"of {made.fitting} that fit among {made.considered}{unknown}"
        lines.append(f"why: {_why(made.best, made.next_best)}, {scope}" + (f"; asked: {asked}" if asked else ""))
        lines += [
            f"  {OBJECTIVES[name].title}: {_to_spare(OBJECTIVES[name], value, budget)}"
            for name, budget in made.budgets.items()
            if (value := figure(made.best, name)) is not None
        ]
        lines += _doubts(made)
    for moved in made.moved:
        objective = OBJECTIVES[moved.objective]
        bound = "at most" if objective.smaller_is_better else "at least"
        lines.append(
            f"with {objective.title} of {bound} {budget_text(objective, moved.budget)}: "
            f"{_name(moved.choice)}, {_figures(moved.choice)}"
        )
    return lines


def budget_text(objective: Metric, figure: float) -> str:
    """A budget in few digits that a figure is within: rounded away from it."""
    text = objective.text(figure)
    match = re.fullmatch(r"([\d,]+(?:\.\d+)?) (\S+)", text)
    factor = {**_TIMES, **_SIZES, "%": 0.01}.get(match[2]) if match else None
    if match is None or factor is None:
        return text
    number = Decimal(match[1].replace(",", ""))
    step = int(objective.sign) * Decimal(1).scaleb(int(number.as_tuple().exponent))
    while objective.sign * (float(number) * factor - figure) < 0:
        number += step
    return f"{number:,f} {match[2]}"


def _name(row: dict[str, Any]) -> str:
    threads = f", {row['threads']} threads" if row["threads"] != 1 else ""
    return f"{row['workload']} on {row['engine']}{threads}"


def _figures(row: dict[str, Any]) -> str:
    """`88.65 % (88.01-89.26), 24.2 kB, 112 µs (98-131), low trust: VM`."""
    from bnnbench.results.certainty import figure_text, trust_text
    from bnnbench.results.metrics import OBJECTIVES
    from bnnbench.results.pick import ORDER

    figures = [figure_text(row, OBJECTIVES[name]) for name in ORDER]
    return ", ".join(part for part in (*figures, trust_text(row)) if part)


def _why(best: dict[str, Any], second: dict[str, Any] | None) -> str:
    from bnnbench.results.metrics import OBJECTIVES
    from bnnbench.results.pick import ORDER, figure

    first, then, *_ = metrics = [OBJECTIVES[name] for name in ORDER]
    if second is None:
        return "the only one"
    if figure(best, first.key) is None:
        return f"the {then.degrees[2]}, for no {first.label} is known"
    for metric in metrics[:-1]:
        mine, theirs = figure(best, metric.key), figure(second, metric.key)
        if mine is not None and (theirs is None or metric.sign * (theirs - mine) > 0):
            among = "" if metric is first else f" of the {first.degrees[2]}"
            return f"the {metric.degrees[2]}{among}" + ("" if theirs is None else _lead(metric, mine, theirs, second))
    return f"the {metrics[-1].degrees[2]} of the {first.degrees[2]}"


def _lead(metric: Metric, mine: float, theirs: float, second: dict[str, Any]) -> str:
    from bnnbench.results import quantity

    if metric.in_points:
        return f", {abs(mine - theirs) * 100:.2f} points {'below' if mine < theirs else 'above'} {_name(second)}"
    times = quantity.ratio((theirs / mine) ** metric.sign, plain=True)
    return f", {times} as {metric.degrees[0]} as {_name(second)}"


def _to_spare(objective: Metric, value: float, budget: float) -> str:
    if objective.in_points:
        return f"{(value - budget) * 100:.2f} points above what was asked"
    return f"{100 * (1 - value / budget):.0f} % of the budget to spare" if budget else "nothing to spare"


def _doubts(made: Pick) -> list[str]:
    """Where the intervals leave the choice open."""
    import pandas as pd

    from bnnbench.results.metrics import OBJECTIVES
    from bnnbench.results.pick import ORDER

    assert made.best is not None
    best, lines = made.best, []
    for metric in OBJECTIVES.values():
        budget, end = made.budgets.get(metric.key), metric.high if metric.smaller_is_better else metric.low
        if budget is None or end is None or pd.isna(best[end]) or metric.sign * (best[end] - budget) <= 0:
            continue
        where = "beyond the budget" if metric.smaller_is_better else "below what was asked"
        lines.append(f"  not sure: its {metric.label}'s interval goes {where}")
    second, first = made.next_best, OBJECTIVES[ORDER[0]]
    if second is not None and second["workload"] != best["workload"] and first.low and first.high:
        ends = (best[first.low], best[first.high], second[first.low], second[first.high])
        overlap = not any(map(pd.isna, ends)) and ends[0] < ends[3] and ends[2] < ends[1]
        if overlap and first.sign * (second[first.column] - best[first.column]) > 0:
            lines.append(f"  not sure: its {first.label} and that of {_name(second)} have intervals that overlap")
    return lines


def _sample_as_json(samples: tuple[Sample, Sample] | None) -> list[str]:
    if samples is None:
        return []
    taken, newer = samples
    return [
        f"its accuracy is from run {taken.run_id} with {taken.images:,} images; a newer one, from run {newer.run_id}, "
        f"has only {newer.images:,}"
    ]


def _document(made: Pick, missing: Sequence[Missing], samples: tuple[Sample, Sample] | None) -> PickDocument:
    from bnnbench.results.metrics import OBJECTIVES
    from bnnbench.results.pick import figure

    from .documents.store import MovedBudget, PickDocument, PickedModel, TwoSamples

    def model(row: dict[str, Any] | None) -> Any:
        if row is None:
            return None
        names = {key: str(row[key]) for key in ("workload", "engine", "device", "run_id")}
        figures = {value.column: figure(row, name) for name, value in OBJECTIVES.items()}
        return PickedModel(**names, threads=int(row["threads"]), **figures)

    return PickDocument(
        best=model(made.best),
        next_best=model(made.next_best),
        fitting=made.fitting,
        considered=made.considered,
        unknown=made.unknown,
        budgets={OBJECTIVES[name].column: value for name, value in made.budgets.items()},
        moved=[
            MovedBudget(budget=OBJECTIVES[item.objective].column, to=item.budget, choice=model(item.choice))
            for item in made.moved
        ],
        missing=list(missing),
        accuracy_sample=TwoSamples(taken=samples[0], newer=samples[1]) if samples else None,
    )
