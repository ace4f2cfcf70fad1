"""Where a device's calibrations are kept."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bnnbench.results.store.calibration import latest, save
from tests.results.calibrated import calibrated

NAMES = {
    "plain": "pi4",
    "address": "root@[fe80::1]:22",
    "folders": "../../etc",
    "long": "a" * 4000,
    "two bytes": "\u00fc" * 200,
    "four bytes": "\U0001d54f" * 100,
}


@pytest.mark.parametrize("device", NAMES.values(), ids=NAMES)
def test_any_name_has_a_folder_of_its_own_in_the_store(device: str, tmp_path: Path) -> None:
    assert latest(tmp_path, device) is None
    made = msgspec.structs.replace(calibrated(), device=device)
    path = save(tmp_path, made)
    assert path.parent.parent == tmp_path / "devices"
    assert latest(tmp_path, device) == made


def test_long_names_with_the_same_beginning_are_not_the_same_device(tmp_path: Path) -> None:
    save(tmp_path, msgspec.structs.replace(calibrated(), device="a" * 300))
    assert latest(tmp_path, "a" * 301) is None
