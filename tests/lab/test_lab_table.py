"""The tables of `lab status` and `lab queue` in narrow terminals."""

from __future__ import annotations

import io
from collections import Counter

from bnnbench.harness.cli.lab_table import print_queue, print_status
from bnnbench.harness.cli.terminal import Console
from bnnbench.harness.lab.queue import Waiting
from bnnbench.harness.lab.wire import Offer

RUN = "20260131-101500-ab12cd"


def test_nothing_is_cut_in_a_narrow_terminal() -> None:
    path = "/var/lib/bnnbench/identities/of-the-boards-in-the-second-rack/user_key"
    offers = {"pi4": Offer(host="rack1", device="pi4", entry={}, facts={}, unusable=f"Device 'pi4': no {path}.")}
    console = Console(file=io.StringIO(), width=60)
    print_status(offers, [], console)
    print_queue([Waiting(RUN, "a-board-with-a-long-name", "somebody@workstation", "person", 0.0)], console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in said
    assert max(map(len, said.splitlines())) <= 60
    told = (path, RUN, "a-board-with-a-long-name", "somebody@workstation")
    assert Counter("".join(told)) <= Counter(said)  # each character, wherever the line is broken
