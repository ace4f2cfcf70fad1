"""Devices of a lab by what they are: queries, --any and --all, by what their hosts told."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.inventory import load
from bnnbench.harness.bench.choosing import Chosen, choose_from
from bnnbench.harness.errors import CallError, CannotMeasure
from bnnbench.harness.lab.address import parse_address
from bnnbench.harness.lab.calls import let_go, take_devices
from bnnbench.harness.lab.choose import candidates_at
from bnnbench.harness.lab.host import Host
from bnnbench.harness.lab.lab_candidates import LabCandidates
from bnnbench.harness.lab.link import Link
from bnnbench.harness.lab.queue import HELD_S, Choice, Held, Waiting, take
from bnnbench.harness.lab.wire import Offer
from tests.harness.bench import one_sentence
from tests.lab.labs import ANSWER_S, Lab

PI = '[device.pi]\ntransport = "ssh"\nhost = "pi.lab"\n'
NOON = 1_800_000_000.0
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
    held: list[Held] = []

    def taken(choice: Choice) -> list[str]:
        names, held[:] = take(choice, waiting, held, NOON)
        return names

    return LabCandidates(ADDRESS, {each.device: each for each in offers or OFFERS}, taken)


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


def test_of_two_that_choose_at_once_each_gets_a_device() -> None:
    """Before either has asked for its session."""
    candidates = of()
    words = ["soc=bcm2711"]
    assert [choose_from(candidates, words, print, any=1).devices for _ in range(3)] == [["pi4-1"], ["pi4-3"], ["pi4-1"]]
    candidates = of()
    assert choose_from(candidates, words, print, any=2).devices == ["pi4-1", "pi4-3"]
    assert choose_from(candidates, [], print, any=2).devices == ["pi5-1", "pi5-2"]


def test_what_is_held_counts_until_it_is_asked_for_or_let_go() -> None:
    beside = {"a": ("a",), "b": ("b",)}
    first, second = Choice("1", 1, beside), Choice("2", 1, beside)
    taken, held = take(first, (), (), NOON)
    assert (taken, held) == (["a"], [Held("1", "a", NOON)])
    assert take(second, (), held, NOON + HELD_S - 1)[0] == ["b"]
    assert take(second, (), held, NOON + HELD_S) == (["a"], [Held("2", "a", NOON + HELD_S)])
    asked = (replace(work("run", "a"), client="1"), work("other", "b"))
    assert take(second, asked, held, NOON)[0] == ["a"]  # one run before either, not two
    same_machine = {"a": ("a", "b"), "b": ("a", "b"), "c": ("c",)}
    assert take(Choice("2", 1, same_machine), (), held, NOON)[0] == ["c"]


def test_the_scheduler_keeps_what_is_held() -> None:
    scheduler: Any = SimpleNamespace(extensions={}, tasks={})
    choice = Choice("1", 1, {"a": ("a",), "b": ("b",)})
    assert [take_devices(choice, scheduler) for _ in range(2)] == [["a"], ["b"]]
    let_go("1", ["a"], scheduler)
    let_go("2", ["b"], scheduler)  # another client's is not touched
    assert [take_devices(choice, scheduler) for _ in range(2)] == [["a"], ["a"]]


BY_HOST = (
    offer("pi4-1", PI4, "bcm2711", "Linux 6.6", pools={"pi4s": None, "all": "model~pi"}),
    offer("pi4-2", PI4, "bcm2711", "Linux 6.6", pools={"all": "model~pi"}),
    offer("pi4-3", PI4, "bcm2711", "Linux 6.6", host="shelf", pools={"pi4s": "soc=bcm2711", "new": "kernel>7"}),
    offer("pi5-1", PI5, "bcm2712", "Linux 6.6", host="shelf", pools={"pi4s": "soc=bcm2711", "new": "kernel>7"}),
    offer("lost", "", "", "", host="shelf", facts={}, unusable="device 'lost' is away.", pools={"pi4s": "soc=bcm2711"}),
)


def test_a_pool_of_that_name_on_several_hosts_is_one() -> None:
    told: list[str] = []
    chosen = choose_from(of(*BY_HOST), ["pi4s"], told.append)
    assert chosen == Chosen(["pi4-1", "pi4-3"], {"pi4s": ["pi4-1", "pi4-3"]})
    assert told == ["lost is left out, because nothing is known of it: device 'lost' is away."]
    assert choose_from(of(*BY_HOST), ["all", "pi5-1"], print) == Chosen(
        ["pi4-1", "pi4-2", "pi5-1"], {"all": ["pi4-1", "pi4-2"]}
    )


def test_any_and_all_take_from_a_pool() -> None:
    busy = (work("a", "pi4-1"),)
    assert choose_from(of(*BY_HOST, waiting=busy), ["pi4s"], print, any=1) == Chosen(["pi4-3"], {"pi4s": ["pi4-3"]})
    assert choose_from(of(*BY_HOST), ["pi4s"], print, all=True).devices == ["pi4-1", "pi4-3"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("new", f"no device of the lab at {ADDRESS} is in the pool 'new', which asks for 'kernel>7'"),
        ("pi4", "has no device 'pi4' (did you mean 'pi4s'?); it offers lost, pi4-1"),
        ("pi", "pi5-1, and the pools all, new, pi4s."),
    ],
)
def test_errors_of_pools(word: str, said: str) -> None:
    with pytest.raises(CallError, match=re.escape(said)):
        choose_from(of(*sorted(BY_HOST, key=lambda each: each.device)), [word], lambda _: None)


def test_one_name_for_a_device_and_a_pool_is_refused() -> None:
    clash = offer("all", PI4, "bcm2711", "Linux 6.6")
    with pytest.raises(CallError, match=r"^'all' is a device and a pool of the lab at tls://desk:8786; rename"):
        choose_from(of(*BY_HOST, clash), ["all"], print)


def test_a_host_tells_the_pools_of_its_inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "devices.toml"
    other = PI.replace("device.pi", "device.pi-2")
    path.write_text(PI + other + '[pool.shelf]\ndevices = ["pi"]\n[pool.pi4s]\nquery = "model~Pi 4"\n')
    host = Host.of(load(path), tmp_path / "kept")
    assert host.offer("pi").pools == {"shelf": None, "pi4s": "model~Pi 4"}
    assert host.offer("pi-2").pools == {"pi4s": "model~Pi 4"}


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
        (
            [],
            {},
            CallError,
            "has no device 'local', which is meant without --device: name some, or take --any N or --all",
        ),
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
        choose_from(LabCandidates(ADDRESS, {}, lambda _: []), [], print, all=True)


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + ANSWER_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_of_two_that_choose_at_once_in_a_real_lab_each_gets_a_device(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both before a run has asked for anything."""
    monkeypatch.setenv("BNNBENCH_LAB_CERTIFICATES", str(lab.certificates))
    ours, theirs = candidates_at(lab.address, None), candidates_at(lab.address, None)
    link = Link(parse_address(lab.address))
    try:
        assert choose_from(ours, ["here"], print, any=1) == Chosen(["board"], {"here": ["board"]})
        assert choose_from(theirs, ["here"], print, any=1) == Chosen(["desk"], {"here": ["desk"]})
        link.let_go(["board", "desk"])
        assert choose_from(ours, ["here"], print, any=1).devices == ["board"]
    finally:
        link.let_go(["board", "desk"])
        link.close()


def test_runs_take_devices_by_what_they_are(lab: Lab) -> None:
    """In a real lab, with a device that its host's user quarantines."""
    user, owner = lab.user("hal"), lab.user("near")
    words = ["small.toml", "-e", "native", "--filter", "maxpool", "--lab", lab.address]
    endless = ["run", "long.toml", "-e", "native", "--invocations", "1000", "--lab", lab.address]
    other = lab.user("ira").start(*endless, "-d", "board")  # until it is interrupted
    try:
        wait_for(lambda: "board" in user.run("lab", "queue", lab.address).stdout)
        run = user.measure(*words, "-d", "cpus>=1", "--any", "1")
        assert set(run.record.devices) == {"desk"}  # the board, which is first, is not free
        done = user.run("estimate", *words[:1], *words[3:], "--store", "store", "-d", "here", "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert {name: place["runs_before"] for name, place in found["queue"].items()} == {"board": 1, "desk": 0}
        assert {case["device"] for case in found["cases"]} == {"board", "desk"}
    finally:
        other.send_signal(signal.SIGINT)
        other.communicate(timeout=60)
    assert set(user.measure(*words, "-d", "here").record.devices) == {"board", "desk"}
    assert owner.run("devices", "quarantine", "desk", "it is painted", "--inventory", "devices.toml").returncode == 0
    try:
        done = user.run("run", *words, "--store", "store", "--all")
        assert done.returncode == 0, done.stderr
        assert "left out: device 'desk' is quarantined" in done.stderr
        assert set(user.store.run("latest").record.devices) == {"board"}
        done = user.run("site", "-o", "public", "--store", "store", "--lab", lab.address)
        assert done.returncode == 0, done.stderr
        page = (user.folder / "public/lab.html").read_text()
        assert "1 free, 1 quarantined" in page
        assert "it is painted; see to it, then bring it back with: bnnbench devices release desk." in page
        done = user.run("run", *words, "--store", "store", "-d", "transport=local", "--any", "1")
        assert done.returncode == 3
        assert f"is quarantined; see bnnbench lab status {lab.address}" in one_sentence(done.stderr.splitlines()[-1])
    finally:
        assert owner.run("devices", "release", "desk", "--inventory", "devices.toml").returncode == 0
