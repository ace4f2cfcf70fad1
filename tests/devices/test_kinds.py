"""What every row of `KINDS` promises, and a row that is added."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bnnbench.devices.errors import InventoryError, Unreachable
from bnnbench.devices.inventory import Inventory, add, load, parse, resolve
from bnnbench.devices.kinds import KINDS, addresses
from bnnbench.devices.machines import machines
from bnnbench.devices.probe import probe
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import connect

from . import toy

EXAMPLES = {
    "local": [DeviceSpec("desk", "local"), DeviceSpec("big", "local", cores="big")],
    "ssh": [
        DeviceSpec("a", "ssh", host="h", port=22),
        DeviceSpec("b", "ssh", host="h", user="pi"),
        DeviceSpec("c", "ssh", host="::1"),
    ],
    "adb": [DeviceSpec("a", "adb", serial="0A1B"), DeviceSpec("b", "adb", serial="192.0.2.7:5555")],
    "qemu": [DeviceSpec("a", "qemu", cpu="cortex-a72"), DeviceSpec("b", "qemu", cpu="max", arch="arm")],
    "toy": [DeviceSpec("a", "toy", options={"room": "attic"}), DeviceSpec("b", "toy", options={"room": "cellar"})],
}
HERE = ("local", "qemu")
each_kind = pytest.mark.parametrize("kind", EXAMPLES)


@pytest.fixture(autouse=True)
def with_a_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "toy", toy.ROW)


def test_every_kind_has_examples_here() -> None:
    assert EXAMPLES.keys() == KINDS.keys()


@each_kind
def test_an_address_is_read_and_written_alike(kind: str) -> None:
    for spec in EXAMPLES[kind]:
        if KINDS[kind].url is None:
            assert spec.address == "this machine"
            continue
        assert resolve(spec.address, Inventory()).address == spec.address
        assert replace(resolve(spec.address, Inventory()), name=spec.name, arch=spec.arch) == spec
        assert f"{kind}://" in addresses()


@each_kind
def test_an_inventory_holds_it(kind: str, tmp_path: Path) -> None:
    for spec in EXAMPLES[kind]:
        add(tmp_path / "devices.toml", spec)
        assert load(tmp_path / "devices.toml")[spec.name] == spec


@each_kind
def test_a_required_key_is_required(kind: str) -> None:
    for key in KINDS[kind].required:
        with pytest.raises(InventoryError, match=f"device 'a': key '{key}' is missing"):
            parse(f'[device.a]\ntransport = "{kind}"\n', Path("devices.toml"))
        with pytest.raises(InventoryError):
            resolve(f"{kind}://", Inventory())


@each_kind
def test_without_a_boot_id_machines_are_told_apart_by_where_they_are(kind: str) -> None:
    specs = EXAMPLES[kind]
    again = [replace(spec, name=f"{spec.name}-again", user="other") for spec in specs]  # whoever logs in
    found = machines([(spec, None) for spec in [*specs, *again]])
    expected = [tuple(specs + again)] if kind in HERE else list(zip(specs, again, strict=True))
    assert [one.devices for one in found] == expected


def test_all_that_runs_here_is_one_machine() -> None:
    specs = [spec for kind in HERE for spec in EXAMPLES[kind]]
    assert len(machines([(spec, None) for spec in specs])) == 1
    everything = [spec for specs in EXAMPLES.values() for spec in specs]
    assert len(machines([(spec, None) for spec in everything])) == 1 + 3 + 2 + 2


def test_one_kind_is_local() -> None:
    assert [kind for kind, specs in EXAMPLES.items() if any(spec.is_local for spec in specs)] == ["local"]


def test_a_toy_is_reached_by_its_row_alone() -> None:
    with connect(resolve("toy://attic", Inventory())) as transport:
        assert transport.spec.address == "toy://attic"
        assert transport.emulator is None
        assert probe(transport).value("machine")
    with pytest.raises(Unreachable, match="no room 'hall'"):
        connect(resolve("toy://hall", Inventory()))
    with pytest.raises(InventoryError, match="did you mean 'room'"):
        parse('[device.a]\ntransport = "toy"\nromm = "attic"\n', Path("devices.toml"))
