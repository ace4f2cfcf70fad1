"""What a page says of devices: their facts, roofs and calibration."""

from collections.abc import Iterable
from dataclasses import dataclass

from bnnbench.results import quantity
from bnnbench.results.records import DeviceEvent, Peak
from bnnbench.results.report.facts import Fact, facts
from bnnbench.results.report.page_context import PageContext
from bnnbench.results.store.stored_run import StoredRun


@dataclass(frozen=True, slots=True)
class Roof:
    """A measured roof of a device."""

    name: str
    popcount: str
    clock: str


@dataclass(frozen=True, slots=True)
class Device:
    """A device of a run."""

    name: str
    model: str
    emulated: bool
    facts: list[Fact]
    roofs: list[Roof]
    calibration: str
    events: list[DeviceEvent]


def _calibration(run: StoredRun, device: str, context: PageContext) -> str:
    found = context.calibrations.get(device)
    if found is None:
        return ""
    kernel = run.record.fact(device, "kernel")
    warning = found.warning(None if kernel is None else str(kernel))
    return ". ".join(text for text in (found.summary(), warning) if text)


def devices_of(run: StoredRun, context: PageContext) -> list[Device]:
    named = [*(case.device for case in run.record.cases), *(event.device for event in run.events)]
    used = dict.fromkeys([*run.record.devices, *named])
    return [
        Device(
            name=name,
            model=str(run.record.fact(name, "model") or ""),
            emulated=run.record.emulated(name),
            facts=facts(run.record.devices.get(name, {})),
            calibration=_calibration(run, name, context),
            roofs=[_roof(peak) for peak in _best(run.peaks_of(name))],
            events=run.events_of(name),
        )
        for name in used
    ]


def _best(peaks: Iterable[Peak]) -> Iterable[Peak]:
    """The highest of each ISA level and thread count: a busy moment only ever lowers a roof."""
    best: dict[tuple[str | None, int], Peak] = {}
    for peak in peaks:
        key = (peak.isa, peak.threads)
        if key not in best or (peak.popcount_gops or 0) > (best[key].popcount_gops or 0):
            best[key] = peak
    return best.values()


def _roof(peak: Peak) -> Roof:
    threads = f"{peak.threads} thread{'s' * (peak.threads != 1)}"
    return Roof(
        name=f"{peak.isa}, {threads}" if peak.isa else threads,
        popcount="not measured" if peak.popcount_gops is None else quantity.rate(peak.popcount_gops),
        clock="" if peak.clock_hz is None else f"at {quantity.clock(peak.clock_hz)}",
    )
