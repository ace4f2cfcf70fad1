"""What is asked of Dask beside its work: that it says nothing, and waits for nothing when its client is forgotten."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys

import pytest

from tests.devices.sshd import _free_port

LOGGERS = "distributed", "distributed.client", "distributed.gc", "distributed.core", "tornado.application", "asyncio"


def test_dask_says_nothing() -> None:
    """In a process of its own: levels are of a whole process."""
    asked = f"""
import logging
from bnnbench.harness.lab.settings import set_up_dask
set_up_dask()
import distributed
for name in {LOGGERS}:
    logging.getLogger(name).error("a traceback from %s", name)
    assert logging.getLogger(name).getEffectiveLevel() == {logging.CRITICAL}, name
"""
    done = subprocess.run([sys.executable, "-P", "-c", asked], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.timeout(60)
def test_a_client_that_could_not_connect_is_only_forgotten() -> None:
    """Dask's is closed where it is collected, which can wait for ever."""
    from distributed.utils import LoopRunner

    from bnnbench.harness.lab.dask_nodes import LabClient

    closed = []

    class Watched(LabClient):
        def close(self, timeout: float = 0) -> None:
            closed.append(self.status)

    loop = LoopRunner()
    loop.start()
    with pytest.raises(OSError, match="Timed out trying to connect"):
        Watched(f"tcp://127.0.0.1:{_free_port()}", loop=loop.loop, timeout=0.2, set_as_default=False)
    gc.collect()
    loop.stop()
    assert closed == []
