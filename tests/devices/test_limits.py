"""CPUs and CPU time that a process is kept from, as this kernel really does it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bnnbench.devices.doctor import diagnose
from bnnbench.devices.facts import DeviceFacts, Fact
from bnnbench.devices.inventory import LOCAL
from bnnbench.devices.probe import facts_of
from bnnbench.devices.probe_script import split

pytestmark = pytest.mark.timeout(60)

FIXTURES = Path(__file__).parent / "fixtures"
CPU, CPUSET = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/cpuset")
PROBE = """
import json, sys
from bnnbench.devices.doctor import diagnose
from bnnbench.devices.errors import InventoryError
from bnnbench.devices.facts import cores_of
from bnnbench.devices.inventory import LOCAL
from bnnbench.devices.probe import probe
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.telemetry import signs
from bnnbench.devices.transport import connect
from bnnbench.results.trust import times_stopped
with connect(LOCAL) as transport:
    facts = probe(transport)
    before = signs(transport, facts)
    transport.shell("i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done")
    after = signs(transport, facts)
try:
    cores = cores_of(DeviceSpec("d", "local", cores=(1,)), facts)
except InventoryError as error:
    cores = str(error)
print(json.dumps({
    "cpus": facts.value("cpus"), "quota": facts.value("cpu_quota"), "cores": cores,
    "found": {one.name: one.what for one in diagnose(LOCAL, facts)},
    "stopped": times_stopped({path: (before[path], after[path]) for path in before}),
}))
"""


def probed(*before: str) -> Any:
    """What a process that was started after `before` sees."""
    argv = [*before, sys.executable, "-c", PROBE]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=50, check=True)
    return json.loads(done.stdout)


def within(groups: Sequence[Path]) -> list[str]:
    """Words before a command that put it into control groups."""
    script = "".join(f"echo $$ > {group}/cgroup.procs; " for group in groups) + 'exec "$@"'
    return ["sh", "-c", script, "sh"]


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A control group below one of the first version's controllers, in one that has no limits."""
    parent = request.param / f"bnnbench-test-{os.getpid()}"
    try:
        parent.mkdir()
    except OSError as error:
        pytest.skip(f"no control groups can be made in {request.param}: {error.strerror}")
    child = parent / "inner"
    child.mkdir()
    yield child
    child.rmdir()
    parent.rmdir()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2 or 0 not in os.sched_getaffinity(0), reason="needs CPUs 0 and 1")
@pytest.mark.skipif(shutil.which("taskset") is None, reason="needs taskset")
def test_a_cpu_that_a_process_gets_when_it_asks_may_be_named() -> None:
    seen = probed("taskset", "-c", "0")
    assert seen["cpus"]["allowed"] == [0]
    assert 1 in seen["cpus"]["settable"]
    assert seen["cores"] == [1]
    assert "set-aside" in seen["found"]
    assert "cpuset" not in seen["found"]


@pytest.mark.parametrize("group", [CPUSET], indirect=True)
@pytest.mark.skipif(os.cpu_count() == 1, reason="needs two CPUs")
def test_a_cpu_outside_the_cpuset_is_refused_and_not_blamed_on_android(group: Path) -> None:
    for folder in (group.parent, group):
        (folder / "cpuset.mems").write_text("0")
        (folder / "cpuset.cpus").write_text("0")
    seen = probed(*within([group]))
    assert seen["cpus"]["allowed"] == [0]
    assert "settable" not in seen["cpus"]
    assert "CPU 1, but only 0 can be used there (CPU 1 is outside the cpuset of its control group)" in seen["cores"]
    assert "the cpuset of its control group" in seen["found"]["cpuset"]
    assert "Android" not in json.dumps(seen)


@pytest.mark.parametrize("group", [CPU], indirect=True)
@pytest.mark.parametrize("level", ["own", "above"])
def test_a_limit_of_cpu_time_is_seen_at_every_level_and_when_it_stops_something(group: Path, level: str) -> None:
    limited = group if level == "own" else group.parent
    (limited / "cpu.cfs_quota_us").write_text("20000")
    seen = probed(*within([group]))
    assert seen["quota"] == [{"cpus": 0.2, "path": str(limited)}]
    assert f"0.20 of {os.cpu_count()} CPUs' time" in seen["found"]["quota"]
    assert seen["stopped"] > 0


@pytest.mark.parametrize(
    ("cpus", "told"),
    [(0.001, "0.0010 of 4"), (0.014, "0.014 of 4"), (0.2, "0.20 of 4"), (1.5, "1.50 of 4"), (3.999, "3.999 of 4"),
     (1e-6, "0.0000010 of 4")],
)  # fmt: skip
def test_a_limit_of_cpu_time_is_never_rounded_to_nothing_or_all(cpus: float, told: str) -> None:
    recorded = facts_of(split((FIXTURES / "container_quota.txt").read_text(), "@@"))
    facts = DeviceFacts({**recorded.facts, "cpu_quota": Fact([{"cpus": cpus, "path": "/g"}], "x")})
    (found,) = (one.what for one in diagnose(LOCAL, facts) if one.name == "quota")
    assert f"lets it use {told} CPUs' time" in found
