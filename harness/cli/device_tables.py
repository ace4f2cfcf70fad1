"""What `bnnbench devices` prints: an inventory, a device's facts, what is wrong with it, what was put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.text import Text

from bnnbench.devices.doctor import Finding
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.inventory import Inventory
from bnnbench.devices.quarantine import quarantine_of
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.tuning import Change
from bnnbench.results.printable import printable
from bnnbench.results.sheet import Column, Sheet, folded, say

from .documents.devices import ListedDevice
from .documents.document import text_of
from .terminal import Console, line

_WEIGHTS = {"low": ("serious", "bold red"), "grade": ("doubt", "yellow"), "none": ("note", "dim")}


def print_inventory(inventory: Inventory, as_json: bool) -> None:
    """A row per device, and why those in quarantine are there. Raises DeviceError."""
    held = {name: found for name, spec in inventory.devices.items() if (found := quarantine_of(spec))}
    if as_json:
        listed = [ListedDevice(**_flat(spec), quarantine=held.get(name)) for name, spec in inventory.devices.items()]
        print(text_of(listed))
        return
    console = Console()
    sheet = Sheet(
        Column("name", folds=True), Column("transport"), Column("address", folds=True), Column("cores", folds=True)
    )
    for spec in inventory.devices.values():
        cores = spec.cores if isinstance(spec.cores, str) else ", ".join(map(str, spec.cores))
        sheet.add(spec.name, spec.transport, spec.address, cores)
    sheet.print(console)
    for found in held.values():
        say(console, f"{found.sentence}.", "yellow")
    say(console, f"inventory: {inventory.path or 'none; bnnbench devices add makes one'}", "dim")


def print_facts(facts: DeviceFacts, as_json: bool) -> None:
    """A row per fact, with where it is from."""
    if as_json:
        print(text_of(facts.facts))
        return
    console = Console()
    sheet = Sheet(Column("fact"), Column("from", folds=True), Column("value", folds=True))
    for name in facts:
        fact = facts[name]
        value = Text("absent", style="dim") if fact.value is None else line(words_of(fact.value))
        sheet.add(name, line(fact.source, "dim"), value)
    sheet.print(console)


def print_findings(spec: DeviceSpec, facts: DeviceFacts, findings: Sequence[Finding], as_json: bool) -> None:
    """Each with what mends it."""
    if as_json:
        print(text_of(findings))
        return
    console = Console()
    console.print(line(f"{spec.name}: {facts.model or 'unknown model'}", "bold"))
    for finding in findings:
        word, style = _WEIGHTS[finding.weight]
        margin = Text(f"{word:>8}  ", style)
        for text, its_style in ((finding.what, ""), (finding.mend, "cyan")):
            for part in folded(line(text, its_style), console.width - len(margin)):
                console.print(Text.assemble(margin, part), soft_wrap=True)
                margin = Text(" " * len(margin))
    if not any(finding.weight != "none" for finding in findings):
        console.print("nothing found that makes its measurements unreliable", style="green")


def print_changes(spec: DeviceSpec, changes: Sequence[Change], as_json: bool) -> None:
    """What was put back, and what could not be."""
    if as_json:
        print(text_of(changes))
        return
    for change in changes:
        print(printable(change.sentence))
    if not changes:
        print(f"nothing had to be undone on {spec.name}")


def words_of(value: object) -> str:
    """The value of a fact, for people."""
    match value:
        case str():
            return value
        case dict():
            return ", ".join(f"{key} {words_of(item)}" for key, item in value.items())
        case list() | tuple():
            return " ".join(map(words_of, value))
        case _:
            return str(value)


def _flat(spec: DeviceSpec) -> dict[str, Any]:
    fields = asdict(spec)
    return {**fields, **fields["options"]}
