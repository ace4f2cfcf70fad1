"""What a run keeps of the inventory that it was begun with."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bnnbench.devices.errors import InventoryError
from bnnbench.harness.plan.config import RunConfig, inventory_path
from bnnbench.harness.suite.tables import Suite


def test_a_stored_run_remembers_whether_its_inventory_was_only_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    Path("devices.toml").write_text('[device.desk]\ntransport="local"\n')
    begun = RunConfig(suite=Suite(name="small"), devices=["desk"], inventory=inventory_path(None))
    stored = msgspec.json.encode(begun)
    assert msgspec.json.decode(stored, type=RunConfig).specs()[0].name == "desk"
    Path("devices.toml").write_text('[device.desk]\ntransport="local"\nworkdir="~"\n')  # as a `git pull` might
    with pytest.raises(InventoryError, match=r"'workdir'.*--inventory"):
        msgspec.json.decode(stored, type=RunConfig).specs()
    named = msgspec.structs.replace(begun, inventory_given=True)
    assert named.specs()[0].workdir == "~"
