"""The pages of devices, and the list of them: facts over time, calibration, roofs, temperatures and clocks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from warnings import warn

from bnnbench.results.charts import style
from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.report.facts import facts
from bnnbench.results.site.cases import CaseSummary
from bnnbench.results.site.device_charts import roofline_chart, roofline_points, spread_chart, spread_points
from bnnbench.results.site.device_facts import DeviceFacts, device_facts
from bnnbench.results.site.device_runs import DeviceRun, device_runs, findings, roofs
from bnnbench.results.site.page import Page, Planned, digest
from bnnbench.results.site.pages import Kind
from bnnbench.results.site.run_paths import run_paths
from bnnbench.results.site.source import Source, device_path
from bnnbench.results.store.calibration import Calibration, latest

PATH = "devices.html"


def plan(source: Source) -> Iterable[Planned]:
    """A page for each device, and their list."""
    known, runs, paths = device_facts(source), device_runs(source), run_paths(source)
    made = []
    for name in source.devices:
        cases = [case for case in source.cases.values() if case.device == name]
        calibration = _calibration(source, name)
        of_facts = known.get(name)
        linked = {one.run_id: paths[one.run_id] for one in runs.get(name, ()) if one.run_id in paths}
        made_of = digest(
            *(one.fingerprint for one in runs.get(name, ())),
            *sorted(linked),
            "" if of_facts is None else f"{of_facts.runs} {of_facts.last_run} {of_facts.counted}",
            "" if calibration is None else f"{calibration.created} {source.now:%Y-%m-%d}",
            *(f"{case.path} {case.made_of}" for case in cases),
        )
        made.append(made_of)
        yield Planned(
            device_path(name),
            made_of,
            partial(_page, source.now, name, of_facts, runs.get(name, []), cases, calibration, linked),
        )
    yield Planned(PATH, digest(*source.devices, *made), partial(_list, source, known))


def _calibration(source: Source, device: str) -> Calibration | None:
    """The last one; a damaged one is left out with a warning."""
    try:
        return latest(source.store.path, device)
    except StoreError as error:
        warn(StoreWarning(str(error)), stacklevel=2)
        return None


def _page(
    now: datetime,
    name: str,
    known: DeviceFacts | None,
    runs: list[DeviceRun],
    cases: list[CaseSummary],
    calibration: Calibration | None,
    linked: dict[str, str],
) -> Page:
    peaks = roofs(runs)
    celsius, clocks, dots = spread_points(runs, "celsius"), spread_points(runs, "clock_hz"), roofline_points(cases)
    specs = {}
    if celsius:
        specs["celsius"] = spread_chart(celsius, "°C", style.ENGINES["numba"])
    if clocks:
        specs["clock"] = spread_chart(clocks, "GHz", style.ENGINES["lce"])
    roofline = roofline_chart(dots, peaks)
    if roofline is not None:
        specs["roofline"] = roofline
    kernel = None if known is None else known.facts.get("kernel")
    return Page(
        path=device_path(name),
        template="device.html",
        title=name,
        context={
            "device": name,
            "known": known,
            "facts": [] if known is None else facts(known.facts),
            "calibration": "" if calibration is None else calibration.summary(),
            "calibration_doubt": ""
            if calibration is None
            else calibration.warning(None if kernel is None else str(kernel), now) or "",
            "peaks": peaks,
            "celsius": celsius,
            "clocks": clocks,
            "dots": dots,
            "findings": findings(runs),
            "runs": runs[::-1],
            "cases": cases,
            "linked": linked,
        },
        specs=specs,
        contents=[
            ("heat", "Temperature and clock"),
            ("roofs", "Roofs"),
            ("calibration", "Calibration"),
            ("findings", "Findings"),
            ("changes", "What changed"),
            ("facts", "Facts"),
        ],
    )


def _list(source: Source, known: dict[str, DeviceFacts]) -> Page:
    devices = [(name, device_path(name), known.get(name), _count(source, name)) for name in source.devices]
    return Page(path=PATH, template="devices.html", title="Devices", context={"devices": devices})


def _count(source: Source, device: str) -> int:
    return sum(case.device == device for case in source.cases.values())


KIND = Kind(plan, "Devices", PATH)
