"""`devices add --identity-file`: the key is used for the probe and written into the inventory."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnnbench.devices.errors import AuthError, InventoryError
from bnnbench.devices.inventory import load
from bnnbench.devices.transport import connect, ssh
from bnnbench.devices.transport.endpoint import user_config
from bnnbench.harness.cli.devices import add
from bnnbench.harness.errors import CallError

from .sshd import LoopbackSsh

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def configured(server: LoopbackSsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration of ssh that knows the server's host key and none of the user's keys."""
    config = tmp_path / "config"
    config.write_text(f"Host *\n  UserKnownHostsFile {server.known_hosts}\n  IdentityFile none\n  IdentityAgent none\n")
    monkeypatch.setattr(ssh, "user_config", lambda _: user_config(config))


@pytest.mark.usefixtures("configured")
def test_the_key_is_used_and_kept(server: LoopbackSsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, address = tmp_path / "inventory" / "devices.toml", f"ssh://{server.user}@127.0.0.1:{server.port}"
    path.parent.mkdir()
    with pytest.raises(AuthError, match="There is no key to offer"):
        add("board", address, inventory=path)
    assert not path.exists()
    monkeypatch.chdir(server.key.parent)
    add("board", address, identity_file=Path(server.key.name), inventory=path)  # of the working folder
    assert load(path)["board"].identity_file == server.key
    connect(load(path)["board"]).close()


@pytest.mark.usefixtures("configured")
def test_a_key_that_cannot_be_meant_is_a_sentence(server: LoopbackSsh, tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    with pytest.raises(InventoryError, match="does not exist"):
        add("board", f"ssh://127.0.0.1:{server.port}", identity_file=tmp_path / "none", inventory=path)
    with pytest.raises(CallError, match="--identity-file is for SSH devices"):
        add("phone", "adb://0A1B2C3D", identity_file=server.key, inventory=path)
    assert not path.exists()
