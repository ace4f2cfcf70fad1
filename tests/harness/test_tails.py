"""Tails and startups: measured by the real engine, on this machine and through a real sshd, and compared."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bnnbench.harness.measure.starts import _first_result_ns
from bnnbench.harness.plan.extras import FAST_EXECUTIONS, TAIL_EXECUTIONS, executions
from bnnbench.kernels.engines.replies import Ran
from bnnbench.kernels.toolchain import build_native
from bnnbench.results.store.runs import Store
from tests.devices.sshd import LoopbackSsh
from tests.harness.bench import Bench
from tests.harness.replaying import replayed
from tests.packaging.test_prebuilt import HOST

KERNEL = '[[kernel]]\nop = "bgemm"\nm = 64\nn = 64\nk = 512\n'
SUITE = f'name = "tails"\nengines = ["native"]\ninvocations = 3\nwarmup_ms = 1\nmin_sample_ms = 0.1\n{KERNEL}'


@pytest.mark.parametrize(
    ("execution_ns", "count"),
    [
        (1e3, FAST_EXECUTIONS),
        (5e5, FAST_EXECUTIONS),
        (6e5, TAIL_EXECUTIONS),
        (3e7, TAIL_EXECUTIONS),
        (1e8, 300),
        (1e12, 1),
    ],
)
def test_how_many_executions_are_timed(execution_ns: float, count: int) -> None:
    assert executions(execution_ns) == count


def test_a_run_has_them_where_they_are_asked_for(bench: Bench) -> None:
    bench.write("suite.toml", SUITE)
    done = bench.run("run", "suite.toml", "--deadline", "1ns", "--starts", "--store", "store", "--json")
    assert done.returncode == 0, done.stderr
    (case,) = json.loads(done.stdout)["cases"]
    assert case["latency_ns"] < case["p99_ns"] <= case["p999_ns"]
    assert case["p99_low_ns"] <= case["p99_ns"] <= case["p99_high_ns"]
    assert case["deadline_misses"] == 1
    assert case["startup_ns"] > 1e5  # a process takes longer than that
    run = Store(bench.folder / "store").run("latest")
    for one in run.invocations:
        assert len(one.each_ns) == FAST_EXECUTIONS
        assert one.deadline_ns == 1
        assert one.start_dropped_ns is not None or "could not be taken out of memory" in (one.extras_note or "")
        assert len(one.samples_ns) == 10
    plain = bench.run("run", "suite.toml", "--store", "store", "--json")
    (case,) = json.loads(plain.stdout)["cases"]
    assert [case[name] for name in ("p99_ns", "p999_ns", "deadline_misses", "startup_ns", "cold_startup_ns")] == [
        None
    ] * 5


def test_through_a_real_sshd_the_connection_is_not_in_them(bench: Bench, board: LoopbackSsh) -> None:
    bench.write("suite.toml", f"tails = true\nstarts = true\n{SUITE}")
    done = bench.run("run", "suite.toml", "-d", "board", "--store", "store", "--json")
    assert done.returncode == 0, done.stderr
    (case,) = json.loads(done.stdout)["cases"]
    assert case["p99_ns"] > case["latency_ns"]
    (first, *_) = Store(bench.folder / "store").run("latest").invocations
    assert first.start_warm_ns is not None
    assert first.wall_ns is not None
    assert first.start_warm_ns < first.wall_ns / 2


def test_an_engine_that_starts_wrongly_has_no_startup_and_keeps_its_times(bench: Bench) -> None:
    """This one answers rightly when it is asked step by step, and wrongly when all requests are there at once."""
    binary = str(build_native(HOST).path)
    engine = bench.write(
        "odd.py",
        "#!/usr/bin/env python3\n"
        "import fcntl, os, sys, termios, time\n"
        "time.sleep(0.1)\n"
        "waiting = int.from_bytes(fcntl.ioctl(0, termios.FIONREAD, bytes(4)), sys.byteorder)\n"
        "if waiting > len('hello protocol=1 '):\n"
        '    print(\'{"ok":false,"error":"too much at once"}\', flush=True)\n'
        "    sys.exit()\n"
        f"os.execv({binary!r}, [{binary!r}])\n",
    )
    engine.chmod(0o755)
    declared = '\n[engine.odd]\ncommand = ["{binary}"]\nbinary = { x86_64 = "odd.py", aarch64 = "odd.py" }\n'
    once = SUITE.replace("invocations = 3", "invocations = 1").replace('"native"', '"odd"')
    bench.write("suite.toml", f"starts = true\n{once}{declared}")
    done = bench.run("run", "suite.toml", "--store", "store", "--json")
    (case,) = json.loads(done.stdout)["cases"]
    notes = {one.extras_note for one in Store(bench.folder / "store").run("latest").invocations}
    assert case["latency_ns"] > 0
    assert case["startup_ns"] is None
    assert all(note and ("too much at once" in note or "ended after" in note) for note in notes), notes


def test_sides_are_compared_by_them(bench: Bench) -> None:
    bench.write("suite.toml", SUITE)
    words = ["--base", "native", "--head", "native", "--deadline", "1s", "--starts", "--budget", "3s", "--json", "-"]
    done = bench.run("ab", "suite.toml", *words, "--store", "store", timeout=110)
    found: dict[str, Any] = {one["metric"]: one for one in json.loads(done.stdout)["verdicts"]}
    assert {"p99", "p999", "misses", "startup"} <= set(found)
    assert found["misses"]["effect_unit"] == "difference"
    assert (found["misses"]["base_value"], found["misses"]["head_value"]) == (0, 0)


def test_an_engine_whose_single_executions_cannot_be_keeps_its_samples(bench: Bench) -> None:
    """The replayed one claims a second of work, and answers at once."""
    words = [*replayed(bench), "--tails"]
    done = bench.run(*words, "--json", "-", timeout=110)
    assert done.returncode == 0, done.stderr
    found = {one["metric"]: one["verdict"] for one in json.loads(done.stdout)["verdicts"]}
    assert found["latency"] == "equivalent"
    assert "p99" not in found
    notes = {one.extras_note for one in Store(bench.folder / "store").run("latest").invocations}
    assert all(note and note.startswith("single executions: engine '") for note in notes)
    assert all("impossible times" in (note or "") for note in notes)


@pytest.mark.parametrize("text", ["33", "0ms", "-1ms", "1 parsec", "1e9s", ""])
def test_a_wrong_deadline_is_one_sentence(bench: Bench, text: str) -> None:
    done = bench.run("run", f"--deadline={text}", "--store", "store")
    assert done.returncode == 2
    assert f"--deadline {text!r} is not a time of an execution; write it as 33ms" in done.stderr


class TestTheRole:
    """`engine start`, by itself."""

    @staticmethod
    def start(folder: Path, requests: str, *words: str, command: list[str]) -> dict[str, Any]:
        (folder / "requests").write_text(requests)
        engine = str(build_native(HOST).path)
        argv = [engine, "start", *words, "--requests", "requests", "--", *command]
        done = subprocess.run(argv, cwd=folder, capture_output=True, timeout=30, check=False)
        found: dict[str, Any] = json.loads(done.stdout)
        assert (done.returncode == 0) == found["ok"]
        return found

    def test_times_and_replies(self, tmp_path: Path) -> None:
        say = "print(line.strip() + '!', flush=True)"
        script = f"import sys, time\nfor line in sys.stdin:\n    time.sleep(0.05)\n    {say}\n"
        found = self.start(tmp_path, "a\nb\nc\n", command=["python3", "-c", script])
        assert found["replies"] == ["a!", "b!", "c!"]
        first, second, third = found["ns"]
        assert 5e7 <= first < second < third
        assert second - first >= 5e7
        assert third - second >= 5e7

    def test_a_file_is_taken_out_of_memory(self, tmp_path: Path) -> None:
        data = tmp_path / "data"
        data.write_bytes(bytes(1 << 20))
        found = self.start(tmp_path, "a\n", "--drop", "data", command=["sh", "-c", "read x; echo 1"])
        (left,) = found["resident"]
        assert left in (0, 1)  # some file systems keep all
        held = tmp_path / "held"
        held.write_bytes(bytes(1 << 20))
        import mmap

        with held.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert mapped[:: mmap.PAGESIZE].count(0) == 256
            found = self.start(tmp_path, "a\n", "--drop", "held", command=["sh", "-c", "read x; echo 1"])
        assert found["resident"][0] > 0.9  # whoever maps a file keeps its pages

    @pytest.mark.parametrize(
        ("requests", "command", "said"),
        [
            ("a\nb\n", ["sh", "-c", "echo 1"], "the program ended after 1 of 2 replies"),
            ("a\n", ["sh", "-c", "exit 3"], "the program ended after 0 of 1 replies"),
            ("a\n", ["./nothing-here"], "the program ended after 0 of 1 replies"),
            ("", ["sh", "-c", "echo 1"], "there must be 1 to 16 requests"),
            ("a\n" * 17, ["sh", "-c", "echo 1"], "there must be 1 to 16 requests"),
            ("a\n", ["sh", "-c", "head -c 3000000 /dev/zero"], "the replies have more than 1 MiB"),
        ],
    )
    def test_what_goes_wrong_is_one_sentence(
        self, tmp_path: Path, requests: str, command: list[str], said: str
    ) -> None:
        assert self.start(tmp_path, requests, command=command)["error"] == said

    def test_a_file_that_is_missing(self, tmp_path: Path) -> None:
        found = self.start(tmp_path, "a\n", "--drop", "gone", command=["sh", "-c", "echo 1"])
        assert "gone" in found["error"]


def test_the_first_result_comes_before_the_reply() -> None:
    ran = Ran(samples_ns=[5.0], start_ns=1000, end_ns=9000, first_ns=2000)
    assert _first_result_ns(50_000, ran) == 44_000
    assert _first_result_ns(50_000, Ran(samples_ns=[5.0])) == 50_000
    assert _first_result_ns(3_000, ran) == 3_000  # an engine that contradicts itself
