"""What a page shows beside its runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from bnnbench.results.report.advice import Advice
from bnnbench.results.store.calibration import Calibration


@dataclass(frozen=True, slots=True)
class PageContext:
    """Frames of what is no part of the runs: figures that others published, and all runs of the store; `timeline` are
    the runs whose history is drawn, `calibrations` the last one of each device. `commands`: also show command lines,
    which may hold paths and addresses. `advice` is what lint found in the models. `home` is the address of the site
    that the page is part of, empty for none; without `charts` none is drawn, which takes most of the time."""

    published: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    timeline: pd.DataFrame | None = None
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    commands: bool = False
    advice: Sequence[Advice] = ()
    home: str = ""
    charts: bool = True


NOTHING = PageContext()
