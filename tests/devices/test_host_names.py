"""Host and user names, with the real `ssh` client as the judge."""

from __future__ import annotations

import shutil
import string
import subprocess
from pathlib import Path

import pytest

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.host_names import is_host, is_user
from bnnbench.devices.inventory import Inventory, parse, resolve

pytestmark = pytest.mark.timeout(60)
CHARACTERS = [*string.punctuation, " ", "\t", "\n", "\x7f", "\x01", "7", "\u00e9"]
NAMES = [name for one in CHARACTERS for name in (f"{one}ab", f"a{one}b", f"ab{one}", f"a {one}b")]


def ssh_takes(*words: str) -> bool:
    """Whether ssh has no objection to the names; nothing is connected to."""
    program = shutil.which("ssh")
    if program is None:
        pytest.skip("ssh is not installed")
    done = subprocess.run(
        [program, "-F", "none", "-G", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20
    )
    return "contains invalid characters" not in done.stderr


def test_hosts_are_judged_as_ssh_judges_them() -> None:
    # Of `a@b` ssh takes the part behind it for the host.
    names = [name for name in NAMES if "@" not in name]
    assert {name: is_host(name) for name in names} == {name: ssh_takes("--", name) for name in names}


def test_users_are_judged_as_ssh_judges_them() -> None:
    names = [name for name in NAMES if name.isprintable()]  # the others are refused since OpenSSH 10.1
    assert {name: is_user(name) for name in names} == {name: ssh_takes("-l", name, "--", "host") for name in names}
    assert not any(is_user(name) for name in NAMES if not name.isprintable())


@pytest.mark.parametrize("name", [name for name in NAMES if not is_host(name) or not is_user(name)])
def test_neither_inventories_nor_addresses_take_what_ssh_refuses(name: str) -> None:
    import json

    for key, takes in (("host", is_host), ("user", is_user)):
        if not takes(name):
            table = {"host": '"x"', key: json.dumps(name)}
            text = '[device.a]\ntransport="ssh"\n' + "".join(f"{key} = {value}\n" for key, value in table.items())
            with pytest.raises(InventoryError):
                parse(text, Path("devices.toml"))
            address = f"ssh://{name}" if key == "host" else f"ssh://{name}@host"
            with pytest.raises(InventoryError):
                resolve(address, Inventory())
