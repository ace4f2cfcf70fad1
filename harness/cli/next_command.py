"""What to type for a figure of a model that the store lacks."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnnbench.results.errors import NoStoreError, StoreError
from bnnbench.results.store.remote.address import is_address, parse

from ..errors import CallError

if TYPE_CHECKING:
    import pandas as pd

    from bnnbench.results.records import RunRecord
    from bnnbench.results.store.runs import Store

    from ..suite.tables import ModelTable

FIRST = "bnnbench eval quicknet_s"
"""What fills an empty store with all figures of a model that comes with the package."""
_MOST = 4
_VERBS = {"latency": "run", "accuracy": "eval"}


@dataclass(frozen=True, slots=True)
class Missing:
    """A figure (`figure` is a key of `OBJECTIVES`) that a model has none of; `command` measures it, None: nothing does
    there."""

    workload: str
    engine: str
    device: str
    figure: str
    command: str | None

    @property
    def sentence(self) -> str:
        """`no latency for quicknet_s on native, local: run `bnnbench run quicknet_s``."""
        todo = f"run `{self.command}`" if self.command else "it is emulated, choose another --device"
        return f"no {self.figure} for {self.workload} on {self.engine}, {self.device}: {todo}"


def with_store(command: str, store: Path | None) -> str:
    """The command for the store that the user named."""
    if store is None:
        return command
    place = str(parse(store)) if is_address(store) else str(store)
    return f"{command} --store {shlex.quote(place)}"


@contextmanager
def named_first(store: Path | None) -> Iterator[None]:
    """Where there is no store at all, the command that makes the first run is named. Raises CallError."""
    try:
        yield
    except NoStoreError as error:
        raise CallError(f"{error.what}; run `{with_store(FIRST, store)}`.") from None


def missing_figures(
    frame: pd.DataFrame, figures: Iterable[str], records: Iterable[RunRecord], store: Path | None
) -> list[Missing]:
    """What choices (`results.models.choices`) lack, in their order; `records` of their runs know the files behind their
    names, and are not asked where nothing lacks."""
    import pandas as pd

    from bnnbench.results.metrics import OBJECTIVES

    lacking = [
        (row, figure)
        for row in frame.to_dict("records")
        for figure in figures
        if figure in _VERBS and pd.isna(row[OBJECTIVES[figure].column])
    ]
    if not lacking:
        return []
    tables, addresses = _asked(records)
    like = next((table for table in reversed(tables.values()) if table.dataset), None)
    found: dict[tuple[str, ...], Missing] = {}
    for row, figure in lacking:
        names = (str(row["workload"]), str(row["engine"]), str(row["device"]))
        command: str | None = None
        if figure != "latency" or row["emulated"] is not True:
            where = {**row, "device": addresses.get(names[2], names[2])}
            command = with_store(_command(_VERBS[figure], where, tables.get(names[0]), like), store)
        found.setdefault((*names, figure, str(command)), Missing(*names, figure, command))
    return list(found.values())


def records_of(store: Store, frame: pd.DataFrame) -> Iterator[RunRecord]:
    """The records of the runs that a frame has rows of, oldest first."""
    from bnnbench.results.store.stored_run import read_record

    runs = frame[["created", "run_id"]].drop_duplicates().sort_values(["created", "run_id"], kind="stable")
    for run_id in runs["run_id"].dropna():
        with suppress(StoreError):  # in a folder of another name: what it measured is known, but not from which file
            yield read_record(store.runs_path / run_id)


def sentences(missing: Sequence[Missing]) -> list[str]:
    """A line each, the first of many."""
    more = [f"and {len(missing) - _MOST} more like these"] if len(missing) > _MOST else []
    return [item.sentence for item in missing[:_MOST]] + more


def _command(verb: str, row: dict[Any, Any], table: ModelTable | None, like: ModelTable | None) -> str:
    """`like` is a model whose accuracy was measured: with the same images."""
    words = ["bnnbench", verb, _argument(str(row["workload"]), table)]
    if verb == "eval" and like is not None and like.dataset != "fashion-mnist":
        asked = {"resize": like.resize, "normalize": like.normalize}
        words += ["--dataset", _short(str(like.dataset))]
        words += [word for option, value in asked.items() if value for word in (f"--{option}", value)]
    for option, key, default in (("-d", "device", "local"), ("-e", "engine", "native"), ("-t", "threads", 1)):
        if row[key] != default:
            words += [option, str(row[key])]
    return shlex.join(words)


def _argument(workload: str, table: ModelTable | None) -> str:
    from bnnbench.kernels.models.shipped import shipped_models

    if table is None or shipped_models().get(workload) == Path(table.file):
        return workload
    return _short(table.file)


def _short(path: str) -> str:
    """From here, where that is shorter, and there is a way from here: on Windows there is none to another drive."""
    if not Path(path).is_absolute():
        return path
    try:
        return min(path, os.path.relpath(path), key=len)
    except ValueError:
        return path


def _asked(records: Iterable[RunRecord]) -> tuple[dict[str, ModelTable], dict[str, str]]:
    """The `[[model]]` table behind each workload, and what the user wrote for each device, by the newest run."""
    from bnnbench.devices.spec import parse_url

    from ..errors import CallError
    from ..plan.config import config_of

    tables: dict[str, ModelTable] = {}
    addresses: dict[str, str] = {}
    for record in records:
        try:
            config = config_of(record)
        except CallError:  # of another version
            continue
        tables |= {table.name or Path(table.file).stem: table for table in config.suite.model}
        addresses |= {parse_url(text).name: text for text in config.devices if "://" in text}
    return tables, addresses
