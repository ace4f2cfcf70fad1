"""The page of a lab: its devices, why some cannot be had, who waits for them, and their health checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bnnbench.results.canary import CANARY_ENGINE
from bnnbench.results.quantity import roughly
from bnnbench.results.report.facts import Fact, facts
from bnnbench.results.site.canary_chart import IN, OUT, canary_chart, canary_points
from bnnbench.results.site.cases import CaseKey
from bnnbench.results.site.chart_spec import Datum
from bnnbench.results.site.lab_state import LabDevice, LabRequest, LabState
from bnnbench.results.site.page import Page, Planned, digest, slug
from bnnbench.results.site.pages import Kind
from bnnbench.results.site.run_paths import run_paths
from bnnbench.results.site.source import Source, device_path

PATH = "lab.html"
_FACTS = ("model", "soc", "cpu_model", "kernel", "os_release", "triple", "memory_bytes", "governor")
"""What a device is; none of them names a machine or a person."""


@dataclass(frozen=True, slots=True)
class CheckedCase:
    """A case of the health checks: the id of its chart, its points, and the path of its page."""

    chart: str
    workload: str
    path: str
    points: Sequence[Datum]


@dataclass(frozen=True, slots=True)
class DeviceCard:
    """A device with what the store knows of it. `path` is empty where it has no page; `checks` says how its last check
    ended."""

    device: LabDevice
    id: str
    path: str
    facts: Sequence[Fact]
    cases: Sequence[CheckedCase]
    waiting: int

    @property
    def model(self) -> str:
        return str(self.device.facts.get("model") or "")

    @property
    def checked(self) -> str:
        """ISO 8601; empty where it never was."""
        return max((str(case.points[-1]["created"]) for case in self.cases), default="")

    @property
    def verdict(self) -> str:
        """Of the last check: out of control where one case is."""
        last = [str(case.points[-1]["kind"]) for case in self.cases]
        return OUT if OUT in last else last[0] if last else ""

    @property
    def is_in_control(self) -> bool:
        return self.verdict == IN


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A request in words."""

    request: LabRequest
    takes: str


def plan(source: Source) -> Iterable[Planned]:
    """One page, where a lab was asked; it is of this moment, so it is always made again."""
    if source.lab is not None:
        yield Planned(PATH, digest(source.now, repr(source.lab)), partial(_page, source, source.lab))


def _page(source: Source, lab: LabState) -> Page:
    wanted = _canary_keys(source, lab)
    linked = run_paths(source)
    cards = [_card(source, lab, device, wanted, linked) for device in lab.devices]
    rows = [QueueRow(request, "" if request.takes_s is None else roughly(request.takes_s)) for request in lab.requests]
    states = Counter(device.state for device in lab.devices)
    contents = [("devices", "Devices"), ("away", "Not to be had"), ("queue", "Queue"), ("checks", "Facts and checks")]
    return Page(
        path=PATH,
        template="lab.html",
        title="Lab",
        context={
            "cards": cards,
            "lost": [card for card in cards if card.device.why],
            "rows": rows,
            "states": states,
            "hosts": sorted({device.host for device in lab.devices}),
            "asked": source.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        scripts=("compare.js",),
        specs={case.chart: canary_chart(case.points) for card in cards for case in card.cases},
        contents=contents if cards else [],
    )


def _canary_keys(source: Source, lab: LabState) -> list[CaseKey]:
    names = {device.name for device in lab.devices}
    return [
        key
        for key in source.cases
        if key.device in names and key.workload in lab.canaries and (key.engine, key.variant) == (CANARY_ENGINE, "")
    ]


def _card(
    source: Source, lab: LabState, device: LabDevice, wanted: Sequence[CaseKey], linked: Mapping[str, str]
) -> DeviceCard:
    cases = []
    for key in wanted:
        if key.device != device.name:
            continue
        points = canary_points(source.rows(key, wanted), device.accepted_since, linked)
        if points:
            cases.append(CheckedCase(f"c-{slug(*map(str, key))}", key.workload, source.cases[key].path, points))
    return DeviceCard(
        device=device,
        id=f"row-{slug(device.name)}",
        path=device_path(device.name) if device.name in source.devices else "",
        facts=facts(_shown(device.facts)),
        cases=cases,
        waiting=sum(one.device == device.name and not one.is_running for one in lab.requests),
    )


def _shown(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in _FACTS if found.get(name) is not None}


KIND = Kind(plan, "Lab", PATH, lambda source: source.lab is not None)
