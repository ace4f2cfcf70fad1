"""Which run `lab cancel` takes off its devices."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bnnbench.harness.errors import CallError
from bnnbench.harness.lab.link import Link
from bnnbench.harness.lab.queue import Waiting


@pytest.mark.parametrize(
    ("beginning", "said"),
    [
        ("", r"no run in this lab has an id that begins with ''; there are: 20260131-a, 20260131-ab, 20260201-c\."),
        ("2025", "no run in this lab has an id that begins with '2025'"),
        ("20260131", r"'20260131' begins the ids of several runs; write more of one: 20260131-a, 20260131-ab\."),
    ],
)
def test_what_is_cancelled_is_one_run(beginning: str, said: str) -> None:
    runs = ("20260131-a", "20260131-ab", "20260201-c")
    cancelled: list[str] = []
    link = SimpleNamespace(
        queue=lambda: [Waiting(run, "pi", "ann@desk", "person", 0.0) for run in runs],
        ask_scheduler=lambda _, run, who: cancelled.append(run),
        ask_all=lambda *_: [],
    )
    with pytest.raises(CallError, match=said):
        Link.cancel(link, beginning)  # type: ignore[arg-type]
    assert not cancelled
    assert Link.cancel(link, "202602") == "20260201-c"  # type: ignore[arg-type]
    assert Link.cancel(link, "20260131-a") == "20260131-a"  # type: ignore[arg-type]
    assert cancelled == ["20260201-c", "20260131-a"]
