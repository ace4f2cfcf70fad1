"""For every test: programs that tests start can be interrupted, and CI has every judge."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Generator

import pytest

# A shell starts what runs in the background with SIGINT ignored, and children inherit that, but no handler.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# NumPy's threads wait for each other by spinning: with a test on each core that is most of the processor time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Most of what tests start is Python; without bytecode, each would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

JUDGES = "BNNBENCH_JUDGES"
"""Set to `required`, a test that is skipped because something is not installed fails: CI installs all of it."""
OF_THE_MACHINE = re.compile(
    r"this CPU (has no|lacks) |one CPU|does not run on |\broot\b|not permitted here|tmpfs cannot be mounted|"
    r"this sandbox mounts no|mount namespace|emulated for the small models|BNNBENCH_GOLDEN|another Python"
)
"""Reasons that no installation mends: the processor, the user's rights, data that is no part of the project."""


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Generator[None]:
    """A journal is synchronised after each of hundreds of records, and no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_state_folder(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Keys and quarantines of this user are not those of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    reason = missing_judge(report)
    if reason is not None and os.environ.get(JUDGES) == "required":
        report.outcome = "failed"
        report.longrepr = f"{JUDGES}=required, and this test was skipped: {reason}"
    return report


def missing_judge(report: pytest.TestReport) -> str | None:
    """Why a test was skipped, where what it needs could have been installed."""
    if report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return None
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    return None if OF_THE_MACHINE.search(reason) else reason.removeprefix("Skipped: ")
