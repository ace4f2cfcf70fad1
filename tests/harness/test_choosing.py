"""Which devices a run is measured on, by name, pool, query, `--any` and `--all`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bnnbench.devices import known_facts, quarantine, selecting
from bnnbench.devices.errors import DeviceBusy, DeviceError, InventoryError, Unreachable
from bnnbench.devices.facts import DeviceFacts, Fact
from bnnbench.devices.inventory import Inventory, load
from bnnbench.devices.spec import DeviceSpec
from bnnbench.harness.bench import candidates
from bnnbench.harness.bench.choosing import Chosen, choose
from bnnbench.harness.bench.waiting import waiting
from bnnbench.harness.errors import CallError, CannotMeasure
from tests.harness.bench import Bench, one_sentence

BOARDS = "".join(f'[device.pi{number}]\ntransport = "ssh"\nhost = "pi{number}.lab"\n' for number in (1, 2, 3))
PHONE = '[device.phone]\ntransport = "adb"\nserial = "0A1B"\n'
POOLS = '[pool.pis]\nquery = "soc=bcm2711"\n[pool.two]\ndevices = ["pi2", "phone", "pi2"]\n'


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    """Three boards and a phone; of pi3 nothing is known, and nothing answers."""

    def connect(spec: DeviceSpec) -> None:
        raise Unreachable(f"device {spec.name!r} does not answer.")

    monkeypatch.setattr(selecting, "connect", connect)
    path = tmp_path / "devices.toml"
    path.write_text(BOARDS + PHONE + POOLS)
    inventory = load(path)
    for name, soc in (("pi1", "bcm2711"), ("pi2", "bcm2711"), ("phone", "SM8550")):
        known_facts.remember(inventory[name], DeviceFacts({"soc": Fact(soc, "test"), "boot_id": Fact("x", "")}))
    return inventory


@pytest.mark.parametrize(
    ("words", "devices", "pools"),
    [
        ([], ["local"], {}),
        (["pi1", "pi1", "local"], ["pi1", "local"], {}),
        (["ssh://pi@other.lab"], ["ssh://pi@other.lab"], {}),
        (["soc=bcm2711"], ["pi1", "pi2"], {"soc=bcm2711": ["pi1", "pi2"]}),
        (["pis", "phone"], ["pi1", "pi2", "phone"], {"pis": ["pi1", "pi2"]}),
        (["two"], ["pi2", "phone"], {"two": ["pi2", "phone"]}),
        (["pi2", "pis"], ["pi2", "pi1"], {"pis": ["pi1", "pi2"]}),
        (["transport=adb"], ["phone"], {"transport=adb": ["phone"]}),
    ],
)
def test_words(inventory: Inventory, words: list[str], devices: list[str], pools: dict[str, list[str]]) -> None:
    chosen = choose(words, inventory, lambda _: None)
    assert (sorted(chosen.devices), chosen.pools) == (sorted(devices), pools)
    assert len(chosen.devices) == len(devices)


def test_all_is_the_inventory_without_this_machine(inventory: Inventory) -> None:
    assert choose([], inventory, print, all=True) == Chosen(["pi1", "pi2", "pi3", "phone"])
    assert choose([], Inventory(), print, all=True) == Chosen(["local"])


def test_what_is_not_known_and_does_not_answer_is_left_out_and_told(inventory: Inventory, told: list[str]) -> None:
    choose(["soc~bcm"], inventory, told.append)
    assert told == ["pi3 is left out, because nothing is known of it: Device 'pi3' does not answer."]


def test_old_facts_count_where_a_device_does_not_answer(inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_facts, "FRESH_HOURS", 0)
    asked: list[str] = []
    monkeypatch.setattr(selecting, "_read", lambda spec: asked.append(spec.name) or DeviceError("gone."))
    assert choose(["soc=bcm2711"], inventory, lambda _: None).devices == ["pi1", "pi2"]
    assert sorted(asked) == ["phone", "pi1", "pi2", "pi3"]


def test_damaged_facts_are_asked_for_again(inventory: Inventory, told: list[str]) -> None:
    for file in known_facts.folder().iterdir():
        file.write_text('{"schema": 1, "place": 3}')
    with pytest.raises(InventoryError, match=r"no device of .*devices\.toml is 'soc=bcm2711'"):
        choose(["soc=bcm2711"], inventory, told.append)
    assert len(told) == 4


def test_quarantined_devices_are_left_out_unless_they_are_named(inventory: Inventory, told: list[str]) -> None:
    quarantine.quarantine(inventory["pi1"], "user", "broken")
    assert choose(["pis"], inventory, told.append) == Chosen(["pi2"], {"pis": ["pi2"]})
    assert choose([], inventory, told.append, all=True).devices == ["pi2", "pi3", "phone"]
    assert choose(["pi1", "pi2"], inventory, told.append, all=True).devices == ["pi2"]
    assert sum(text.startswith("left out: device 'pi1' is quarantined since") for text in told) == 3
    assert choose(["pi1", "pi2"], inventory, told.append).devices == ["pi1", "pi2"]  # the run says why not
    quarantine.quarantine(inventory["pi2"], "user", "broken too")
    with pytest.raises(CannotMeasure, match="every device of 'pis' is quarantined"):
        choose(["pis"], inventory, told.append)


Busy = Callable[[dict[str, int]], list[str]]


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Busy:
    """Devices that are busy so many times; a negative number: away. Returns the names that were asked, in order."""

    def make(times: dict[str, int]) -> list[str]:
        asked: list[str] = []

        def require(spec: DeviceSpec, _: object) -> None:
            asked.append(spec.name)
            if times.get(spec.name, 0) < 0:
                raise Unreachable(f"device {spec.name!r} does not answer.")
            if asked.count(spec.name) <= times.get(spec.name, 0):
                raise DeviceBusy(f"device {spec.name!r} is busy: somebody.")

        monkeypatch.setattr(candidates, "_require_free", require)
        monkeypatch.setattr(candidates, "_LOOK_AGAIN_S", 0.05)
        return asked

    return make


def test_any_takes_those_that_are_free(inventory: Inventory, busy: Busy, told: list[str]) -> None:
    asked = busy({"pi1": 99, "pi2": -1})
    assert choose([], inventory, told.append, any=1) == Chosen(["pi3"])
    assert asked == ["pi1", "pi2", "pi3"]
    assert told == ["left out: Device 'pi2' does not answer."]
    busy({"pi1": 99})
    assert choose(["pis"], inventory, told.append, any=1) == Chosen(["pi2"], {"pis": ["pi2"]})


def test_any_waits_as_long_as_it_may(inventory: Inventory, busy: Busy) -> None:
    asked = busy({"pi1": 99, "pi2": 3})
    with waiting(20, lambda _: None):
        assert choose(["pis"], inventory, print, any=1).devices == ["pi2"]
    assert asked.count("pi2") == 4
    busy({"pi1": 99, "pi2": 99})
    begun = time.monotonic()
    with (
        waiting(0.3, lambda _: None),
        pytest.raises(CannotMeasure, match=r"--any 2: 0 devices could be had after 1 s\."),
    ):
        choose(["pis"], inventory, print, any=2)
    assert 0.2 < time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("any", "all", "part"),
    [(0, False, "--any 0 is less than 1"), (1, True, "give one of them"), (5, False, "--any 5 asks for more devices")],
)
def test_what_cannot_be_asked_for(inventory: Inventory, busy: Busy, any: int, all: bool, part: str) -> None:
    busy({})
    with pytest.raises(CallError, match=part):
        choose([], inventory, print, any=any, all=all)


@pytest.mark.parametrize(
    ("table", "part"),
    [
        (
            '[pool.a]\nquery = "sco=x"',
            "pool 'a', key 'query': 'sco=x': there is no attribute 'sco' (did you mean 'soc'?)",
        ),
        ("[pool.a]\nquery = 3", "3 must be text"),
        ('[pool.a]\ndevices = ["pi9"]', "there is no device 'pi9'"),
        ("[pool.a]\ndevices = []", "must be a list of names"),
        ('[pool.a]\ndevices = ["pi1"]\nquery = "soc=x"', "either devices or a query"),
        ("[pool.a]", "either devices or a query"),
        ('[pool.a]\nqurey = "soc=x"', "unknown key 'qurey' (did you mean 'query'?)"),
        ('[pool.pi1]\ndevices = ["pi1"]', "has the name of a device"),
        ('[pool."a b"]\ndevices = ["pi1"]', "a name is letters"),
        ("pool = 3", "write [pool.NAME]"),
        ("[pool]\na = 3", "must be a table"),
    ],
)
def test_a_pool_that_is_wrong_is_one_sentence(tmp_path: Path, table: str, part: str) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(f"{table}\n{BOARDS}" if table.startswith("pool") else f"{BOARDS}{table}\n")
    with pytest.raises(InventoryError) as told:
        load(path)
    assert part in str(told.value)


def test_a_command_for_one_device_refuses_several(inventory: Inventory) -> None:
    with pytest.raises(InventoryError, match="'pis' means 2 devices: pi1, pi2; name one"):
        selecting.resolve("pis", inventory)
    assert selecting.resolve("soc=SM8550", inventory).name == "phone"


def test_a_run_by_what_devices_are(bench: Bench) -> None:
    bench.write("devices.toml", '[device.a]\ntransport = "local"\n[device.b]\ntransport = "local"\n')
    words = ["small.toml", "--filter", "maxpool", "--engine", "native", "--invocations", "1", "--store", "store"]
    done = bench.run("run", *words, "-d", "name~a,cpus>=1", "--json")
    assert done.returncode == 0, done.stderr
    assert {row["device"] for row in json.loads(done.stdout)["cases"]} == {"a"}
    record = bench.store.run("latest").record
    assert (record.suite["devices"], record.suite["pools"]) == (["a"], {"name~a,cpus>=1": ["a"]})
    assert bench.run("devices", "quarantine", "a", "it is hot").returncode == 0
    wrong = bench.run("run", *words, "-d", "sco=x")
    assert wrong.returncode == 2
    assert "did you mean 'soc'" in one_sentence(wrong.stderr)
    one = bench.run("run", *words, "--any", "1")
    assert one.returncode == 0, one.stderr
    assert "left out: device 'a' is quarantined since" in " ".join(one.stderr.split())
    assert list(bench.store.run("latest").record.devices) == ["b"]


def test_what_is_between_the_boards_of_a_pool_is_told(bench: Bench) -> None:
    boards = '[device.a]\ntransport = "local"\n[device.b]\ntransport = "local"\n[pool.both]\ndevices = ["a", "b"]\n'
    bench.write("devices.toml", boards)
    words = ["small.toml", "--filter", "maxpool", "-d", "both", "--store", "store", "--engine", "native"]
    done = bench.run("run", *words)
    assert done.returncode == 0, done.stderr
    assert "on 2 boards of 'both': " in done.stdout
    assert "between boards" in done.stdout
    report = bench.run("report", "latest", "--store", "store", "-o", "page")
    assert report.returncode == 0, report.stderr
    (page,) = (bench.folder / "page").glob("*.html")
    assert "<h3>Between boards of one pool</h3>" in page.read_text()
