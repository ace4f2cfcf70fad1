"""The tables of `bnnbench lab`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bnnbench.devices.facts import DeviceFacts
from bnnbench.results.quantity import roughly

if TYPE_CHECKING:
    from rich.table import Table

    from ..lab.queue import Waiting
    from ..lab.wire import Offer
    from .terminal import Console


def print_status(offers: Mapping[str, Offer], waiting: Sequence[Waiting], console: Console) -> None:
    """A line for each device."""
    table = _table("device", "host", "model", "state", "waiting")
    for name, offer in offers.items():
        behind = sum(item.device == name and not item.is_running for item in waiting)
        model = DeviceFacts.from_dict(offer.facts).model if offer.facts else None
        table.add_row(name, offer.host, model or "-", state_of(offer), str(behind))
    console.print(table if offers else "no host has joined this lab: bnnbench lab join")


def state_of(offer: Offer) -> str:
    """Free, or who has it, or why it cannot be had."""
    if offer.unusable:
        return offer.unusable
    if offer.session is None:
        return "free"
    if offer.progress is None:
        return f"run {offer.session}"
    text, done, total = offer.progress
    return f"run {offer.session}: {done} of {total}, {text}"


def print_queue(waiting: Sequence[Waiting], console: Console) -> None:
    """What runs and what waits, device by device."""
    from ..lab.queue import places

    table = _table("device", "run", "who", "kind", "state", "takes about")
    for item, place in places(waiting):
        takes = "-" if item.expected_s is None else roughly(item.expected_s)
        table.add_row(item.device, item.run, item.who, item.kind, place, takes)
    console.print(table if waiting else "nothing waits and nothing runs")


def _table(*heads: str) -> Table:
    from rich.table import Column, Table

    # In a narrow terminal nothing is cut: names, ids and paths are what one copies.
    return Table(*(Column(head, overflow="fold") for head in heads), box=None)
