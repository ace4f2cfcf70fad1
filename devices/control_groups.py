"""What a control group keeps a process from: CPUs, and a share of their time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from bnnbench.devices import cpu
from bnnbench.devices.facts import Fact
from bnnbench.devices.probe_script import Section, Sections

_PLENTY: Final = 1e4
"""CPUs: more is no limit."""


def settable(sections: Sections, online: Sequence[int], allowed: Sequence[int]) -> list[int]:
    """CPUs that a process is kept off until it asks for them: isolated ones, and what its parent left out.

    By trying, else by the control group's cpuset.
    """
    tried = sections["settable"]
    if tried.status == 0:
        found = {int(line) for line in tried.said.split() if line.isdecimal()}
    else:
        rows = [value for path, value in sections["cpuset"].rows if "/cpuset." in path]
        found = set(cpu.parse_cpu_list(rows[0])) if rows else set()  # the first is the group's own
    return sorted(found & set(online) - set(allowed))


def quota(sections: Sections) -> Fact:
    """`[{cpus, path}]`, the tightest first: how many CPUs' worth of time groups may use; empty where none is limited.

    None where no control group can be read.
    """
    section = sections["cpu_quota"]
    if not section.rows:
        return Fact(None, f"tried {section.source}")
    found = [{"cpus": cpus, "path": path} for path, cpus in _limits(section).items() if cpus < _PLENTY]
    return Fact(sorted(found, key=lambda item: (item["cpus"], item["path"])), section.source)


def throttle_counters(sections: Sections) -> Fact:
    """The files that count how often the limited groups were stopped for having used their quota."""
    section = sections["cpu_quota"]
    there = {path for path, _ in section.rows}
    found = [f"{path}/cpu.stat" for path in _limits(section) if f"{path}/cpu.stat" in there]
    return Fact(found or None, section.source if found else f"tried {section.source}")


def _limits(section: Section) -> dict[str, float]:
    """CPUs by the group's folder."""
    rows = dict(section.rows)
    limits: dict[str, float] = {}
    for path, value in rows.items():
        folder, _, file = path.rpartition("/")
        period = "100000"
        if file == "cpu.max":
            value, _, period = value.partition(" ")
        elif file == "cpu.cfs_quota_us":
            period = rows.get(f"{folder}/cpu.cfs_period_us", period)
        else:
            continue
        if re.fullmatch(r"[1-9]\d{0,11}", value) and re.fullmatch(r"[1-9]\d{0,11}", period):
            limits[folder] = int(value) / int(period)
    return limits
