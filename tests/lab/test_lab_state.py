"""What the site is told of a lab, and what not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnnbench.devices import quarantine
from bnnbench.devices.inventory import load
from bnnbench.harness.lab.host import Host
from bnnbench.harness.lab.lab_state import state_of
from bnnbench.harness.lab.queue import Waiting
from bnnbench.harness.lab.wire import Offer
from bnnbench.results.site.lab_state import LabDevice, LabRequest

QUARANTINED = "device 'd' is quarantined since 2026-01-31: it hangs"
AWAY = "device 'd' cannot be reached: no route to host."


def offer(**more: object) -> Offer:
    return Offer(**{"host": "rack", "device": "d", "entry": {}, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "state", "why"),
    [
        (offer(), "free", ""),
        (offer(session="run"), "measuring", ""),
        (offer(unusable=AWAY), "away", AWAY),
        (offer(unusable=f"{QUARANTINED}.", quarantined=QUARANTINED), "quarantined", f"{QUARANTINED}."),
        (offer(unusable=AWAY, quarantined=QUARANTINED), "quarantined", f"{AWAY} {QUARANTINED}."),
        (offer(unusable=AWAY, session="run"), "away", AWAY),
    ],
)
def test_states(given: Offer, state: str, why: str) -> None:
    (device,) = state_of({"d": given}, []).devices
    assert (device.state, device.why) == (state, why)


def test_facts_and_progress() -> None:
    told = {"model": {"value": "Pi", "source": "x"}, "soc": {"value": None, "source": "tried"}}
    given = offer(facts=told, session="run-1", progress=("bconv2d", 3, 12), accepted_since="2026-01-01T00:00:00+00:00")
    assert state_of({"d": given}, []).devices == [
        LabDevice(
            "d", "rack", "measuring", "", "run-1", "3 of 12, bconv2d", {"model": "Pi", "soc": None},
            "2026-01-01T00:00:00+00:00",
        )
    ]  # fmt: skip


def test_requests_are_in_order_and_nobody_is_named() -> None:
    waiting = [
        Waiting("c", "d", "ann@desk", "ci", 3.0),
        Waiting("b", "d", "ann@desk", "person", 4.0, expected_s=60.0),
        Waiting("a", "d", "bob@desk", "ci", 5.0, is_running=True, running_s=2.0),
        Waiting("a", "c", "bob@desk", "ci", 5.0),
    ]
    state = state_of({}, waiting)
    assert state.requests == [
        LabRequest("c", "a", "next", "CI"),
        LabRequest("d", "a", "running", "CI", is_running=True),
        LabRequest("d", "b", "number 2", "person", 60.0),
        LabRequest("d", "c", "number 3", "CI"),
    ]
    assert "@" not in repr(state)


def test_a_host_tells_since_when_figures_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "devices.toml"
    path.write_text('[device.pi]\ntransport = "ssh"\nhost = "pi.lab"\n')
    host = Host.of(load(path), tmp_path / "kept")
    assert host.offer("pi").accepted_since is None
    quarantine.quarantine(host.devices["pi"].spec, "canary", "it is slower")
    quarantine.release(host.devices["pi"].spec)
    assert host.offer("pi").accepted_since == quarantine.accepted_since(host.devices["pi"].spec) is not None
    quarantine.file_path().write_text("nonsense")
    assert host.offer("pi").accepted_since is None
    assert "does not hold quarantines" in (host.offer("pi").unusable or "")
