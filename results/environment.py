"""What differs between the surroundings of two runs: facts of devices, engines, versions, models and settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

import msgspec

from bnnbench.results.fact_text import ranges, text_of
from bnnbench.results.fact_words import FACTS, Kind, fact_row
from bnnbench.results.grouped import some
from bnnbench.results.printable import shorten
from bnnbench.results.records import Environment, Gate
from bnnbench.results.same_machine import difference
from bnnbench.results.store.stored_run import StoredRun

_LONGEST = 60
_DIGEST = 12
_MOST_MEMBERS = 5
_QUIET_EVENTS = ("left_behind", "no_peak")
"""Kinds of events that say nothing about times."""
_OF_SUITE = ("min_sample_ms", "warmup_ms", "threads")
_OF_CONFIG = ("filter", "layers")


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """`where` is a device's name, or one of `devices`, `engines`, `versions`, `models`, `settings`; `is_device` tells
    these apart. `base` and `head` are both values in words: of the kind `members` what only that side has, and empty of
    `rebooted` and `another_machine`."""

    where: str
    what: str
    base: str
    head: str
    kind: Kind = "changed"
    is_device: bool = False

    @property
    def text(self) -> str:
        """`kernel Linux 6.6.20 -> Linux 6.12.1`."""
        return _WORDS[self.kind](self)


def _members(found: Difference) -> str:
    sides = {"base": found.base, "head": found.head}
    only = [f"only in {side}: {some(text.split(', '), _MOST_MEMBERS)}" for side, text in sides.items() if text]
    return f"{found.what} {', '.join(only)}"


def _changed(found: Difference) -> str:
    return f"{found.what} {shorten(found.base, _LONGEST)} -> {shorten(found.head, _LONGEST)}"


_WORDS: dict[Kind, Callable[[Difference], str]] = {
    "changed": _changed,
    "members": _members,
    "rebooted": lambda _: "rebooted in between",
    "another_machine": lambda _: "another machine of this name",
}


def environment_of(run: StoredRun) -> Environment:
    """What is recorded of a run's surroundings. Of a comparison without engines, models and settings: both sides have
    their own."""
    record = run.record
    versions = {"bnnbench": record.version, **{str(name): text_of(value) for name, value in record.host.items()}}
    common = Environment(
        devices=record.devices,
        cores=_cores(run),
        events=_events(run),
        versions={k: v for k, v in versions.items() if v},
    )
    if record.comparisons:
        return common
    return msgspec.structs.replace(
        common,
        builds={f"{one.engine} for {one.triple}": one.build or one.sha256 for one in record.builds},
        levels=_levels(run),
        models=_models(record.models.items()),
        settings=_settings(run),
        versions={**common.versions, **({"commit": record.commit} if record.commit else {})},
    )


def differences(base: Environment, head: Environment) -> list[Difference]:
    """What differs, in a fixed order: devices by name, each with another machine first; then engines,
    versions, models, settings. What only one side recorded is no difference."""
    found: list[Difference] = []
    for name in sorted(set(base.devices) & set(head.devices)):
        found += _of_device(name, base, head)
    found += _of_mapping("devices", *({"measured": ", ".join(sorted(side.devices))} for side in (base, head)))
    found += _of_mapping("engines", _short(base.builds, "build of "), _short(head.builds, "build of "))
    found += _of_mapping("engines", _named(base.levels, "ISA level of "), _named(head.levels, "ISA level of "))
    found += _of_mapping("versions", base.versions, head.versions, _VERSION_WORDS)
    found += _of_mapping("models", _short(base.models), _short(head.models))
    return found + _of_mapping("settings", base.settings, head.settings)


def lines_of(found: Iterable[Difference]) -> list[str]:
    """A line for each place: `different on pi4: kernel 6.6.20 -> 6.12.1; governor performance -> ondemand`."""
    groups: dict[tuple[bool, str], list[str]] = {}
    for one in found:
        groups.setdefault((one.is_device, one.where), []).append(one.text)
    return [
        f"different {'on ' if is_device else ''}{where}: {'; '.join(texts)}"
        for (is_device, where), texts in groups.items()
    ]


class DifferenceEntry(Difference, frozen=True, kw_only=True):
    """A difference for JSON; `text` is how a terminal shows it."""

    text: str


def entry_of(found: Difference) -> DifferenceEntry:
    """A difference for JSON."""
    return DifferenceEntry(**msgspec.structs.asdict(found), text=found.text)


_VERSION_WORDS = {"system": "host's system", "python": "Python"}


def _of_device(name: str, base: Environment, head: Environment) -> Iterator[Difference]:
    old, new = base.devices[name], head.devices[name]
    if difference(old, new) or difference(new, old):
        yield Difference(where=name, what="machine", base="", head="", kind="another_machine", is_device=True)
    known = [fact for fact in FACTS if fact in old and fact in new]
    for fact in known + sorted(fact for fact in old if fact in new and fact not in FACTS):
        row = fact_row(fact)
        if sides := row.compare(_value(old[fact]), _value(new[fact])):
            yield Difference(where=name, what=row.words, base=sides[0], head=sides[1], kind=row.kind, is_device=True)
    texts = [{"cores used": ranges(side.cores[name])} if side.cores.get(name) else {} for side in (base, head)]
    happened = [
        {"events": ", ".join(side.events[name]) or "none"} if name in side.events else {} for side in (base, head)
    ]
    for pair in (texts, happened):
        for one in _of_mapping(name, *pair):
            yield msgspec.structs.replace(one, is_device=True)


def _of_mapping(
    where: str, base: Mapping[str, Any], head: Mapping[str, Any], words: Mapping[str, str] | None = None
) -> list[Difference]:
    """Of the names that both have, in an order that both agree on."""
    both = [(name, _plain(base[name]), _plain(head[name])) for name in sorted(base) if name in head]
    return [
        Difference(where=where, what=(words or {}).get(name, name), base=old, head=new)
        for name, old, new in both
        if old != new
    ]


def _plain(value: Any) -> str:
    return "none" if value is None else text_of(value) or "none"


def _value(fact: Any) -> Any:
    return fact.get("value") if isinstance(fact, Mapping) else fact


def _short(digests: Mapping[str, str], before: str = "") -> dict[str, str]:
    """Enough of each digest to tell two apart."""
    return {f"{before}{name}": text[:_DIGEST] for name, text in digests.items()}


def _named(texts: Mapping[str, str], before: str) -> dict[str, str]:
    return {f"{before}{name}": text for name, text in texts.items()}


def _cores(run: StoredRun) -> dict[str, list[int]]:
    """The CPUs that each device's invocations ran on."""
    device = {case.id: case.device for case in run.record.cases}
    found: dict[str, set[int]] = {}
    for one in run.invocations:
        if one.case_id in device and one.cpus_used:
            found.setdefault(device[one.case_id], set()).update(one.cpus_used)
    return {name: sorted(cpus) for name, cpus in found.items()}


def _events(run: StoredRun) -> dict[str, list[str]]:
    """What happened to each device of the run; an empty list where nothing did."""
    found: dict[str, set[str]] = {name: set() for name in run.record.devices}
    for event in run.events:
        if event.kind not in _QUIET_EVENTS and event.device in found:
            found[event.device].add((event.code or event.kind).replace("_", " "))
    return {name: sorted(kinds) for name, kinds in found.items()}


def _levels(run: StoredRun) -> dict[str, str]:
    """The ISA level that each engine ran at, by what its gates say, else by the plan."""
    ran = {entry.case_id: entry.isa for entry in run.entries if isinstance(entry, Gate)}
    found: dict[str, set[str]] = {}
    for case in run.record.cases:
        if level := ran.get(case.id) or case.isa:
            found.setdefault(f"{case.engine} on {case.device}", set()).add(level)
    return {name: ", ".join(sorted(levels)) for name, levels in found.items()}


def _models(paths: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By the names of the files: the same model may be in another folder on another machine."""
    found: dict[str, list[str]] = {}
    for path, sha in paths:
        found.setdefault(PurePath(path).name, []).append(sha)
    return {name: shas[0] for name, shas in found.items() if len(set(shas)) == 1}


def _settings(run: StoredRun) -> dict[str, Any]:
    record = run.record
    suite = record.suite.get("suite")
    found: dict[str, Any] = {
        "suite": record.suite_name,
        "seed": record.seed,
        "invocations": record.invocations_per_case,
        "samples": record.samples_per_invocation,
    }
    of_suite = suite if isinstance(suite, Mapping) else {}
    return {
        **found,
        **{name: of_suite[name] for name in _OF_SUITE if name in of_suite},
        **{name: record.suite[name] for name in _OF_CONFIG if name in record.suite},
    }
