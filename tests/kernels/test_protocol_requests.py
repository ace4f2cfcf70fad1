"""Random requests to the native engine: a short form of tests/fuzz/fuzz_protocol.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnnbench.kernels.toolchain import build_native
from tests.fuzz.fuzz_protocol import fuzz
from tests.kernels.engine_process import HOST


@pytest.mark.timeout(300)
def test_every_request_has_one_reply(tmp_path: Path) -> None:
    count, trouble = fuzz(build_native(HOST).path, tmp_path, 10_000, 1)
    assert trouble is None
    assert count.all > 9_900
    assert count.accepted > 500
    assert count.refused > 5_000
