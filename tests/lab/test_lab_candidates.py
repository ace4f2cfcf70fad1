"""Devices of a lab by what they are: queries, --any and --all, by what their hosts told."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.inventory import load
from bnnbench.harness.bench.choosing import Chosen, choose_from
from bnnbench.harness.errors import CallError, CannotMeasure
from bnnbench.harness.lab.host import Host
from bnnbench.harness.lab.lab_candidates import LabCandidates
from bnnbench.harness.lab.queue import Waiting
from bnnbench.harness.lab.wire import Offer
from tests.harness.bench import one_sentence
from tests.lab.labs import ANSWER_S, Lab

PI = '[device.pi]\ntransport = "ssh"\nhost = "pi.lab"\n'
ADDRESS = "tls://desk:8786"
QUARANTINED = "device 'pi4-2' is quarantined since 2026-01-31: lost 3 times"


def offer(device: str, model: str, soc: str, kernel: str, **more: object) -> Offer:
    told = {"model": model, "soc": soc, "kernel": kernel}
    facts = {name: {"value": value, "source": "test"} for name, value in told.items()}
    entry = {"transport": "ssh", "host": f"{device}.lab"}
    return Offer(**{"host": "rack", "device": device, "entry": entry, "facts": facts, **more})  # type: ignore[arg-type]


PI4, PI5 = "Raspberry Pi 4 Model B Rev 1.4", "Raspberry Pi 5 Model B Rev 1.0"
OFFERS = (
    offer("pi4-1", PI4, "bcm2711", "Linux 6.6.20+rpt"),
    offer("pi4-2", PI4, "bcm2711", "Linux 6.6.20+rpt", unusable=f"{QUARANTINED}.", quarantined=QUARANTINED),
    offer("pi4-3", PI4, "bcm2711", "Linux 6.10.1"),
    offer("pi5-1", PI5, "bcm2712", "Linux 6.6.20+rpt"),
    offer("pi5-2", PI5, "bcm2712", "Linux 6.5.0"),
    offer("new", "", "", "", facts={}, unusable="device 'new' cannot be reached: no route to host."),
)


def of(*offers: Offer, waiting: tuple[Waiting, ...] = ()) -> LabCandidates:
    return LabCandidates(ADDRESS, {each.device: each for each in offers or OFFERS}, waiting)


def work(run: str, device: str) -> Waiting:
    return Waiting(run, device, "ann@desk", "person", 1.0)


@pytest.mark.parametrize(
    ("words", "devices", "pools"),
    [
        (["pi5-1", "pi4-1"], ["pi5-1", "pi4-1"], {}),
        (["model~Raspberry Pi 4"], ["pi4-1", "pi4-3"], {"model~Raspberry Pi 4": ["pi4-1", "pi4-3"]}),
        (["soc=bcm2712,kernel>=6.6"], ["pi5-1"], {"soc=bcm2712,kernel>=6.6": ["pi5-1"]}),
        (["kernel>6.9", "pi5-2"], ["pi4-3", "pi5-2"], {"kernel>6.9": ["pi4-3"]}),
        (["pi4-2"], ["pi4-2"], {}),  # named alone: the run says why not
    ],
)
def test_words(words: list[str], devices: list[str], pools: dict[str, list[str]]) -> None:
    assert choose_from(of(), words, lambda _: None) == Chosen(devices, pools)


def test_all_leaves_out_what_is_quarantined_and_says_why() -> None:
    told: list[str] = []
    assert choose_from(of(), [], told.append, all=True) == Chosen(["pi4-1", "pi4-3", "pi5-1", "pi5-2", "new"])
    assert told == [f"left out: {QUARANTINED}"]
    assert choose_from(of(), ["pi4-2", "pi4-1"], told.append, all=True).devices == ["pi4-1"]


def test_what_has_not_answered_its_host_is_told_where_a_query_needs_facts() -> None:
    told: list[str] = []
    choose_from(of(), ["soc=bcm2712"], told.append)
    assert told == [
        "new is left out, because nothing is known of it: device 'new' cannot be reached: no route to host."
    ]
    assert "new" in choose_from(of(), ["transport=ssh"], lambda _: None).devices


def test_any_takes_free_ones_first_then_the_shortest_queue() -> None:
    both = (work("a", "pi4-1"), work("b", "pi4-1"), work("c", "pi4-3"))
    assert choose_from(of(), ["soc=bcm2711"], print, any=1) == Chosen(["pi4-1"], {"soc=bcm2711": ["pi4-1"]})
    assert choose_from(of(waiting=both[:1]), ["soc=bcm2711"], print, any=1).devices == ["pi4-3"]
    assert choose_from(of(waiting=both), ["soc=bcm2711"], print, any=1).devices == ["pi4-3"]
    assert choose_from(of(waiting=both), ["soc=bcm2711"], print, any=2).devices == ["pi4-1", "pi4-3"]
    assert choose_from(of(waiting=both), [], print, any=2).devices == ["pi5-1", "pi5-2"]


def test_a_device_whose_machine_has_work_is_not_free() -> None:
    """Also where the scheduler was restarted, and only the host knows of the session."""
    beside = ("desk", "emulated")
    desk = offer("desk", "PC", "", "Linux 6.1", beside=beside)
    emulated = offer("emulated", "PC", "", "Linux 6.1", beside=beside, session="a")
    other = offer("other", "PC", "", "Linux 6.1", beside=("other",))
    assert choose_from(of(desk, emulated, other), [], print, any=1).devices == ["other"]
    seen_twice = of(desk, emulated, other, waiting=(work("a", "emulated"), work("b", "other")))
    assert choose_from(seen_twice, [], print, any=1).devices == ["desk"]  # one run before either, not two


def test_a_host_tells_which_devices_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "devices.toml"
    path.write_text("".join(f'[device.{name}]\ntransport = "local"\n' for name in ("desk", "twin")) + PI)
    host = Host.of(load(path), tmp_path / "kept")
    assert {name: set(host.offer(name).beside) for name in host.devices} == {
        "desk": {"desk", "twin"},
        "twin": {"desk", "twin"},
        "pi": {"pi"},
    }


def test_any_leaves_out_what_cannot_be_had() -> None:
    told: list[str] = []
    only = of(*[each for each in OFFERS if each.device in ("new", "pi4-1")])
    assert choose_from(only, [], told.append, any=1).devices == ["pi4-1"]
    assert told == ["left out: device 'new' cannot be reached: no route to host."]
    with pytest.raises(CannotMeasure, match=r"^--any 2: 1 devices could be had\. device 'new' cannot be reached"):
        choose_from(only, [], print, any=2)


@pytest.mark.parametrize(
    ("words", "asked", "kind", "said"),
    [
        (
            ["soc=bcm2835"],
            {},
            CallError,
            f"no device of the lab at {ADDRESS} is 'soc=bcm2835'; see bnnbench lab status",
        ),
        (["sok=x"], {}, InventoryError, "there is no attribute 'sok' (did you mean 'soc'?)"),
        (["pi4"], {}, CallError, f"the lab at {ADDRESS} has no device 'pi4'"),
        ([], {}, CallError, "has no device 'local'"),
        (["soc=bcm2711"], {"any": 3}, CallError, "--any 3 asks for more devices than there are"),
        (["soc=bcm2711"], {"any": 0}, CallError, "--any 0 is less than 1"),
        ([], {"any": 1, "all": True}, CallError, "give one of them"),
        (["model~Pi 4,kernel<6.7,name=pi4-2"], {}, CannotMeasure, f"is quarantined; see bnnbench lab status {ADDRESS}"),
    ],
)
def test_errors(words: list[str], asked: dict[str, int], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=re.escape(said)):
        choose_from(of(), words, lambda _: None, **asked)  # type: ignore[arg-type]


def test_a_lab_without_devices_is_a_sentence() -> None:
    with pytest.raises(CallError, match=r"has no devices; see bnnbench lab status"):
        choose_from(LabCandidates(ADDRESS, {}, ()), [], print, all=True)


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + ANSWER_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_runs_take_devices_by_what_they_are(lab: Lab) -> None:
    """In a real lab, with a device that its host's user quarantines."""
    user, owner = lab.user("hal"), lab.user("near")
    words = ["small.toml", "-e", "native", "--filter", "maxpool", "--lab", lab.address]
    # It is interrupted; until then it must not end, however slow the machine is.
    longer = ["long.toml", "-e", "native", "--invocations", "500"]
    other = lab.user("ira").start("run", *longer, "-d", "board", "--lab", lab.address)
    try:
        wait_for(lambda: "board" in user.run("lab", "queue", lab.address).stdout)
        run = user.measure(*words, "-d", "cpus>=1", "--any", "1")
        assert set(run.record.devices) == {"desk"}  # the board, which is first, is not free
    finally:
        other.send_signal(signal.SIGINT)
        other.communicate(timeout=60)
    assert set(user.measure(*words, "--all").record.devices) == {"board", "desk"}
    assert owner.run("devices", "quarantine", "desk", "it is painted", "--inventory", "devices.toml").returncode == 0
    try:
        done = user.run("run", *words, "--store", "store", "--all")
        assert done.returncode == 0, done.stderr
        assert "left out: device 'desk' is quarantined" in done.stderr
        assert set(user.store.run("latest").record.devices) == {"board"}
        done = user.run("run", *words, "--store", "store", "-d", "transport=local", "--any", "1")
        assert done.returncode == 3
        assert f"is quarantined; see bnnbench lab status {lab.address}" in one_sentence(done.stderr.splitlines()[-1])
    finally:
        assert owner.run("devices", "release", "desk", "--inventory", "devices.toml").returncode == 0
