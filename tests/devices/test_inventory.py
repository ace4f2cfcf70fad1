"""Inventory files, device addresses, and adding a device."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.inventory import (
    LOCAL,
    DeviceSpec,
    Inventory,
    add,
    find_inventory,
    load,
    open_inventory,
    parse,
    resolve,
    user_inventory,
)

GOOD = """
[device.pi4]
transport = "ssh"
host = "pi4.lab"
user = "pi"
cores = "big"
tune = true

[device.phone]
transport = "ssh"
host = "192.0.2.7"
port = 8022
identity_file = "keys/phone"
workdir = "/data/bench"
cores = [2, 3]

[device.desk]
transport = "local"
"""


def test_a_full_inventory(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(GOOD)
    inventory = load(path)
    assert list(inventory.devices) == ["local", "pi4", "phone", "desk"]
    assert inventory["pi4"] == DeviceSpec("pi4", "ssh", host="pi4.lab", user="pi", cores="big", tune=True)
    phone = inventory["phone"]
    assert (phone.port, phone.cores, phone.workdir) == (8022, (2, 3), "/data/bench")
    assert phone.identity_file == tmp_path / "keys/phone"
    assert inventory["local"] == LOCAL


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[device.a]\ntransport="ssh"\nhsot="x"', ["device 'a'", "'hsot'", "did you mean 'host'"]),
        ('[device.a]\ntransport="local"\nhost="x"', ["device 'a'", "'host'", "takes abi, cool_to_celsius, cores"]),
        ('[device.a]\nhost="x"', ["device 'a'", "'transport' is missing"]),
        ('[device.a]\ntransport="ssh"', ["device 'a'", "'host' is missing"]),
        ('[device.a]\ntransport="shh"\nhost="x"', ["'transport'", "did you mean 'ssh'"]),
        ('[device.a]\ntransport=3\nhost="x"', ["'transport'", "3"]),
        ('[device.a]\ntransport="adb"\nserial="-s x"', ["'serial'", "`adb devices`"]),
        ('[device.a]\ntransport="adb"', ["'serial'", "is missing"]),
        ('[device.a]\ntransport="qemu"', ["'cpu'", "is missing"]),
        ('[device.a]\ntransport="qemu"\ncpu="max"\narch="x86"', ["'arch'", '"aarch64" or "arm"']),
        ('[device.a]\ntransport="local"\npatience_s=-1', ["'patience_s'", "from 0 to 86400"]),
        ('[device.a]\ntransport="local"\nabi="mips"', ["'abi'", "mips"]),
        ('[device.a]\ntransport="local"\ncool_to_celsius=5', ["'cool_to_celsius'", "from 20 to 100"]),
        ('[device.a]\ntransport="ssh"\nhost="x"\nport="22"', ["'port'", "'22'", "65535"]),
        ('[device.a]\ntransport="ssh"\nhost="x"\nport=true', ["'port'", "True"]),
        ('[device.a]\ntransport="ssh"\nhost="x"\nport=0', ["'port'", "0"]),
        ('[device.a]\ntransport="ssh"\nhost=""', ["'host'", "non-empty"]),
        ('[device.a]\ntransport="ssh"\nhost="-oProxyCommand=x"', ["'host'", "start with '-'"]),
        ('[device.a]\ntransport="ssh"\nhost="x"\ncores="fast"', ["'cores'", "'fast'", '"big"']),
        ('[device.a]\ntransport="local"\ncores=[1, 1]', ["'cores'", "[1, 1]"]),
        ('[device.a]\ntransport="local"\ncores=[]', ["'cores'"]),
        ('[device.a]\ntransport="local"\ncores=[true]', ["'cores'"]),
        ('[device.a]\ntransport="local"\ntune="yes"', ["'tune'", "true or false"]),
        ('[device.local]\ntransport="ssh"\nhost="x"', ["'local'", "choose another name"]),
        ('[device."a b"]\ntransport="local"', ["'a b'", "letters"]),
        ("[devices.a]\nx=1", ["'devices'", "did you mean 'device'"]),
        ("device=3", ["[device.NAME]"]),
        ("[device]\na=3", ["device 'a'", "must be a table", "[device.NAME]"]),
        ("[[device]]\na=3", ["write [device.NAME], not [[device]]"]),
        ("[[device.a]]\na=3", ["device 'a'", "write [device.a], not [[device.a]]"]),
        ("[device.a\n", ["not valid TOML"]),
    ],
)
def test_what_is_wrong_is_one_sentence(text: str, parts: list[str]) -> None:
    with pytest.raises(InventoryError) as caught:
        parse(text, Path("lab/devices.toml"))
    sentence = str(caught.value)
    assert all(part in sentence for part in ["lab/devices.toml", *parts]), sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_not_text_and_not_there(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    with pytest.raises(InventoryError, match="does not exist"):
        find_inventory(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InventoryError, match="UTF-8"):
        load(path)


def test_where_an_inventory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    assert find_inventory() is None
    assert list(load(None).devices) == ["local"]
    user_inventory().parent.mkdir(parents=True)
    user_inventory().write_text(GOOD)
    assert find_inventory() == user_inventory()
    Path("devices.toml").write_text(GOOD)
    assert find_inventory() == Path("devices.toml")
    assert find_inventory(user_inventory()) == user_inventory()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an inventory, and a working folder below it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "repo"
    (folder / "bench" / "deep").mkdir(parents=True, mode=0o755)
    (folder / "devices.toml").write_text(GOOD)
    monkeypatch.chdir(folder / "bench" / "deep")
    return folder


def test_the_inventory_of_a_project_counts_in_all_its_folders(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_inventory() == project / "devices.toml"
    user_inventory().parent.mkdir(parents=True)
    user_inventory().write_text("")
    assert find_inventory() == project / "devices.toml"
    found = open_inventory()
    assert found.is_found, "it is trusted no more than one in the working folder"
    assert all(resolve(name, found).is_found == (name != "local") for name in found.devices)
    (project / "bench" / "devices.toml").write_text('[device.near]\ntransport="local"\n')
    assert "near" in open_inventory().devices
    monkeypatch.chdir(project / "bench")
    assert find_inventory() == Path("devices.toml")


def test_an_inventory_in_the_home_folder_is_none_of_a_project(project: Path) -> None:
    (project / "devices.toml").rename(project.parent / "devices.toml")
    assert find_inventory() is None


@pytest.mark.parametrize("what", [".", "devices.toml"])
@pytest.mark.parametrize("how", ["world", "group", "owner"])
def test_an_inventory_above_that_another_user_could_change_is_not_taken(project: Path, what: str, how: str) -> None:
    path = project / what
    if how == "world":
        path.chmod(path.stat().st_mode | 0o002)
    elif os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    else:
        os.chown(path, 12345 if how == "owner" else 0, 12345)
        path.chmod(path.stat().st_mode | 0o020)
    assert find_inventory() is None
    with pytest.raises(InventoryError, match=rf"name {project}/devices.toml with --inventory: another user can change"):
        resolve("pi4", open_inventory())
    assert resolve("pi4", open_inventory(project / "devices.toml")).name == "pi4"


@pytest.mark.parametrize("below", [".", "bench/deep"])
def test_a_file_above_decides_nothing_about_this_machine_either(
    project: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    (project / "devices.toml").write_text('[device.desk]\ntransport="local"\nworkdir="/"')
    monkeypatch.chdir(project / below)
    with pytest.raises(InventoryError, match=r"workdir.*--inventory \S*devices.toml"):
        resolve("desk", open_inventory())


@pytest.mark.parametrize(
    ("table", "device", "key"),
    [
        ('[device.local]\ntransport="local"\nworkdir="~"', "local", "workdir"),
        ('[device.local]\ntransport="local"\ntune=true', "local", "tune"),
        ('[device.local]\ntransport="local"\ncores=[0]', "local", "the table itself"),
        ('[device.desk]\ntransport="local"\nworkdir="/"', "desk", "workdir"),
        ('[device.desk]\ntransport="local"\ntune=true', "desk", "tune"),
        ('[device.a72]\ntransport="qemu"\ncpu="cortex-a72"\nworkdir="~"', "a72", "workdir"),
    ],
)
def test_a_file_that_was_only_found_decides_nothing_about_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, device: str, key: str
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    Path("devices.toml").write_text(table)
    with pytest.raises(InventoryError, match=f"devices.toml: device '{device}', .*{key}.*--inventory devices.toml"):
        resolve(device, open_inventory())
    assert resolve(device, open_inventory(Path("devices.toml"))).name == device
    user_inventory().parent.mkdir(parents=True)
    Path("devices.toml").rename(user_inventory())
    assert resolve(device, open_inventory()).name == device
    Path("devices.toml").symlink_to(user_inventory())
    assert resolve(device, open_inventory()).name == device


def test_a_file_that_was_only_found_may_list_other_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    Path("devices.toml").write_text(GOOD + '[device.big]\ntransport="local"\ncores="big"\n')
    found = open_inventory()
    assert all(resolve(name, found).is_found == (name != "local") for name in found.devices)
    assert "is_found" not in resolve("big", found).to_toml()


@pytest.mark.parametrize(
    ("text", "host", "user", "port"),
    [
        ("ssh://pi4.lab", "pi4.lab", None, None),
        ("ssh://pi@pi4.lab/", "pi4.lab", "pi", None),
        ("ssh://u0_a123@192.0.2.7:8022", "192.0.2.7", "u0_a123", 8022),
        ("ssh://[2001:db8::7]:22", "2001:db8::7", None, 22),
        ("ssh://Alias_X", "Alias_X", None, None),
    ],
)
def test_addresses(text: str, host: str, user: str | None, port: int | None) -> None:
    spec = resolve(text, Inventory())
    assert (spec.transport, spec.host, spec.user, spec.port) == ("ssh", host, user, port)
    assert spec.name in text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("ssh://", "lacks"),
        ("ssh://@host", "lacks"),
        ("ssh://user:secret@host", "no password"),
        ("ssh://host:port", "'port'"),
        ("ssh://host:99999", "'99999'"),
        ("ssh://host/folder", "not an address"),
        ("ssh://-oProxyCommand=sh", "lacks"),
        ("ssh://ho st", "lacks"),
        ("http://host", "http://"),
        ("pi@host", "ssh://pi@host"),
        ("pi5", "did you mean 'pi4'"),
    ],
)
def test_wrong_addresses_are_one_sentence(text: str, part: str) -> None:
    inventory = Inventory(Path("devices.toml"), parse(GOOD, Path("devices.toml")))
    with pytest.raises(InventoryError) as caught:
        resolve(text, inventory)
    assert part in str(caught.value)
    assert "secret" not in str(caught.value)


def test_names_resolve() -> None:
    inventory = Inventory(None, parse(GOOD, Path("devices.toml")))
    assert resolve("pi4", inventory).host == "pi4.lab"
    assert resolve("local", Inventory()) == LOCAL


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)


@given(
    workdir=_TEXT,
    port=st.none() | st.integers(1, 65535),
    cores=st.sampled_from(["all", "big"]) | st.lists(st.integers(0, 99), min_size=1, unique=True).map(tuple),
    tune=st.booleans(),
    before=st.sampled_from(["", GOOD, "# nothing yet", '[device.x]\ntransport = "local"  # mine\n\n\n']),
)
def test_add_keeps_the_file_and_reads_back(
    tmp_path_factory: pytest.TempPathFactory,
    workdir: str,
    port: int | None,
    cores: object,
    tune: bool,
    before: str,
) -> None:
    path = tmp_path_factory.mktemp("add") / "devices.toml"
    path.write_bytes(before.encode())
    spec = DeviceSpec("new.one", "ssh", host="h", workdir=workdir, port=port, cores=cores, tune=tune)  # type: ignore[arg-type]
    add(path, spec)
    assert path.read_bytes().startswith(before.encode())
    assert load(path)["new.one"] == spec
    assert [entry.name for entry in path.parent.iterdir()] == ["devices.toml"]


def test_add_refuses(tmp_path: Path) -> None:
    path = tmp_path / "new" / "devices.toml"
    spec = DeviceSpec("pi", "ssh", host="h")
    add(path, spec)
    before = path.read_bytes()
    with pytest.raises(InventoryError, match="already has a device 'pi'"):
        add(path, spec)
    with pytest.raises(InventoryError, match="letters"):
        add(path, DeviceSpec("a b", "ssh", host="h"))
    assert path.read_bytes() == before
    path.write_text('device = {x = {transport = "local"}}\n')
    with pytest.raises(InventoryError):
        add(path, spec)
    assert tomllib.loads(path.read_text())["device"].keys() == {"x"}
